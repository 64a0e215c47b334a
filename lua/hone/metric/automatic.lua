-- automatic: how a metric scores without people: one of
--   score(s, o)              a function of a sample
--   score_batch(samples, o)  of all samples
--   metric                   another metric: a plugin
--   model                    a reward model: what is callable on samples
--   judge                    a model that answers a template (judge.lua)
-- With none of them people alone score: each sample fails with that message.
local core = require "hone.core"
local judge = require "hone.metric.judge"
local object = require "hone.object"

local automatic = {}

automatic.schema = {
  { "options", "any", doc = "list of { name, type, default = , min = , max = , doc = }" },
  { "score", "function", doc = "of one sample" },
  { "score_batch", "function", doc = "of all samples" },
  { "metric", "plugin", kind = "metric", doc = "another metric that scores" },
  { "model", "any", doc = "a reward model that scores" },
  { "judge", "table", optional = true, options = judge.schema, doc = "a model that is asked" },
  { "timeout", "number", min = 0, open_min = true, doc = "seconds that a call may take" },
}

local ways = { "score", "score_batch", "metric", "model", "judge" }

-- Scores as what score_batch returns.
local function listed(scores)
  local out = {}
  for i = 1, #scores do
    local state, message = scores:state(i)
    out[i] = state == "number" and scores[i] or state == "na" and core.null
      or { failed = message }
  end
  return out
end

local function of_model(where, model)
  local meta = getmetatable(model)
  if type(meta) ~= "table" or not meta.__call then
    core.fail(("%s: model: expected a reward model, got a %s"):format(where, object(model)))
  end
  return function(samples)
    local values = model(samples)
    if object(values) == "hone.scores" then return listed(values) end
    return listed(core.scores_of(samples, values))
  end
end

--- score and score_batch (one is nil) of checked options, for a definition.
function automatic.of(o, d)
  local where, found = "metric.define: " .. o.name, nil
  for _, way in ipairs(ways) do
    if o[way] and found then
      core.fail(("%s: %s and %s: one is enough"):format(where, found, way))
    end
    found = o[way] and way or found
  end
  if o.score or o.score_batch then return o.score, o.score_batch end
  if o.metric then
    return nil, function(samples) return listed(o.metric:score(samples)) end
  end
  if o.model then return nil, of_model(where, o.model) end
  if o.judge then return nil, judge.scorer(d, o.judge) end
  if not d.qualitative then core.fail "define: score = function(s) ... end is missing" end
  return function()
    error(("%s is judged by people: it has no automatic part"):format(d.name), 0)
  end
end

return automatic
