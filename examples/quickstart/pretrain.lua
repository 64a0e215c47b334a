-- pretrain.lua: where the quickstart's base model comes from: a small Llama, from nothing, on corpus.lua's texts.
--
--   lua5.4 examples/quickstart/corpus.lua corpus 20000 1 > corpus.txt
--   hone run examples/quickstart/pretrain.lua corpus=corpus.txt out=examples/quickstart/base
local hone = require "hone"
local args = hone.args { corpus = hone.required.path, out = hone.required.path, vocab = 512, epochs = 2, seed = 1 }

local data = hone.data.load(args.corpus, { unit = "paragraph" })
local texts = {}
for i = 1, math.min(#data, 4000) do texts[i] = data[i].text end
local tokenizer = hone.tokenizer.bpe {}:train(texts, args.vocab)

local model = hone.model.new({
  model_type = "llama", architectures = { "LlamaForCausalLM" }, hidden_size = 128, intermediate_size = 352,
  num_hidden_layers = 4, num_attention_heads = 4, num_key_value_heads = 2, vocab_size = args.vocab,
  max_position_embeddings = 512, rope_theta = 10000.0, rms_norm_eps = 1e-5, hidden_act = "silu",
  tie_word_embeddings = true, eos_token_id = tokenizer:role "eos", torch_dtype = "float32",
}, { seed = args.seed })
model:set_tokenizer(tokenizer)

local run = hone.sft {
  model = model,
  data = data:clean {}:split { train = 0.98, validation = 0.02, seed = args.seed },
  optimizer = hone.optimizer.adamw { lr = 3e-3, weight_decay = 0.05 },
  schedule = hone.schedule.cosine { warmup = 0.03 },
  epochs = args.epochs,
  batch = { tokens = 4096 },
  seed = args.seed,
}
model:save(args.out)
