-- likelihood: hone.likelihood(model, texts) is how likely the model finds each text: a
-- list of log p in nats (each token but the first, from those before it; texts begin
-- with the tokenizer's first token, where it has one), and a list
-- of how many tokens that is. Texts go through the model in batches of `tokens`.
local core = require "hone.core"
local options = require "hone.options"
local step = require "hone.step"
local text = require "hone.text"

local schema = {
  { "tokens", "integer", default = 4096, min = 1, doc = "of a batch" },
}

-- Log p of the texts of one batch, whose outputs are in their order.
local function score(model, batch, lengths, nats, counts)
  local values = step({ record = false }, function() return model:logp(batch):values() end)
  local at = 0
  for _, length in ipairs(lengths) do
    local sum = 0
    for i = at + 1, at + length - 1 do sum = sum + values[i] end
    at = at + length - 1
    nats[#nats + 1], counts[#counts + 1] = sum, length - 1
  end
end

local function encode(model, one, i)
  local ids = model.tokenizer:encode(one, { bos = true })
  if #ids < 2 then
    core.fail(("likelihood: text %d has %s; at least 2 are needed"):format(i,
      text.count(#ids, "token")))
  end
  if model.max_positions and #ids > model.max_positions then
    core.fail(("likelihood: text %d has %s; the model takes %s"):format(i,
      text.count(#ids, "token"),
      text.integer(model.max_positions)))
  end
  return ids
end

return function(model, texts, given)
  local o = options.check("likelihood", schema, given)
  local nats, counts, i = {}, {}, 1
  while i <= #texts do
    if core.interrupted() then core.fail("interrupted") end
    local batch <close> = core.batch_new()
    local lengths, total = {}, 0
    while i <= #texts do
      local ids = encode(model, texts[i], i)
      if total > 0 and total + #ids > o.tokens then break end
      batch:add(ids)
      lengths[#lengths + 1], total, i = #ids, total + #ids, i + 1
    end
    score(model, batch, lengths, nats, counts)
  end
  return nats, counts
end
