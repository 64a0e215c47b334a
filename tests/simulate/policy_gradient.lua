-- Whether policy gradients raise a synthetic reward of a small model at bounded KL: the share
-- of words that begin with s. The figures and curves are in docs/algorithms.md.
--   hone run tests/simulate/policy_gradient.lua model=FOLDER algorithm=grpo seed=1
local hone = require "hone"
local policy = require "hone.policy"
local args = hone.args { model = hone.required.path, algorithm = "grpo", seed = 1, steps = 40, out = "" }

local function words_with_s(sample)
  local n, all = 0, 0
  for word in sample.response:gmatch "%a+" do
    all = all + 1
    if word:find "^[sS]" then n = n + 1 end
  end
  return all > 0 and n / all or 0
end

local rows = {}
for _, name in ipairs { "Tom", "Lily", "Ben", "Mia", "Sam", "Anna", "Max", "Lucy" } do
  for _, start in ipairs { "One day, %s", "Once upon a time, %s", "%s and a dog", "In the garden, %s" } do
    rows[#rows + 1] = { prompt = start:format(name) }
  end
end

local own = {
  grpo = { lr = 1e-4, group = 8, kl = 0.1 },
  ppo = { lr = 2e-4, samples = 8, kl = 0.03, lambda = 1, epochs = 2, minibatches = 2 },
  rloo = { lr = 3e-4, group = 8, kl = 0.05 },
  reinforce_pp = { lr = 2e-4, samples = 8, kl = 0.05 },
  remax = { lr = 2e-4, samples = 8, kl = 0.05 },
  raft = { lr = 1e-4, group = 8, keep = 1 },
  online_dpo = { lr = 1e-4, group = 8, beta = 0.1 },
}
local o = own[args.algorithm]
local rate = o.lr
o.lr = nil
o.policy, o.prompts, o.reward = hone.model.load(args.model), hone.data.new(rows, "starts"), words_with_s
o.steps, o.seed, o.batch, o.eval = args.steps, args.seed, { prompts = 4 }, { samples = 0 }
o.sampling, o.optimizer = { max_tokens = 32 }, hone.optimizer.adamw { lr = rate }

local base = o.policy:copy()
local run = hone[args.algorithm](o)
local list = run:history()
local function mean(key, first, last)
  local sum, n = 0, 0
  for k = first, last do
    if type(list[k][key]) == "number" then sum, n = sum + list[k][key], n + 1 end
  end
  return n > 0 and sum / n or 0 / 0
end
-- KL of what was learned from the model as it was, on the same prompts.
local sampling = { sampling = o.sampling }
local learned, before = policy.new(o.policy, sampling), policy.new(base, sampling)
local starts = {}
for k, row in ipairs(rows) do starts[k] = row.prompt end
local roll = learned:generate { prompts = starts, samples = 8, seed = args.seed }
local kl = roll:an_answer(roll.logp - before:logp(roll))
print(("%s seed %d: reward %.3f to %.3f, kl %.2f nats an answer, length %.1f to %.1f, %.0f s"):format(
  args.algorithm, args.seed, mean("reward", 1, 4), mean("reward", #list - 7, #list), kl,
  mean("length", 1, 4), mean("length", #list - 7, #list), mean("seconds", 1, #list) * #list))
if args.out ~= "" then
  local curve = {}
  for k, line in ipairs(list) do curve[k] = { line.reward, line.kl or hone.null } end
  hone.json.write(args.out, { algorithm = args.algorithm, seed = args.seed, curve = curve })
end
