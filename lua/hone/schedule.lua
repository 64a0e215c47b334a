-- schedule: what the learning rate is multiplied by, step by step.
--
--   hone.schedule.cosine { warmup = 0.03 }     below 1: a share of the steps; else a number of them
--
-- A schedule is a function of (step, steps), the first step being 1. As in
-- transformers, the rate of step s is that of s - 1 steps done: with a warmup
-- the first is 0. Cosine: Loshchilov & Hutter 2017, arXiv:1608.03983.
local options = require "hone.options"

local schema = {
  { "warmup", "number", default = 0, min = 0, doc = "share of the steps (below 1), or steps" },
}

local shapes = {
  constant = function() return 1 end,
  linear = function(progress) return 1 - progress end,
  cosine = function(progress) return 0.5 * (1 + math.cos(math.pi * progress)) end,
}

local schedule = {}
local methods = {}
local meta = { __name = "hone.schedule", __index = methods }

function meta.__call(self, step, steps)
  local warmup = self.warmup < 1 and math.ceil(self.warmup * steps) or self.warmup
  local done = step - 1
  if done < warmup then return done / math.max(1, warmup) end
  return math.max(0, shapes[self.shape](math.min(1, (done - warmup) / math.max(1, steps - warmup))))
end

function meta.__tostring(self)
  return ("%s { warmup = %g }"):format(self.shape, self.warmup)
end

for shape in pairs(shapes) do
  schedule[shape] = function(given)
    local o = options.check("schedule." .. shape, schema, given)
    return setmetatable({ shape = shape, warmup = o.warmup }, meta)
  end
end

return setmetatable(schedule, { __index = function(_, name)
  require("hone.core").fail(("hone.schedule has no '%s'%s"):format(tostring(name),
    require("hone.text").suggest(tostring(name), { "constant", "linear", "cosine" })))
end })
