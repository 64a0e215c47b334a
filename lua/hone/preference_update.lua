-- preference_update: one step of learning from preferences, and its evaluation.
--
-- The gradient of the weighted mean of the losses of all items of all batches of the
-- group: each batch's sum is scaled by 1 / the weight of the whole group. What a loss
-- takes of the whole group (KTO's KL, the order in which AOT sorts) is therefore computed
-- first, from a pass without gradients:
--   KL       a number, >= 0, without gradient
--   whole    losses of all items at once, whose gradients by each log-probability are
--            then carried through the model batch by batch; exact, for one more pass
local core = require "hone.core"
local step = require "hone.step"
local T = require "hone.tensor"

local update = {}

-- ---- statistics: weighted means over all items of a group ----

local meter = {}
meter.__index = meter

local function new_meter() return setmetatable({ sums = {}, weights = {} }, meter) end

function meter:add(part, statistics)
  for name, value in pairs(statistics) do
    local w, x = part.weights, value
    if type(value) == "table" then x, w = value[1], part.weights * value[2] end
    local sum, weight
    if type(x) == "number" then
      sum, weight = x * part.weight, part.weight
    elseif #x == part.count and #x.shape == 1 then
      sum, weight = (x:detach() * w):sum():item(), w:sum():item()
    else
      core.fail(("preference: statistic '%s': a number or a tensor [%d] is needed"):format(name,
        part.count))
    end
    self.sums[name] = (self.sums[name] or 0) + sum
    self.weights[name] = (self.weights[name] or 0) + weight
  end
end

function meter:means()
  local out = {}
  for name, sum in pairs(self.sums) do
    if self.weights[name] > 0 then out[name] = sum / self.weights[name] end
  end
  if not out.margin and out.reward_chosen and out.reward_rejected then
    out.margin = out.reward_chosen - out.reward_rejected
  end
  return out
end

-- ---- a batch ----

--- Summed log-probabilities of examples, [examples].
local function sums(model, part) return model:logp(part.batch):segment_sum(part.outputs) end

-- What a loss sees of a batch (see losses.lua).
local function view(part, policy, o)
  part.count = #part.members
  local b = { policy = {}, lengths = part.lengths, margin = part.margins, noise = part.noises,
              noisy = part.noisy, count = part.count, weight = part.weights, beta = o.beta,
              kl = o.kl, shift = o.shift or 0, corrected = part.corrected,
              good = part.set.unpaired and part.good or nil }
  local reference = part.reference and T(part.reference)
  b.reference = reference and {} or nil
  for field, at in pairs(part.places) do
    b.policy[field] = policy:rows(at)
    if reference then b.reference[field] = reference:rows(at) end
  end
  return b
end

-- The items whose value is not finite.
local function not_finite(part, values)
  local blamed = {}
  for i, value in ipairs(values:values()) do
    if value - value ~= 0 then blamed[#blamed + 1] = part.members[i] end
  end
  return blamed
end

-- Loss and statistics of a batch in a step: the weighted sum, a tensor.
local function loss_of(part, policy, o, seen)
  local values, statistics = o.objective:values(view(part, policy, o))
  local sum = (values * part.weights):sum()
  if sum:item() - sum:item() ~= 0 then return sum, not_finite(part, values) end
  seen:add(part, statistics)
  return sum
end

-- KL of policy from reference on answers to other prompts, at least 0.
local function mismatched_kl(model, group, o)
  local total, count = 0, 0
  for _, part in ipairs(group) do
    local other = part.set:mismatched(part)
    if other.batch then
      local reference = o.reference:of(part.set.mismatches, other)
      local kl = step({ record = false }, function()
        return (sums(model, other) - T(reference)):sum():item()
      end)
      total, count = total + kl, count + #other.examples
    end
  end
  return count > 0 and math.max(0, total / count) or 0
end

-- What all batches need before the first gradient.
local function prepare(model, group, o)
  for _, part in ipairs(group) do
    if o.reference then part.reference = o.reference:of(part.set.examples, part) end
  end
  return setmetatable({ kl = o.objective.unpaired and mismatched_kl(model, group, o) or nil },
                      { __index = o })
end

-- ---- losses of the whole group ----

-- All batches of a group as one, without tokens.
local function joined(group)
  local all = { members = {}, places = {}, reference = group[1].reference and {}, weight = 0,
                set = group[1].set, noisy = false, lengths = {}, margins = {}, noises = {},
                weights = {}, good = {}, corrected = nil }
  local base, any = 0, false
  for _, part in ipairs(group) do any = any or part.corrected ~= nil end
  local corrected = {}
  local function append(list, more) table.move(more, 1, #more, #list + 1, list) end
  for _, part in ipairs(group) do
    for field, at in pairs(part.places) do
      all.places[field] = all.places[field] or {}
      all.lengths[field] = all.lengths[field] or {}
      for _, place in ipairs(at) do table.insert(all.places[field], base + place) end
      append(all.lengths[field], part.lengths[field]:values())
    end
    for _, name in ipairs { "margins", "noises", "weights", "good" } do
      append(all[name], part[name]:values())
    end
    append(corrected, (part.corrected or part.good * 0):values())
    append(all.members, part.members)
    if all.reference then append(all.reference, part.reference) end
    all.noisy, all.weight = all.noisy or part.noisy, all.weight + part.weight
    base = base + #part.examples
  end
  for field, list in pairs(all.lengths) do all.lengths[field] = T(list) end
  for _, name in ipairs { "margins", "noises", "weights", "good" } do all[name] = T(all[name]) end
  all.corrected = any and T(corrected) or nil
  return all
end

-- Gradients of the loss by each log-probability of all batches; the loss, or what failed.
local function whole_gradients(model, group, o, seen)
  local logps = {}
  for i, part in ipairs(group) do
    local list = step({ record = false, train = o.train, seed = o.seeds[i] },
                      function() return sums(model, part):values() end)
    table.move(list, 1, #list, #logps + 1, logps)
  end
  local all = joined(group)
  return step(function()
    local policy = T(logps):require_grad()
    local sum, blamed = loss_of(all, policy, o, seen)
    if blamed then return sum:item(), blamed end
    sum:backward(1 / group.weight)
    return sum:item(), nil, policy:grad():values()
  end)
end

local function carry(model, group, o, gradient)
  local at = 0
  for i, part in ipairs(group) do
    local mine = table.move(gradient, at + 1, at + #part.examples, 1, {})
    at = at + #part.examples
    step({ train = o.train, seed = o.seeds[i] }, function()
      (sums(model, part) * T(mine)):sum():backward(1)
    end)
  end
end

-- ---- a step ----

local function backward(model, group, o, seen)
  if o.objective.whole and #group > 1 then
    local total, blamed, gradient = whole_gradients(model, group, o, seen)
    if not blamed then carry(model, group, o, gradient) end
    return total, blamed
  end
  local total = 0
  for i, part in ipairs(group) do
    local sum, blamed = step({ train = o.train, seed = o.seeds[i] }, function()
      local loss, bad = loss_of(part, sums(model, part), o, seen)
      if not bad then loss:backward(1 / group.weight) end
      return loss:item(), bad
    end)
    if blamed then return sum, blamed end
    total = total + sum
  end
  return total
end

local function statistics(seen, o)
  local means = seen:means()
  means.kl = o.kl
  return means
end

--- o: objective, reference (nil where no loss needs it), beta, shift, seed, clip, rate.
--- Loss, the gradient's norm before clipping, statistics; or nil, what was wrong, and the
--- items to blame where they are known. The model is then as it was.
function update.step(model, optimizer, group, o)
  local seeds = {}
  for i = 1, #group do seeds[i] = core.seed(o.seed, ("batch/%d"):format(i)) end
  local seen = new_meter()
  local prepared = prepare(model, group,
    setmetatable({ train = true, seeds = seeds }, { __index = o }))
  if group.weight == 0 then return nil, "all pairs of the step have weight 0", {} end
  local total, blamed = backward(model, group, prepared, seen)
  if blamed then
    optimizer:clear()
    return nil, "the loss is " .. (total ~= total and "nan" or "infinite"), blamed
  end
  local norm, problem = optimizer:step { clip = o.clip, rate = o.rate }
  if not norm then
    optimizer:clear()
    return nil, problem, {}
  end
  return total / group.weight, norm, statistics(seen, prepared)
end

--- The loss on a set and its statistics, without gradients; each batch is a group of its
--- own, but for the KL, which is of all.
function update.evaluate(model, set, o)
  local plan, group = set:plan(o.tokens, 0, -1), { weight = 0 }
  for i = 1, #plan do
    group[i] = plan:batch(i)
    group.weight = group.weight + group[i].weight
  end
  local prepared = prepare(model, group, o)
  local seen, total = new_meter(), 0
  for _, part in ipairs(group) do
    if core.interrupted() then core.fail("interrupted") end
    local sum = step({ record = false }, function()
      return (loss_of(part, sums(model, part), prepared, seen)):item()
    end)
    total = total + sum
  end
  return total / group.weight, statistics(seen, prepared)
end

update.sums, update.view = sums, view

return update
