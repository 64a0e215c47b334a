-- preference_selftest: what must hold before the first step, on its first pairs:
--
--   a pair's log-probability does not depend on what else is in the batch;
--   policy and reference agree: |log ratio| <= 1e-4 a token;
--   so the loss is the constant that its formula gives (DPO: ln 2), within 1e-6.
--
-- Dropout is off. The last two are left out where the reference is another model.
local core = require "hone.core"
local step = require "hone.step"
local T = require "hone.tensor"
local text = require "hone.text"
local update = require "hone.preference_update"

local tolerance <const> = 1e-4

local function logps(model, part)
  return step({ record = false }, function() return update.sums(model, part):values() end)
end

local function fail(what, ...)
  core.fail(("self-test: " .. what .. " (selftest = false runs all the same)"):format(...))
end

-- The largest difference of two lists a token, and where it is.
local function furthest(a, b, lengths)
  local worst, at = 0, 1
  for i = 1, #a do
    local d = math.abs(a[i] - b[i]) / lengths[i]
    if not (d <= worst) then worst, at = d, i end
  end
  return worst, at
end

local function check_alone(model, set, part, seen)
  local one = set:batch { part.members[1] }
  local alone = logps(model, one)
  local worst = furthest(alone, table.move(seen, 1, #alone, 1, {}), one.outputs)
  if not (worst <= tolerance) then
    fail("%s: a log-probability alone and in a batch differ by %s a token", set:where(part.members[1]),
         text.number(worst))
  end
end

-- The value of the loss where nothing has been learned.
local function check_start(model, part, o, start)
  local value = step({ record = false }, function()
    local values = o.objective:losses(update.view(part, update.sums(model, part), o))
    return (values * part.weights):sum():item() / part.weight
  end)
  if not (math.abs(value - start) <= 1e-6 * math.max(1, math.abs(start))) then
    fail("the loss is %.7f before the first step; %.7f expected", value, start)
  end
  return value
end

-- The constant, where the first pairs have one.
local function start_of(set, members, o)
  local noise = set.items[members[1]].noise
  for _, k in ipairs(members) do
    local it = set.items[k]
    if it.noise ~= noise or (o.margin_scale ~= 0 and it.margin ~= 0) then return nil end
  end
  return o.objective:start(noise)
end

--- o: objective, reference, same (the reference is the model as it is), beta, margin_scale.
--- The loss at the start, where it is known; raises when a test fails.
return function(model, set, members, o)
  members = table.move(members, 1, math.min(#members, 4), 1, {})
  local part = set:batch(members)
  local seen = logps(model, part)
  check_alone(model, set, part, seen)
  if not o.reference or not o.same then return nil end
  part.reference = o.reference:of(set.examples, part)
  local worst, at = furthest(seen, part.reference, part.outputs)
  if not (worst <= tolerance) then
    fail("%s: policy and reference differ by %s a token, though nothing was learned",
         set:where(members[(at - 1) * #members // #part.examples + 1]), text.number(worst))
  end
  -- Rounding of sums in batches of another shape is no error of the loss.
  part.reference = seen
  local start = start_of(set, members, o)
  return start and check_start(model, part, setmetatable({ kl = o.objective.unpaired and 0 },
                                                         { __index = o }), start)
end
