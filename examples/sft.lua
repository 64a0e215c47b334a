-- Fine-tune a pretrained model on instructions, watch validation, test on unseen data.
--   hone run examples/sft.lua model=models/smollm2-135m data=data/dolly.jsonl out=out/assistant
local hone = require "hone"
local args = hone.args {
  model = hone.required.path, data = hone.required.path, out = "out/assistant",
  epochs = 3, lr = 2e-4, rank = 16, tokens = 4096, seed = 7,
}

local model = hone.model.load(args.model)          -- config.json, *.safetensors, tokenizer
local data = hone.data.load(args.data)             -- JSONL, CSV or text; its columns tell the format
  :clean { min_chars = 8 }                         -- says what it dropped, and why
  :split { train = 0.90, validation = 0.05, test = 0.05, seed = args.seed }

local run = hone.sft {
  model = model,
  data = data,
  strategy = hone.strategy.lora { rank = args.rank, targets = { "q", "v" } },
  optimizer = hone.optimizer.adamw { lr = args.lr },
  schedule = hone.schedule.cosine { warmup = 0.03 },
  epochs = args.epochs,
  batch = { tokens = args.tokens },
  eval = { every = 100, patience = 3 },            -- by validation loss; the best weights are kept
  seed = args.seed,
}

print(run:test())
model:save(args.out)                               -- loads in transformers; PEFT adapter beside it
