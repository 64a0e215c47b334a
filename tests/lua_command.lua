-- The program: every command, what it prints, what it says of mistakes.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near = s.test, s.equal, s.near
local hone = require "hone"
local json = hone.json

-- The output of a command that must do well.
local function good(arguments)
  local out, err, status = s.hone(arguments)
  equal({ status, status == 0 and "" or err }, { 0, "" })
  return out
end

-- The message of one that must fail with exit status 1 and print nothing else.
local function bad(arguments)
  local out, err, status = s.hone(arguments)
  equal({ out, status }, { "", 1 })
  return (err:gsub("%s+$", ""))
end

local function lines(text)
  local list = {}
  for line in text:gmatch("[^\n]+") do list[#list + 1] = json.decode(line) end
  return list
end

test("version_and_help_name_the_program_and_its_commands", function()
  equal(good "version", "hone " .. hone.version .. "\n")
  equal(good "--version", good "version")
  equal(json.decode(good "version --json"), { version = hone.version })
  s.golden("lua-command-help", (good("help"):gsub("\n$", "")))
  equal(good "", good "help")
  s.golden("lua-command-help-generate", (good("help generate"):gsub("\n$", "")))
  equal(good "generate --help", good "help generate")
end)

test("mistakes_on_the_command_line_are_told_with_a_suggestion", function()
  s.golden("lua-command-unknown", bad "generat")
  s.golden("lua-command-flag", bad "generate x --temprature 1")
  s.golden("lua-command-value", bad "generate x --seed one")
  s.golden("lua-command-no-value", bad "generate x --seed")
  s.golden("lua-command-missing", bad "generate")
  s.golden("lua-command-many", bad "describe a/b c")
  s.golden("lua-command-threads", bad "plugins --threads 0")
  s.golden("lua-command-describe", bad "describe adamw")
  s.golden("lua-command-describe-unknown", bad "describe optimizer/adam")
  s.golden("lua-command-describe-kind", bad "describe optimiser/adamw")
  s.golden("lua-command-model", bad "generate no/such")
  s.golden("lua-command-eval-text", bad "eval no/such")
end)

test("an_error_in_a_script_names_its_line_and_exits_1", function()
  s.write("script.lua", 'local hone = require "hone"\n\nhone.optimizer.adamw { lrr = 1 }\n')
  equal(bad "run script.lua",
    "script.lua:3: optimizer/adamw: unknown option 'lrr' (did you mean 'lr'?)")
  s.write("script.lua", 'local x = nil\nprint(x.y)\n')
  assert(bad("run script.lua"):find("^script.lua:2: attempt to index a nil value"))
  s.write("script.lua", "x = = 1")
  assert(bad("run script.lua"):find("^script.lua:1: unexpected symbol"))
  s.golden("lua-command-no-script", bad "run nothing.lua")
  s.write("script.lua", [[
    local hone = require "hone"
    local a = hone.args { n = hone.required.integer, q = "a" }
    print(a.n + 1, a.q)]])
  equal(good "run script.lua n=41 q=b", "42\tb\n")
  s.golden("lua-command-args", bad "run script.lua m=41")
end)

test("plugins_and_describe_list_what_is_there", function()
  local found = {}
  for _, p in ipairs(lines(good "plugins --json")) do found[p.kind .. "/" .. p.name] = p end
  for _, name in ipairs { "optimizer/adamw", "strategy/lora", "model/llama", "model/gpt2",
    "tokenizer/bpe",
                          "metric/length", "quality/agreement", "bias/length" } do
    assert(found[name] and not found[name].hidden, name)
    local said = lines(good("describe --json " .. name))[1]
    equal(said.kind .. "/" .. said.name, name)
    assert(said.summary ~= "")
    assert(good("describe " .. name):find(said.summary, 1, true))
  end
  s.golden("lua-command-describe-adamw", (good("describe optimizer/adamw"):gsub("\n$", "")))
  assert(good("check " .. found["optimizer/adamw"].path):find("all checks passed", 1, true))
  s.write("notes.so", "no shared object")
  assert(bad("check notes.so"):find("notes.so"))
end)

test("a_broken_settings_file_is_told", function()
  s.write("hone.conf", "threads = 0;")
  assert(bad("plugins --config hone.conf"):find("hone.conf", 1, true))
  s.write("hone.conf", "threads = 1; run_folder = \"elsewhere\";")
  s.write("script.lua",
    'print(require("hone.core").settings().run_folder, require("hone.core").threads())')
  equal(good "run script.lua --config hone.conf", "elsewhere\t1\n")
  equal(good "run --config hone.conf script.lua", "elsewhere\t1\n")
  equal(good "run --config hone.conf --threads 2 script.lua", "elsewhere\t2\n")
end)

test("greedy_text_and_the_loss_on_a_text_are_the_published_ones", function()
  local model = s.data "models/stories260k"
  local expected = s.read(model .. "/greedy.txt")
  local text = good(("generate %s --max-tokens 256"):format(model))
  equal(text, expected)
  local sample = lines(good(("generate %s --max-tokens 256 --json"):format(model)))[1]
  equal({ sample.response .. "\n", sample.response_tokens }, { expected, 256 })
  local said = json.decode(good(("eval %s --json --bytes 800 --text %s"):format(model,
    s.data "text/tinystories_sample.txt")))
  equal(said.tokens, 413)
  near(said.nats_per_token, 1.767505, 1e-4)
  equal(good(("eval %s --bytes 800 --text %s"):format(model, s.data "text/tinystories_sample.txt")),
        "413 tokens, 1.767505 nats a token, perplexity 5.8562\n")
  equal(json.decode(good(("eval %s --json --tokens 100 --text %s"):format(model,
    s.data "text/tinystories_sample.txt"))).tokens, 100)
  local function sampled(more)
    return good(("generate %s --prompt 'The cat' --temperature 0.9 --max-tokens 20 --samples 2 %s")
      :format(model, more))
  end
  equal(sampled "--seed 5 --threads 1", sampled "--seed 5")
  assert(sampled "--seed 6" ~= sampled "--seed 5")
end)

test("tokenize_and_back_gives_the_text_byte_for_byte", function()
  local model = s.data "models/stories260k"
  local text = "Once upon a time,\n  there was a k\u{e4}se \u{1f600}.\n"
  s.write("text.txt", text)
  s.write("ids.txt", good(("tokenize %s text.txt"):format(model)))
  assert(s.read("ids.txt"):find("^%d[%d ]*\n$"))
  equal(good(("tokenize %s ids.txt --decode"):format(model)), text)
  equal(json.decode(good(("tokenize %s ids.txt --decode --json"):format(model))).text, text)
  s.write("ids.txt", "1 2 x")
  s.golden("lua-command-ids", bad(("tokenize %s ids.txt --decode"):format(model)))
end)

test("ctrl_c_keeps_a_checkpoint_and_says_how_to_go_on", function()
  s.write("long.lua", [[
    local hone = require "hone"
    local config = { model_type = "llama", hidden_size = 32, num_hidden_layers = 2,
      num_attention_heads = 4,
                     intermediate_size = 48, vocab_size = 258, max_position_embeddings = 128 }
    hone.sft { model = hone.model.new(config):set_tokenizer(hone.tokenizer.byte {}),
               data = hone.data.new { { text = ("abc "):rep(20) } }, steps = 1000000, name = "long",
               eval = { samples = 0, every = 1000000 } }]])
  -- The signal comes once a step was logged, however slow the machine is.
  local command = [[
    $HONE_BUILD/hone run long.lua 2>err.txt & pid=$!
    for i in $(seq 900); do grep -qs '"loss"' runs/long/metrics.jsonl && break; sleep 0.1; done
    kill -INT $pid; wait $pid; echo $?]]
  local status = io.popen(command):read "n"
  local said = s.read "err.txt"
  assert(said:find("long.lua:%d+: interrupted at step %d+ of 1000000, kept in runs/long"), said)
  equal(status, 130)
  equal(json.read("runs/long/run.json").status, "interrupted")
  local step = tonumber(said:match "interrupted at step (%d+)")
  equal(json.read(("runs/long/checkpoints/step-%08d/state.json"):format(step)).step, step)
end)

test("a_plain_lua_interpreter_runs_the_same_scripts", function()
  if os.getenv "HONE_SANITIZERS" == "1" then s.skip "a sanitized library in another's program" end
  if not os.execute "command -v lua5.4 >/dev/null" then s.skip "no lua5.4" end
  s.write("plain.lua", [[
local hone = require "hone"
local a = hone.args { n = 1 }
print((hone.tensor { 1, 2 } * a.n):sum():item())
hone.optimizer.adamw { lrr = 1 }]])
  local path = os.getenv "HONE_LUA_PATH"
  local command = ("LUA_PATH='%s/?.lua;%s/?/init.lua' lua5.4 plain.lua n=3 2>err.txt"):format(path,
    path)
  equal(io.popen(command):read "a", "9.0\n")
  assert(s.read("err.txt"):find("plain.lua:4: optimizer/adamw: unknown option 'lrr'", 1, true))
end)

if s.failed then os.exit(1, true) end
