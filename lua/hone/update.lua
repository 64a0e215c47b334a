-- update: one step of training.
--
-- The gradient of the mean over all targets of all batches of the group: the
-- gradients of the batches' sums are gathered, and the optimizer scales them by
-- 1 / the weight of the whole group, so that n batches give the gradient of one
-- batch of n times the size.
local core = require "hone.core"
local step = require "hone.step"

-- The numbers of the examples whose loss is not a number.
local function culprits(group, i, broken)
  local list = {}
  for _, segment in ipairs(broken) do
    list[#list + 1] = group.members and group.members[i][segment]
  end
  return list
end

--- o: seed, clip, rate. The loss and the gradient's norm before clipping; or
--- nil, what was wrong, and the examples to blame where they are known. The
--- model is then as it was.
return function(model, optimizer, group, o)
  local total = 0
  for i, batch in ipairs(group) do
    local seed = core.seed(o.seed, ("batch/%d"):format(i))
    local nats, broken = step({ train = true, seed = seed }, function()
      local sum, each = model:cross_entropy(model:hidden(batch), batch)
      local nats = sum:item()
      if nats ~= nats or math.abs(nats) == math.huge then return nats, batch:not_finite(each) end
      sum:backward()
      return nats
    end)
    if broken then
      optimizer:clear()
      local what = nats ~= nats and "nan" or "infinite"
      return nil, "the loss is " .. what, culprits(group, i, broken)
    end
    total = total + nats
  end
  local norm, problem = optimizer:step { scale = 1 / group.weight, clip = o.clip, rate = o.rate }
  if not norm then
    optimizer:clear()
    return nil, problem, {}
  end
  return total / group.weight, norm
end
