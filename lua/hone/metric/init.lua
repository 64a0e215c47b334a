-- metric: what every metric can do besides scoring.
local core = require "hone.core"

local methods = core.kind "metric"

--- What a metric that hone.metric.define made means: see definition.lua; nil of others.
--- Of a calibrated metric that of the one behind it.
function methods:definition()
  local inner = require "hone.metric.calibrate".inner(self)
  local given = core.definition(inner)
  return given and given.definition
end

--- 64 hex digits that stand for the definition; nil without one.
function methods:hash()
  local d = self:definition()
  return d and d:hash()
end

function methods:calibrate(from, given)
  return require "hone.metric.calibrate".metric(self, from, given)
end

function methods:audit(samples, given)
  return require "hone.metric.audit".metric(self, samples, given)
end

return methods
