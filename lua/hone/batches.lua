-- batches: which examples each step of training sees: a function of the seed
-- and the step alone, so that a run can go on from any step.
--
-- An epoch is shuffled by seed and epoch, packed into batches of at most
-- `tokens` tokens, and cut into groups of `accumulate` batches, one a step.
-- An epoch's last group may be smaller. Packing differs from epoch to epoch,
-- and so may the number of steps.
local batches = {}
local methods = {}

-- Epochs are planned as far as they are asked for: ends[e] is the last step of
-- epoch e, counted from 1.
local function plan_epoch(self, epoch)
  return self.examples:plan(self.tokens, self.seed, epoch - 1)
end

local function extend(self)
  local epoch = #self.ends + 1
  local groups = math.ceil(#plan_epoch(self, epoch) / self.accumulate)
  self.ends[epoch] = (self.ends[epoch - 1] or 0) + groups
end

--- The epoch of a step, from 1, and the place of the step in it, from 1.
function methods:place(step)
  while (self.ends[#self.ends] or 0) < step do extend(self) end
  local epoch = 1
  while self.ends[epoch] < step do epoch = epoch + 1 end
  return epoch, step - (self.ends[epoch - 1] or 0)
end

--- Whether an epoch ends with this step.
function methods:ends_epoch(step)
  return self.ends[(self:place(step))] == step
end

--- What a step learns from: { batch, ... }, with weight (of all targets),
--- tokens, epoch, and examples (a list of their numbers for each batch).
function methods:group(step)
  local epoch, place = self:place(step)
  if self.planned ~= epoch then self.plan, self.planned = plan_epoch(self, epoch), epoch end
  local first = (place - 1) * self.accumulate + 1
  local group = { weight = 0, tokens = 0, epoch = epoch, members = {} }
  for i = first, math.min(first + self.accumulate - 1, #self.plan) do
    local batch = self.plan:batch(i)
    group[#group + 1] = batch
    group.members[#group] = self.plan:members(i)
    group.weight = group.weight + batch.weight
    group.tokens = group.tokens + batch.tokens
  end
  return group
end

--- o: examples, tokens, accumulate, seed, and epochs or steps.
function batches.new(o)
  local self = setmetatable({ examples = o.examples, tokens = o.tokens, accumulate = o.accumulate,
                              seed = o.seed, ends = {} }, { __index = methods })
  while not o.steps and #self.ends < o.epochs do extend(self) end
  self.steps = o.steps or self.ends[#self.ends]
  return self
end

return batches
