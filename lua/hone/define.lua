-- define: hone.metric.define { name = ..., score = function(s) ... end }
--
-- In a script: the metric with its default options, to be called on samples.
-- In plugins/metric/NAME.lua: what the file returns.
--   score(s, o)        a number; nil: does not apply; an error: failed
--   score_batch(samples, o)   a list of these
-- s.response, s.prompt, s.response_tokens, and the columns of the row by name.
local core = require "hone.core"
local options = require "hone.options"

local schema = {
  { "name", "string", required = true, doc = "[a-z][a-z0-9_]*" },
  { "version", "string", default = "1.0", doc = "of the definition" },
  { "summary", "string", default = "", doc = "one line" },
  { "source", "string", doc = "the paper, or where the idea is from" },
  { "options", "any", doc = "list of { name, type, default = , min = , max = , doc = }" },
  { "score", "function", doc = "of one sample" },
  { "score_batch", "function", doc = "of all samples" },
  { "timeout", "number", min = 0, open_min = true, doc = "seconds that scoring may take" },
  { "scale", "any", doc = "what people's ratings are: { level = , min = , max = }" },
  { "guideline", "string", doc = "for people who rate" },
  { "anchors", "any", doc = "what some points of the scale mean" },
}

return function(given)
  local o = options.check("metric.define", schema, given)
  local definition = core.define("metric", o)
  return definition or core.instance("metric", o.name, {})
end
