-- Whether DPO raises the margin on pairs that it has not seen: HH-RLHF's harmless pairs,
-- a small model, a split by prompt. The figures are in docs/algorithms.md.
--   hone run tests/simulate/dpo_hh.lua model=FOLDER data=PAIRS.jsonl.gz seed=1
local hone = require "hone"
local args = hone.args { model = hone.required.path, data = hone.required.path, seed = 1, lr = 5e-5,
                         epochs = 2, beta = 0.1, loss = "sigmoid", max_tokens = 320 }

local parts = hone.data.load(args.data):split { train = 0.8, test = 0.2, seed = args.seed }
local run = hone.preference {
  model = hone.model.load(args.model), data = parts, loss = args.loss, beta = args.beta, bad = "drop",
  max_tokens = args.max_tokens, epochs = args.epochs, eval = { samples = 0 }, seed = args.seed,
  optimizer = hone.optimizer.adamw { lr = args.lr }, schedule = hone.schedule.cosine { warmup = 0.1 },
}
print(("seed %d, lr %g, %d pairs: %s"):format(args.seed, args.lr, #run:set "train",
  tostring(run:test())))
