-- Algorithms over a policy's own answers: rolls, the loop, resume, every algorithm on a
-- task with a known optimum.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal = s.test, s.equal
local core = require "hone.core"
local hone = require "hone"
local policy = require "hone.policy"
local T = hone.tensor

local config = { model_type = "llama", hidden_size = 32, num_hidden_layers = 2,
  num_attention_heads = 4, num_key_value_heads = 2, intermediate_size = 48, vocab_size = 258,
  max_position_embeddings = 64, rms_norm_eps = 1e-5, tie_word_embeddings = true }

local function new_model(seed)
  return hone.model.new(config, { seed = seed or 1 }):set_tokenizer(hone.tokenizer.byte {})
end

local function prompts(n)
  local rows = {}
  for i = 1, n do rows[i] = { prompt = ("question %d?"):format(i) } end
  return hone.data.new(rows, "prompts")
end

-- Tokens below 64: half of what an untrained policy says, all of what the best one does.
local function low_tokens(sample)
  local n = 0
  for i = sample.prompt_tokens + 1, #sample.tokens do
    if sample.tokens[i] < 64 then n = n + 1 end
  end
  return n / sample.response_tokens
end

local function options(given)
  local o = { policy = new_model(), prompts = prompts(8), reward = low_tokens, steps = 16,
    optimizer = hone.optimizer.adamw { lr = 2e-2 }, batch = { prompts = 4 },
    sampling = { max_tokens = 6, ignore_eos = true }, eval = { samples = 0 }, seed = 3 }
  for key, value in pairs(given or {}) do o[key] = value end
  return o
end

local function rewards_of(run)
  local list = {}
  for _, line in ipairs(run:history()) do list[#list + 1] = line.reward end
  return list
end

test("a_roll_says_the_same_as_the_learner_and_parts_add_up", function()
  local model = new_model()
  local p = policy.new(model, { sampling = { max_tokens = 9, temperature = 0.7 }, tokens = 60 })
  local roll <close> = p:generate { prompts = { "a", "bb", "ccc" }, samples = 4, seed = 5 }
  equal(#roll, 12)
  local seen, tokens, parts = {}, 0, 0
  for part in roll:parts() do
    parts = parts + 1
    tokens = tokens + part.tokens
    for _, i in ipairs(part.samples) do
      assert(not seen[i])
      seen[i] = true
    end
    local logp, entropy = p:logp(part, { entropy = true })
    assert(s.deviation(logp:values(), part.logp:values()) < 1e-4)
    equal(#entropy.shape, 1)
    local numbers = T.new((function() local l = {} for i = 1, 12 do l[i] = i end return l end)())
    local spread, k = part:spread(numbers):values(), 0
    for j, i in ipairs(part.samples) do
      for _ = 1, part.lengths[j] do
        k = k + 1
        equal(spread[k], i + 0.0)
      end
    end
  end
  assert(parts > 1)
  equal(tokens, roll.tokens)
  equal(#seen, 12)
  assert(s.deviation(p:logp(roll):values(), roll.logp:values()) < 1e-4)
end)

test("what_is_kept_is_what_is_learned_from", function()
  local p = policy.new(new_model(), { sampling = { max_tokens = 4 } })
  local roll <close> = p:generate { prompts = { "a", "b" }, samples = 2, seed = 1 }
  roll:keep(T { 1, 0, 0, 1 })
  equal(roll.kept, 2)
  equal(roll.kept_share, 0.5)
  for part in roll:parts() do equal(part.samples, { 1, 4 }) end
  local mask = roll:mask():values()
  equal(#mask, roll.tokens)
  equal(mask[1], 1.0)
  equal(mask[#mask], 1.0)
  local all = p:logp(roll):values()
  equal(all[roll.first[2]], 0.0)
end)

test("a_part_that_is_left_early_ends_its_step", function()
  local p = policy.new(new_model(), { sampling = { max_tokens = 4 }, tokens = 8 })
  local roll <close> = p:generate { prompts = { "a", "b" }, samples = 2, seed = 1 }
  for _ in roll:parts() do break end
  assert(not core.graph.stepping())
  pcall(function() for _ in roll:parts() do error "x" end end)
  assert(not core.graph.stepping())
end)

for _, case in ipairs {
  { "grpo", { kl = 0.01 } }, { "grpo", { ratio = "sequence" } }, { "grpo", { objective = "cispo" } },
  { "grpo", { reduction = "constant", scale = "none", minibatches = 2, epochs = 2 } },
  { "ppo", { samples = 8, epochs = 2 } },
  { "ppo", { samples = 8, epochs = 2, minibatches = 2, kl = 0, dual_clip = 3 } },
  { "rloo", { group = 8 } }, { "reinforce_pp", { samples = 8 } }, { "raft", {} },
  { "online_dpo", { group = 4, refresh = 4, beta = 0.5 } },
} do
  local words = {}
  for key, value in pairs(case[2]) do words[#words + 1] = key .. "_" .. tostring(value) end
  table.sort(words)
  test(("%s_raises_the_reward_%s"):format(case[1], table.concat(words, "_")), function()
    local run = hone[case[1]](options(case[2]))
    local list = rewards_of(run)
    equal(#list, 16)
    local first, last = list[1], (list[15] + list[16]) / 2
    assert(last > first + 0.25, ("%g to %g"):format(first, last))
  end)
end

test("a_critic_of_its_own_learns_beside_the_policy", function()
  local critic = new_model(2)
  local before = critic:hash()
  hone.ppo(options { critic = critic, samples = 2, steps = 2 })
  assert(critic:hash() ~= before)
end)

test("the_northstar_algorithm_runs_as_it_stands", function()
  local path = s.data "../northstar/algorithm_grpo.lua"
  if not io.open(path) then s.skip "no northstar folder" end
  local run = dofile(path)(options { kl = 0.01, steps = 2 })
  equal(#rewards_of(run), 2)
end)

if s.failed then os.exit(1, true) end
