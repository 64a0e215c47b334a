-- A small run with a checkpoint after every step, for kill.sh and full_disk.sh;
-- it kills itself before the step that KILL_AT names.
local hone = require "hone"
local args = hone.args { strategy = "lora" }

local model = hone.model.new({ model_type = "llama", hidden_size = 32, num_hidden_layers = 2,
  num_attention_heads = 4, intermediate_size = 48, vocab_size = 258,
  max_position_embeddings = 64, tie_word_embeddings = true }, { seed = 3 })
model:set_tokenizer(hone.tokenizer.byte {})

local cosine, kill_at = hone.schedule.cosine { warmup = 0.1 }, tonumber(os.getenv "KILL_AT")
local function schedule(step, steps)
  if step == kill_at then os.execute "kill -9 $PPID" end
  return cosine(step, steps)
end

local rows = {}
for i = 1, 48 do
  rows[i] = { prompt = ("%d+%d="):format(i, i % 7), completion = ("%d"):format(i + i % 7) }
end
local run = hone.sft {
  model = model, data = hone.data.new(rows, "sums"):split { train = 0.8, validation = 0.2, seed = 5 },
  strategy = args.strategy == "lora" and hone.strategy.lora { rank = 2, dropout = 0.25 }
    or hone.strategy.full {},
  optimizer = hone.optimizer.adamw { lr = 1e-2 },
  epochs = 4, batch = { tokens = 48, accumulate = 2 }, eval = { every = 5, samples = 1, max_tokens = 4 },
  checkpoint = { every = 1 }, schedule = schedule, seed = 11, name = "killed",
}
print(run.model:hash(), run.state.step, run.state.best.step, ("%a"):format(run.state.best.loss))
