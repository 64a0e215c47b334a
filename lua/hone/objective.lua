-- objective: what preference training minimises: losses by name or function, weighed
-- and added, with label noise and a term of supervised fine-tuning.
--
--   local objective = objective.new { loss = "sigmoid", beta = 0.1 }
--   objective = objective.new { loss = { { "sigmoid", weight = 0.8 }, { mine, weight = 0.2 } } }
--   local values, statistics = objective:values(b)        b: see losses.lua
--
-- A loss that does not take noise itself becomes (1 - noise) loss + noise loss of the
-- swapped pair. sft adds weight * -log pi(chosen) / length; `corrections` the same for
-- answers that people wrote.
local core = require "hone.core"
local losses = require "hone.losses"
local object = require "hone.object"
local T = require "hone.tensor"
local text = require "hone.text"

local objective = {}
local methods = {}

local function known()
  local names = {}
  for name in pairs(losses) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function unknown(name)
  core.fail(("preference: loss '%s' is not one of %s%s"):format(name,
    table.concat(known(), ", "), text.suggest(name, known())))
end

-- One entry of the list: what computes it, and its options.
local function entry_of(given, o)
  local what = given[1]
  if type(what) == "function" then
    return { name = "a function", fn = what, weight = given.weight or 1, whole = given.whole,
             options = o, loss = {} }
  end
  if type(what) ~= "string" then
    core.fail("preference: loss is a name, a function, or a list of { name, weight = }")
  end
  local loss = losses[what] or unknown(what)
  local own = { beta = given.beta or o.beta, margin_scale = o.margin_scale }
  for key, default in pairs(loss.options or {}) do
    own[key] = given[key] == nil and o[key] or given[key]
    if own[key] == nil then own[key] = default end
  end
  for key in pairs(given) do
    if key ~= 1 and key ~= "weight" and own[key] == nil then
      core.fail(("preference: loss '%s' has no option '%s'"):format(what, tostring(key)))
    end
  end
  return { name = what, fn = loss.fn, weight = given.weight or 1, loss = loss, options = own,
           whole = loss.whole }
end

--- o: loss, beta, sft, corrections, margin_scale, and the losses' own options.
function objective.new(o)
  local list = type(o.loss) == "table" and o.loss or { { o.loss } }
  if #list == 0 then core.fail("preference: the list of losses is empty") end
  local self = setmetatable({ entries = {}, o = o, reference = false }, { __index = methods })
  for i, given in ipairs(list) do
    local e = entry_of(type(given) == "table" and given or { given }, o)
    if math.type(e.weight) == nil then
      core.fail(("preference: loss '%s': weight: a number expected"):format(e.name))
    end
    self.entries[i] = e
    local unpaired = e.loss.unpaired == true
    if self.unpaired ~= nil and self.unpaired ~= unpaired then
      core.fail(("preference: loss '%s' judges %s, the one before it does not"):format(e.name,
        unpaired and "samples one by one" or "pairs"))
    end
    self.unpaired = unpaired
    self.whole, self.shift = self.whole or e.whole, self.shift or e.loss.shift
    self.reference = self.reference or e.loss.reference ~= false
  end
  self.average = #self.entries == 1 and self.entries[1].loss.average
  return self
end

--- What an item's columns must be for these losses; raises, with the item's place.
function methods:check(set)
  local first = set.items[1]
  for k, it in ipairs(set.items) do
    for _, e in ipairs(self.entries) do
      if e.loss.noise_below and it.noise >= e.loss.noise_below then
        core.fail(("%s: noise %s: loss '%s' allows less than %s"):format(set:where(k),
          text.number(it.noise), e.name, text.number(e.loss.noise_below)))
      end
      if e.whole and e.loss.whole and (it.weight ~= first.weight or it.noise ~= first.noise) then
        core.fail(("%s: loss '%s' sorts pairs: they need the same weight and noise"):format(
          set:where(k), e.name))
      end
    end
  end
end

-- b with its sides exchanged.
local function swapped(b)
  local function exchange(t)
    return t and { chosen = t.rejected, rejected = t.chosen, completion = t.completion }
  end
  local out = setmetatable({ policy = exchange(b.policy), reference = exchange(b.reference),
                             lengths = exchange(b.lengths) }, { __index = b })
  if b.good then out.good = 1 - b.good end
  return out
end

-- The values of one loss, checked.
local function call(e, b)
  local values, statistics = e.fn(b, e.options)
  local shape = object(values) == "hone.tensor" and values.shape
  if not shape or #shape ~= 1 or shape[1] ~= b.count then
    core.fail(("preference: loss '%s' returned %s; a tensor [%d] is needed, one value a %s"):format(
      e.name, shape and ("a tensor [%s]"):format(table.concat(shape, ", ")) or
      "a " .. object(values), b.count, b.good and "sample" or "pair"))
  end
  if b.noisy and not e.loss.own_noise then
    values = values + b.noise * (e.fn(swapped(b), e.options) - values)
  end
  return values, statistics
end

-- Supervised fine-tuning on what is good: the weight of each item.
local function add_sft(self, b, values)
  local side = b.good and "completion" or "chosen"
  local weight = self.o.sft
  if b.corrected then
    weight = self.o.corrections * b.corrected + (b.good and weight * b.good or weight)
  elseif weight == 0 then
    return values
  elseif b.good then
    weight = weight * b.good
  end
  return values - weight * (b.policy[side] / b.lengths[side])
end

local function reward(self, b, side)
  local logp = b.policy[side]:detach()
  if b.reference then logp = logp - b.reference[side] end
  return self.o.beta * (self.average and logp / b.lengths[side] or logp)
end

-- Statistics that every loss has: { name = { values, share of each item } }.
local function statistics_of(self, b)
  if not b.good then
    local chosen, rejected = reward(self, b, "chosen"), reward(self, b, "rejected")
    local margin = chosen - rejected
    return { accuracy = margin:gt(0), margin = margin, reward_chosen = chosen,
             reward_rejected = rejected, logp_chosen = b.policy.chosen:detach(),
             logp_rejected = b.policy.rejected:detach() }
  end
  local bad, r, logp = 1 - b.good, reward(self, b, "completion"), b.policy.completion:detach()
  local above = r:gt(self.o.beta * b.kl)
  return { accuracy = above * b.good + (1 - above) * bad,
           reward_chosen = { r, b.good }, reward_rejected = { r, bad },
           logp_chosen = { logp, b.good }, logp_rejected = { logp, bad } }
end

--- The losses' values, one an item, and statistics: tensors, numbers, or { tensor, share }.
function methods:losses(b)
  local values
  local statistics = statistics_of(self, b)
  for _, e in ipairs(self.entries) do
    local one, own = call(e, b)
    values = values and values + e.weight * one or e.weight * one
    for name, value in pairs(own or {}) do statistics[name] = value end
  end
  return values, statistics
end

--- The same with the term of supervised fine-tuning.
function methods:values(b)
  local values, statistics = self:losses(b)
  return add_sft(self, b, values), statistics
end

--- The value where policy and reference agree, for pairs without noise and margin; nil where
--- a loss does not say it.
function methods:start(noise)
  local sum = 0
  for _, e in ipairs(self.entries) do
    local value = e.loss.start and e.loss.start(e.options, noise)
    if not value then return nil end
    sum = sum + e.weight * value
  end
  return sum
end

return objective
