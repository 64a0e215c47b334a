-- update: a step of learning of a reward model, and scores without gradients.
--
-- The gradient is that of the weighted mean over all items of all batches of the group:
-- each batch's sum is scaled by 1 / the weight of the whole group.
local core = require "hone.core"
local step = require "hone.step"
local T = require "hone.tensor"

local update = {}

--- The parameters learned beside the head, [count]; nil where there are none. They are the
--- bias of a head of their own, so that a checkpoint has them: its value at a row of zeros.
function update.extra(model, objective)
  local extra = objective.extra
  if not extra then return nil end
  return model:head(T.zeros { 1, model.width }, extra.name):reshape(extra.count)
end

--- Values of all items of a batch, statistics, and scores. Within a step.
function update.values(model, part, objective)
  local scores = model:head(model:hidden(part.batch), "score")
  local values, statistics = objective.values(part, scores, update.extra(model, objective))
  return values, statistics, scores
end

-- ---- statistics: weighted means over all items of a group ----

local function add(seen, part, statistics)
  for name, value in pairs(statistics) do
    local x, weights = value, part.weights
    if type(value) == "table" then x, weights = value[1], part.weights * value[2] end
    local entry = seen[name] or { sum = 0, weight = 0 }
    seen[name] = entry
    entry.sum = entry.sum + (x * weights):sum():item()
    entry.weight = entry.weight + weights:sum():item()
  end
end

local function means(seen)
  local out = {}
  for name, entry in pairs(seen) do
    if entry.weight > 0 then out[name] = entry.sum / entry.weight end
  end
  return out
end

local function not_finite(part, values)
  local blamed = {}
  for i, value in ipairs(values:values()) do
    if value - value ~= 0 then blamed[#blamed + 1] = part.members[i] end
  end
  return blamed
end

-- ---- a step ----

--- o: objective, seed, clip, rate. The loss, the gradient's norm before clipping, and
--- statistics; or nil, what was wrong, and the items to blame. The model is then as it was.
function update.step(model, optimizer, group, o)
  local total, seen = 0, {}
  for i, part in ipairs(group) do
    local seed = core.seed(o.seed, ("batch/%d"):format(i))
    local sum, blamed = step({ train = true, seed = seed }, function()
      local values, statistics = update.values(model, part, o.objective)
      local weighted = (values * part.weights):sum()
      if weighted:item() - weighted:item() ~= 0 then
        return weighted:item(), not_finite(part, values)
      end
      add(seen, part, statistics)
      weighted:backward(1 / group.weight)
      return weighted:item()
    end)
    if blamed then
      optimizer:clear()
      return nil, "the loss is " .. (sum ~= sum and "nan" or "infinite"), blamed
    end
    total = total + sum
  end
  local norm, problem = optimizer:step { clip = o.clip, rate = o.rate }
  if not norm then
    optimizer:clear()
    return nil, problem, {}
  end
  return total / group.weight, norm, means(seen)
end

--- The loss on a set, statistics, and all scores as a list, in the order of the set.
function update.evaluate(model, set, objective, tokens)
  local plan, total, weight, seen, scores = set:plan(tokens, 0, -1), 0, 0, {}, {}
  for i = 1, #plan do
    if core.interrupted() then core.fail("interrupted") end
    local part = plan:batch(i)
    step({ record = false }, function()
      local values, statistics, s = update.values(model, part, objective)
      total = total + (values * part.weights):sum():item()
      add(seen, part, statistics)
      local list = s:reshape(#part.items * #set.fields * objective.outputs):values()
      table.move(list, 1, #list, #scores + 1, scores)
    end)
    weight = weight + part.weight
  end
  return total / weight, means(seen), scores
end

return update
