-- A reward model on HH-RLHF's harmless pairs: accuracy on pairs whose prompts it has not seen, beside what the
-- lengths of answers say.
--   hone run tests/simulate/reward_model_hh.lua model=FOLDER data=hh_harmless_1800.jsonl.gz seed=1
local hone = require "hone"
local args = hone.args { model = hone.required.path, data = hone.required.path, seed = 1, lr = 1e-3, epochs = 2,
                         tokens = 256 }

-- What stands before the last answer.
local function prompt_of(transcript) return transcript:match("^(.*)\n\nAssistant:") or transcript end

local prompts, rows = {}, {}
for _, row in hone.data.load(args.data):rows() do
  local prompt = prompt_of(row.chosen)
  if not rows[prompt] then rows[prompt], prompts[#prompts + 1] = {}, prompt end
  table.insert(rows[prompt], row)
end

local parts = { train = {}, validation = {}, test = {} }
for place, k in ipairs(hone.random(args.seed, "split"):shuffle(#prompts)) do
  local share = (place - 1) / #prompts
  local part = parts[share < 0.8 and "train" or share < 0.9 and "validation" or "test"]
  for _, row in ipairs(rows[prompts[k]]) do part[#part + 1] = row end
end
for name, list in pairs(parts) do parts[name] = hone.data.new(list, name) end

local liked = hone.reward_model {
  base = hone.model.load(args.model), data = parts, bad = "drop",
  too_long = "truncate", max_tokens = args.tokens, epochs = args.epochs, batch = { tokens = 8192 },
  optimizer = hone.optimizer.adamw { lr = args.lr, weight_decay = 0.01 },
  schedule = hone.schedule.cosine { warmup = 0.1 }, eval = { samples = 0 }, seed = args.seed,
}
print(("seed %d, best of %d steps: %d"):format(args.seed, liked.run.batches.steps, liked.run.state.best.step))
print(liked:evaluate "validation")
print(liked:test())
