-- define: hone.metric.define { name = ..., score = function(s) ... end }
--
-- One definition that people, rewards, evaluations and audits share:
--
--   local concise = hone.metric.define {
--     name = "concise", version = "1.0.0", scale = { level = "ordinal", min = 1, max = 5 },
--     question = "How concise is the answer?", guideline = "guidelines/concise.md",
--     anchors = { [1] = "Repeats, hedges.", [5] = "One clear sentence." },
--     score = function(s) return math.max(1, 5 - s.response_tokens / 64) end,
--   }
--   concise(samples)              scores          (automatic.lua: functions, models, judges)
--   hone.ask.rating(concise)      puts it before people    (definition.lua, scale.lua)
--   concise:calibrate(labels)     the score on people's scale    (calibrate.lua)
--   concise:audit(samples)        whether it minds what it should not    (audit.lua)
--
-- In a script: the metric with its default options, to be called on samples.
-- In plugins/metric/NAME.lua: what the file returns.
--   score(s, o)        a number; nil: does not apply; an error: failed
--   score_batch(samples, o)   a list of these
-- s.response, s.prompt, s.response_tokens, and the columns of the row by name.
local automatic = require "hone.metric.automatic"
local core = require "hone.core"
local definition = require "hone.metric.definition"
local options = require "hone.options"

local schema = {}
for _, part in ipairs { definition.schema, automatic.schema } do
  for _, spec in ipairs(part) do schema[#schema + 1] = spec end
end

-- Specifications of metrics with a scale or a question, by name: a metric defined
-- again says with its version what changed.
local known = {}

local function remember(d)
  if not d.qualitative then return end
  if known[d.name] then d:follows(known[d.name]) end
  known[d.name] = d:spec()
end

return function(given)
  local o = options.check("metric.define", schema, given)
  local d = definition.new(o)
  o.score, o.score_batch = automatic.of(o, d)
  remember(d)
  o.definition = d
  local made = core.define("metric", o)
  return made or core.instance("metric", o.name, {})
end
