-- hone chat: on lines, at a pseudo-terminal; what is handed on while an answer comes.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal = s.test, s.equal
local chats = require "hone.chat"
local core = require "hone.core"
local hone = require "hone"
local json = hone.json

-- A model that has learned to say one thing by heart, with a mark of a next turn after it.
local config = { model_type = "llama", hidden_size = 32, num_hidden_layers = 2,
  num_attention_heads = 4, num_key_value_heads = 2, intermediate_size = 48, vocab_size = 258,
  max_position_embeddings = 192, rms_norm_eps = 1e-5, tie_word_embeddings = true }

local function new_model(more)
  local c = {}
  for key, value in pairs(config) do c[key] = value end
  for key, value in pairs(more or {}) do c[key] = value end
  return hone.model.new(c, { seed = 1 }):set_tokenizer(hone.tokenizer.byte {})
end

local taught = new_model()
do
  local rows = {}
  for _, question in ipairs { "hi", "hello", "who?", "and you?" } do
    for _ = 1, 4 do
      rows[#rows + 1] = { messages = { { role = "user", content = question },
                                       { role = "assistant", content = "ok #é." } } }
    end
  end
  hone.sft { model = taught, data = hone.data.new(rows, "rows"), epochs = 40, name = "taught",
    optimizer = hone.optimizer.adamw { lr = 1e-2 }, batch = { tokens = 1024 },
    eval = { samples = 0 } }
  taught:save "taught"
end

test("an_answer_comes_in_whole_characters_and_stays_in_the_conversation", function()
  local talk, pieces = chats.new(taught, { temperature = 0 }), {}
  equal(talk.o.template, "plain")
  local said, why = talk:ask("hi", function(piece) pieces[#pieces + 1] = piece end)
  equal({ said, why }, { "ok #é.", "stop" })
  equal(table.concat(pieces), said)
  for _, piece in ipairs(pieces) do assert(utf8.len(piece), "a piece is no text") end
  assert(#pieces > 3, "the answer did not come in pieces")
  equal(talk.messages, { { role = "user", content = "hi" }, { role = "assistant",
    content = "ok #é." } })
  equal((talk:retry()), "ok #é.")
  equal(#talk.messages, 2)
  talk:ask "hello"
  equal(#talk.messages, 4)
  talk:reset()
  equal(talk.messages, {})
end)

test("a_stop_text_is_not_handed_on_not_even_its_beginning", function()
  -- All cuts of a text into two pieces, with a stop text, its beginning, and neither.
  local function through(pieces, stops)
    local out = {}
    local push, finish = chats.filter(stops, function(text) out[#out + 1] = text end)
    for _, piece in ipairs(pieces) do push(piece) end
    local said = finish()
    equal(table.concat(out), said)
    return said
  end
  local stops = { "\n### User:", "<|im_end|>" }
  for text, expected in pairs { ["abc\n### User: x"] = "abc", ["abc\n### Use"] = "abc\n### Use",
    ["a<|im_end|>b\n### User:"] = "a", ["\n\n### User:"] = "\n", ["a < b"] = "a < b",
    ["<|im_<|im_end|>"] = "<|im_" } do
    for cut = 0, #text do
      equal(through({ text:sub(1, cut), text:sub(cut + 1) }, stops), expected)
    end
  end
  local seen = {}
  local push = chats.filter(stops, function(text) seen[#seen + 1] = text end)
  push "abc\n##"
  equal(seen, { "abc" })
  push "x"
  equal(seen, { "abc", "\n##x" })
end)

test("an_interrupted_answer_is_kept_as_far_as_it_went", function()
  local talk, n = chats.new(taught, { temperature = 0 }), 0
  local said, why = talk:ask("hi", function()
    n = n + 1
    if n == 2 then core.interrupt() end
  end)
  equal({ why, talk.messages[2].content }, { "interrupted", said })
  assert(#said < #"ok #é." and ("ok #é."):sub(1, #said) == said, said)
  assert(not core.interrupted(), "the interrupt was not taken back")
  equal((talk:ask "hello"), "ok #é.")
end)

test("the_oldest_exchange_leaves_a_full_window", function()
  local talk = chats.new(taught, { temperature = 0, max_tokens = 8 })
  for _ = 1, 6 do talk:ask "hi" end
  assert(talk.dropped > 0 and talk.dropped % 2 == 0, talk.dropped)
  equal(#talk.messages, 12)
  s.golden("lua-chat-long", s.fails(talk.ask, talk, ("x"):rep(300)))
  equal(#talk.messages, 12)
end)

test("the_same_seed_gives_the_same_conversation", function()
  local function talk()
    local t = chats.new(new_model(), { temperature = 1, max_tokens = 8, seed = 5 })
    return { (t:ask "a"), (t:ask "b"), (t:retry()) }
  end
  local first = talk()
  equal(talk(), first)
  assert(first[2] ~= first[3], "another answer is the same")
end)

test("wrong_options_are_refused", function()
  s.golden("lua-chat-template", s.fails(chats.new, taught, { template = "alpaca" }))
  s.golden("lua-chat-temperature", s.fails(chats.new, taught, { temperature = -1 }))
  s.golden("lua-chat-retry", s.fails(chats.retry or function() chats.new(taught):retry() end))
  s.golden("lua-chat-tokenizer", s.fails(chats.new, hone.model.new(config)))
end)

-- ---- the program ----

local function lines(input, arguments)
  s.write("in.txt", input)
  local command = ("'%s/hone' chat taught --temperature 0 %s <in.txt >out.txt 2>err.txt"):format(
    os.getenv "HONE_BUILD", arguments or "")
  local _, _, status = os.execute(command)
  return s.read "out.txt", s.read "err.txt", status
end

test("lines_of_standard_input_are_questions", function()
  local out, err, status = lines("hi\n\n/temperature\n/temprature 1\n/reset\nhello\n/quit\nhi\n")
  equal({ out, status }, { "ok #é.\nok #é.\n", 0 })
  equal(err, "temperature is 0\nthere is no command /temprature (did you mean '/temperature'?); " ..
    "/help lists them\nforgotten\n")
end)

test("with_json_each_answer_is_an_object", function()
  local out = lines("hi\n/max-tokens 2\nhi\n", "--json")
  local first, second = out:match "^([^\n]+)\n([^\n]+)\n$"
  equal(json.decode(first), { response = "ok #é.", finish = "stop", tokens = 8 })
  equal(json.decode(second), { response = "ok", finish = "length", tokens = 2 })
end)

test("a_folder_without_a_model_is_told", function()
  local _, err, status = s.hone "chat nothing"
  equal(status, 1)
  s.golden("lua-chat-no-model", (err:gsub("%s+$", "")))
end)

local function drive(script, arguments) s.pty(script, 80, 24, "chat " .. arguments) end

test("at_a_terminal_one_talks_and_leaves", function()
  drive([[
expect /help lists commands
expect >
send hi\r
expect ok #é.
expect >
send /max-tokens 2\r
expect max-tokens is now 2
send hi\r
expect ok
expect (cut off after 2 tokens)
send /help\r
expect another answer
send /retry\r
expect ok
send /reset\r
expect forgotten
send /quit\r
status 0
cooked
]], "taught --temperature 0")
end)

test("ctrl_c_stops_an_answer_and_twice_it_quits", function()
  new_model { max_position_embeddings = 8192 }:save "endless"
  drive([[
expect >
send go on\r
expect nnnn
signal 2
expect (stopped)
expect >
send \x03
expect Ctrl-C again
send \x03
status 0
cooked
]], "endless --template none --max-tokens 8000 --temperature 0")
end)

if s.failed then os.exit(1, true) end
