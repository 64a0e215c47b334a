-- Precision: products of bf16 numbers stay near those of f32, and so does what is learned.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near, fails = s.test, s.equal, s.near, s.fails
local hone = require "hone"
local update = require "hone.update"

local config = { model_type = "llama", hidden_size = 64, num_hidden_layers = 2,
  num_attention_heads = 4, intermediate_size = 96, vocab_size = 258,
  max_position_embeddings = 128, rms_norm_eps = 1e-5, tie_word_embeddings = true }

-- Sequences to be learned: each byte is the one before plus the row's number.
local function batch_of(rows, length)
  local batch = hone.batch()
  for row = 1, rows do
    local ids = {}
    for i = 1, length do ids[i] = (i * row) % 251 end
    batch:add(ids)
  end
  return batch
end

-- The losses of so many steps on one batch.
local function curve(model, batch, steps, rate)
  model:attach(hone.strategy.full {})
  local optimizer, losses = hone.optimizer.adamw { lr = rate }:on(model), {}
  local group = { batch, weight = batch.weight, tokens = batch.tokens }
  for i = 1, steps do losses[i] = update(model, optimizer, group, { seed = i, clip = 1 }) end
  return losses
end

local function logits(model, batch)
  local out
  require "hone.step"({ record = false }, function()
    out = model:hidden(batch):detach():values()
  end)
  return out
end

test("what_is_learned_with_bf16_follows_f32_within_one_percent", function()
  local batch = batch_of(4, 60)
  local exact = curve(hone.model.new(config, { seed = 1 }), batch, 40, 3e-3)
  local half = curve(hone.model.new(config, { seed = 1, precision = "bf16" }), batch, 40, 3e-3)
  assert(exact[40] < exact[1] - 1, "nothing was learned")
  for i = 1, #exact do near(half[i], exact[i], 0.01 * exact[1]) end
end)

test("bf16_training_has_the_same_bits_every_time", function()
  local batch, options = batch_of(3, 40), { seed = 2, precision = "bf16" }
  equal(curve(hone.model.new(config, options), batch, 5, 1e-3),
        curve(hone.model.new(config, options), batch, 5, 1e-3))
end)

test("a_model_that_goes_back_to_f32_has_the_bits_it_had", function()
  local batch, model = batch_of(2, 50), hone.model.new(config, { seed = 3 })
  local before = logits(model, batch)
  local rounded = logits(model:set_precision "bf16", batch)
  assert(s.deviation(rounded, before) < 0.03)
  equal(logits(model:set_precision "f32", batch), before)
end)

test("a_copy_has_the_precision_of_its_model", function()
  local batch, model = batch_of(2, 50), hone.model.new(config, { seed = 3, precision = "bf16" })
  equal(logits(model:copy(), batch), logits(model, batch))
end)

test("weights_stored_as_bf16_are_read_as_they_are", function()
  local batch = batch_of(2, 50)
  local stored = hone.model.new(config, { seed = 3, dtype = "bf16", precision = "bf16" })
  local widened = hone.model.new(config, { seed = 3, dtype = "bf16" })
  assert(s.deviation(logits(stored, batch), logits(widened, batch)) < 0.03)
end)

test("other_precisions_are_refused", function()
  local model = hone.model.new(config, { seed = 1 })
  s.golden("model-precision", fails(model.set_precision, model, "fp8"))
  s.golden("model-precision-option", fails(hone.model.new, config, { precision = "fp8" }))
end)

test("sft_takes_a_precision", function()
  local model = hone.model.new(config, { seed = 1 }):set_tokenizer(hone.tokenizer.byte {})
  local rows = {}
  for i = 1, 40 do rows[i] = { prompt = ("%d+1="):format(i), completion = ("%d"):format(i + 1) } end
  local run = hone.sft { model = model, data = hone.data.new(rows, "sums"), steps = 3,
    precision = "bf16", batch = { tokens = 256 }, eval = { samples = 0 }, name = "half" }
  equal(run.options.precision, "bf16")
end)

test("stories260k_learns_the_same_within_one_percent", function()
  local folder, losses = s.data "models/stories260k", {}
  for i, precision in ipairs { "f32", "bf16" } do
    local model = hone.model.load(folder, { precision = precision })
    local batch = hone.batch()
    for _, name in ipairs { "once", "one day" } do
      batch:add(model.tokenizer:encode((name .. ", there was a little girl named Lily. "):rep(6)))
    end
    losses[i] = curve(model, batch, 20, 1e-3)
  end
  assert(losses[1][20] < losses[1][1] - 0.5, "nothing was learned")
  for i = 1, 20 do near(losses[2][i], losses[1][i], 0.01 * losses[1][1]) end
end)

if s.failed then os.exit(1, true) end
