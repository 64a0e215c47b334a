-- shapes: models by name, for benchmarks: configurations whose weights are random.
local core = require "hone.core"
local text = require "hone.text"

local shapes = {}

local function gpt2(layers, heads, width)
  return { model_type = "gpt2", n_layer = layers, n_head = heads, n_embd = width, vocab_size = 50257,
           n_positions = 1024, activation_function = "gelu_new", layer_norm_epsilon = 1e-5,
           tie_word_embeddings = true }
end

local function llama(layers, heads, kv_heads, width, inner, vocab)
  return { model_type = "llama", num_hidden_layers = layers, num_attention_heads = heads,
           num_key_value_heads = kv_heads, hidden_size = width, intermediate_size = inner,
           vocab_size = vocab, rms_norm_eps = 1e-5, rope_theta = 10000.0, hidden_act = "silu",
           max_position_embeddings = 2048, tie_word_embeddings = true }
end

local known = {
  ["gpt2-124m"] = gpt2(12, 12, 768),
  ["gpt2-355m"] = gpt2(24, 16, 1024),
  ["smollm2-135m"] = llama(30, 9, 3, 576, 1536, 49152),
  ["smollm2-360m"] = llama(32, 15, 5, 960, 2560, 49152),
  ["stories260k"] = llama(5, 8, 4, 64, 172, 512),
}

--- The configuration of a shape by name.
function shapes.find(name)
  if known[name] then return known[name] end
  local names = {}
  for key in pairs(known) do names[#names + 1] = key end
  table.sort(names)
  core.fail(("bench: no shape '%s'%s (known: %s)"):format(name, text.suggest(name, names),
    table.concat(names, ", ")))
end

return shapes
