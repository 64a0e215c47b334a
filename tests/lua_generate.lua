-- Generation from Lua: environments that answer the model's turns, and learning from
-- what the model said itself; repetition penalty; where time went.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal = s.test, s.equal
local core = require "hone.core"
local hone = require "hone"
local policy = require "hone.policy"

local config = { model_type = "llama", hidden_size = 32, num_hidden_layers = 2,
  num_attention_heads = 4, num_key_value_heads = 2, intermediate_size = 48, vocab_size = 258,
  max_position_embeddings = 128, rms_norm_eps = 1e-5, tie_word_embeddings = true }

local function new_model()
  return hone.model.new(config, { seed = 1 }):set_tokenizer(hone.tokenizer.byte {})
end

local digits = {}
for id = 0, 127 do digits[#digits + 1] = id end

-- A calculator: a turn of the model is one number (its last character, modulo 10); it is
-- answered with the sum so far. The game ends after four of them, or at 20.
local function calculator(sums)
  return function(prompt, sample, text, turn, row)
    local key = prompt .. "/" .. sample
    sums[key] = (turn == 1 and row and row.start or turn > 1 and sums[key] or 0)
      + (text:byte(-1) or 0) % 10
    if turn == 4 or sums[key] >= 20 then return nil end
    return ("=%d "):format(sums[key])
  end
end

local sampling = { max_tokens = 12, temperature = 1, stop_tokens = digits, ignore_eos = true }

test("an_environment_answers_and_its_tokens_are_not_the_models", function()
  local model, heard = new_model(), {}
  local samples = model:generate { prompt = "0+", max_tokens = 20, temperature = 1, seed = 3,
    stop_tokens = digits, ignore_eos = true, environment = function(prompt, sample, text, turn)
      heard[#heard + 1] = { prompt, sample, turn }
      return turn < 3 and "<3>" or nil
    end }
  local x = samples[1]
  equal(heard, { { 1, 1, 1 }, { 1, 1, 2 }, { 1, 1, 3 } })
  equal(x.finish, "stop")
  local said, own = 0, 0
  for i, mine in ipairs(x.own) do
    if mine then own = own + 1
    else
      local id = x.tokens[x.prompt_tokens + i]
      equal(string.char(id), ("<3>"):sub(said % 3 + 1, said % 3 + 1))
      said = said + 1
    end
  end
  equal(said, 6)
  equal(samples:own_tokens(), own)
  equal(own, #x.own - 6)
  equal(select(2, x.response:gsub("<3>", "")), 2)
end)

test("an_environment_gets_rows_and_may_answer_with_ids", function()
  local rows = {}
  new_model():generate { max_tokens = 30, temperature = 1, stop_tokens = digits,
    prompts = { { ids = { 65 }, row = { start = 7 } }, { ids = { 66 } } }, turns = 2,
    environment = function(prompt, _, _, turn, row)
      rows[#rows + 1] = { prompt, turn, row and row.start or false }
      return { 66, 67 }
    end }
  table.sort(rows, function(a, b) return a[1] < b[1] end)
  equal(rows, { { 1, 1, 7 }, { 2, 1, false } })
end)

test("a_game_does_not_depend_on_what_is_played_beside_it", function()
  local model, first = new_model(), nil
  for _, batch in ipairs { 1, 3, 16 } do
    local o = { prompts = { "1+", "a longer prompt: 2+", "3+" }, samples = 4, seed = 9, batch = batch,
                environment = calculator {} }
    for key, value in pairs(sampling) do o[key] = value end
    local samples, said = model:generate(o), {}
    for i, x in ipairs(samples) do said[i] = { x.response, x.logp } end
    first = first or said
    equal(said, first)
  end
end)

test("learning_says_of_own_tokens_what_sampling_said", function()
  local p = policy.new(new_model(), { tokens = 200, sampling = { max_tokens = 12, temperature = 0.8,
    stop_tokens = digits, ignore_eos = true, environment = calculator {}, turns = 3 } })
  local roll <close> = p:generate { prompts = { "1+", "22+", "333+" }, samples = 5, seed = 4 }
  local spoken = 0
  for _, x in ipairs(roll.samples) do spoken = spoken + x.response_tokens end
  assert(roll.tokens < spoken)
  equal(roll.tokens, roll.samples:own_tokens())
  s.near((p:logp(roll) - roll.logp):abs():values()[1], 0, 1e-5)
  for _, x in ipairs((p:logp(roll) - roll.logp):abs():values()) do s.near(x, 0, 2e-5) end
end)

test("grpo_learns_a_game_from_the_models_own_turns", function()
  local sums, lines = {}, {}
  local run = hone.grpo { policy = new_model(), steps = 12, group = 8, seed = 3, name = "game",
    prompts = hone.data.new({ { prompt = "0+", start = 0 }, { prompt = "5+", start = 5 } }, "sums"),
    reward = function(x)
      local even, own = 0, 0
      for i, mine in ipairs(x.own or {}) do
        if mine then
          own = own + 1
          even = even + (x.tokens[x.prompt_tokens + i] < 64 and 1 or 0)
        end
      end
      return own > 0 and even / own or 0
    end,
    optimizer = hone.optimizer.adamw { lr = 2e-2 }, batch = { prompts = 2 },
    sampling = { max_tokens = 8, ignore_eos = true, stop_tokens = digits,
                 environment = calculator(sums) }, eval = { samples = 0 } }
  for _, line in ipairs(run:history()) do lines[#lines + 1] = line.reward end
  equal(#lines, 12)
  assert(lines[11] + lines[12] > lines[1] + lines[2] + 0.2, table.concat(lines, " "))
end)

test("what_an_environment_does_wrong_is_said", function()
  local model = new_model()
  local function play(environment)
    return s.fails(model.generate, model, { prompt = "a", stop_tokens = digits, temperature = 1,
                                            environment = environment })
  end
  assert(play(function() error("no such game", 0) end):find("no such game", 1, true))
  assert(play(function() return 5 end):find(
    "environment: returned a number (allowed: a text, a list of ids, nil)", 1, true))
  assert(play(function() return { "x" } end):find("token 1 is a string", 1, true))
  assert(play(function() return { 999 } end):find(
    "the environment's answer to prompt 1, sample 1: token 999 is not in the vocabulary", 1, true))
  local mute = hone.model.new(config, { seed = 1 })
  assert(s.fails(mute.generate, mute, { prompt = { 65 }, stop_tokens = digits, temperature = 1,
    environment = function() return "text" end }):find("no tokenizer", 1, true))
end)

test("a_penalty_makes_repetition_rare_and_learning_is_without_it", function()
  local model = new_model()
  local function repeats(penalty)
    local x, seen, n = model:generate { prompt = "ab", max_tokens = 60, ignore_eos = true,
      repetition_penalty = penalty }[1], {}, 0
    for i = x.prompt_tokens + 1, #x.tokens do
      n = n + (seen[x.tokens[i]] and 1 or 0)
      seen[x.tokens[i]] = true
    end
    return n
  end
  assert(repeats(3) < repeats(1))
  local p = policy.new(model, { sampling = { max_tokens = 9, repetition_penalty = 1.3 } })
  local roll <close> = p:generate { prompts = { "a", "bb" }, samples = 3, seed = 5 }
  for _, x in ipairs((p:logp(roll) - roll.logp):abs():values()) do s.near(x, 0, 1e-5) end
  assert(s.fails(model.generate, model, { prompt = "a", repetition_penalty = 0 }):find(
    "repetition_penalty", 1, true))
end)

test("what_products_attention_and_sampling_took_is_known", function()
  local before = core.spent()
  new_model():generate { prompt = "ab", max_tokens = 20, ignore_eos = true, temperature = 1 }
  local after = core.spent()
  for _, key in ipairs { "products", "attention", "sampling" } do assert(after[key] > before[key]) end
end)

test("a_prompt_may_stand_in_the_list_more_than_once", function()
  local model = hone.model.new({ model_type = "llama", hidden_size = 16, num_hidden_layers = 1,
    num_attention_heads = 2, intermediate_size = 16, vocab_size = 258, max_position_embeddings = 64 })
    :set_tokenizer(hone.tokenizer.byte {})
  local prompt = { ids = { 1, 2, 3 }, row = { name = "twice" } }
  local samples = model:generate { prompts = { prompt, prompt, prompt }, max_tokens = 40,
    ignore_eos = true, on_token = function() collectgarbage() end }
  for i = 1, 3 do assert(samples[i].name == "twice") end
end)

if s.failed then os.exit(1, true) end
