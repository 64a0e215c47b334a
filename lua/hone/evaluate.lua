-- evaluate: the loss of a model on examples or a text, without gradients.
local core = require "hone.core"
local step = require "hone.step"
local text = require "hone.text"

local evaluate = {}

local meta = { __name = "hone.evaluation" }

function meta:__tostring()
  return ("%s: loss %.4f nats a token, perplexity %s (%s%s)"):format(self.name, self.loss,
    text.number(self.perplexity), text.count(self.predicted, "token"),
    self.samples and " of " .. text.count(self.samples, "sample") or "")
end

local function result(name, nats, weight, fields)
  fields.name, fields.nats = name, nats
  fields.loss = nats / weight
  fields.perplexity = math.exp(fields.loss)
  return setmetatable(fields, meta)
end

-- The weighted sum of a batch's losses in nats.
local function batch_nats(model, batch)
  return step({ record = false }, function()
    return model:cross_entropy(model:hidden(batch), batch):item()
  end)
end

--- Of examples, in batches of `tokens` tokens: { loss, perplexity, predicted, samples }.
function evaluate.examples(model, examples, tokens, name)
  local plan = examples:plan(tokens, 0, -1)
  local nats, weight, predicted = 0, 0, 0
  for i = 1, #plan do
    if core.interrupted() then core.fail("interrupted") end
    local batch <close> = plan:batch(i)
    nats, weight = nats + batch_nats(model, batch), weight + batch.weight
    predicted = predicted + batch.outputs
  end
  return result(name, nats, weight, { predicted = predicted, samples = #examples })
end

--- Of a list of ids: each token but the first is predicted once, from those
--- before it, in windows as long as the model allows (4,096 where it has no limit).
function evaluate.text(model, ids)
  if #ids < 2 then
    core.fail(("eval: %s; at least 2 are needed"):format(text.count(#ids, "token")))
  end
  local window = math.min(model.max_positions or 4096, 4096)
  local nats, predicted = 0, 0
  for first = 1, #ids - 1, window - 1 do
    local batch <close> = core.batch_new()
    batch:add(ids:slice(first, math.min(first + window - 1, #ids)))
    nats, predicted = nats + batch_nats(model, batch), predicted + batch.outputs
  end
  return result("text", nats, predicted, { predicted = predicted, tokens = #ids })
end

return evaluate
