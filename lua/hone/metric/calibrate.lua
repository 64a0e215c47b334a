-- calibrate: a metric's score moved to the scale on which people judge.
--
--   local tuned = concise:calibrate(labels.concise)
--   local tuned = concise:calibrate(pairs, { method = "platt", least = 100, floor = 0.3 })
--
-- pairs: { { score, value }, ... }, or { { score = , value = , weight = }, ... } where
-- the scores are known; labels: what judgements came to, whose items know prompt and
-- response. tuned is a metric as any other (metric/calibrated). It is refused below
-- `least` pairs. Where the lower end of the interval of its rank correlation with
-- people falls under `floor`, the calibration is frozen: the metric stays what it was,
-- with the calibration it had, and that is said.
--
-- The second result: { pairs, left_out, agreement = { value, se, interval }, frozen,
-- message, method }.
local core = require "hone.core"
local object = require "hone.object"
local options = require "hone.options"
local text = require "hone.text"

local schema = {
  { "method", "choice", default = "isotonic", choices = { "isotonic", "platt" },
    doc = "of fitting" },
  { "least", "integer", default = 50, min = 4, doc = "pairs of score and judgement, at least" },
  { "floor", "number", default = 0, min = -1, max = 1,
    doc = "of the interval of the rank correlation with people; below: frozen" },
  { "confidence", "number", default = 0.95, min = 0, max = 1, open_min = true, open_max = true,
    doc = "of that interval" },
}

local calibrate = {}

--- The metric behind a calibrated one, and the definition of either.
function calibrate.inner(metric)
  if metric.name ~= "calibrated" then return metric end
  local options_ = {}
  for key, value in pairs(metric.options.metric) do
    if key ~= "plugin" then options_[key] = value end
  end
  return core.instance("metric", metric.options.metric.plugin, options_)
end

-- The expected value of a soft label on the scale, or the label's.
local function value_of(row, d)
  if type(row.posterior) == "table" then
    local sum, all = 0, 0
    for label, share in pairs(row.posterior) do
      local number = d and d:number(label) or tonumber(label)
      if not number then return nil end
      sum, all = sum + number * share, all + share
    end
    if all > 0 then return sum / all end
  end
  local value = row.label -- a consensus of labels has their places as value
  if value == nil then value = row.value end
  return value ~= nil and (d and d:number(value) or tonumber(value)) or nil
end

-- Samples of rows of labels: their texts, and counts of tokens where rows know them.
local function samples_of(rows)
  local list = {}
  for i, row in ipairs(rows) do
    local prompt = type(row.prompt) == "string" and row.prompt or nil
    list[i] = { prompt = prompt, response = row.response, row = row,
                response_tokens = math.type(row.response_tokens) == "integer"
                  and row.response_tokens or nil }
  end
  return require "hone.samples" (list)
end

local function from_labels(metric, labels, d)
  local rows = labels:rows()
  local scores = metric:score(samples_of(rows))
  local out = { left_out = 0 }
  for i, row in ipairs(rows) do
    local value, state, message = value_of(row, d), scores:state(i)
    if value and state == "number" then
      out[#out + 1] = { score = scores[i], value = value, weight = row.weight }
    else
      out.left_out = out.left_out + 1
      if state == "failed" then out.problem = out.problem or message end
    end
  end
  return out
end

local function from_pairs(where, list, d)
  local out = { left_out = 0 }
  for i, pair in ipairs(list) do
    if type(pair) ~= "table" then
      core.fail(("%s: pair %d is a %s"):format(where, i, type(pair)))
    end
    local score, value = pair.score or pair[1], pair.value or pair[2]
    value = d and d:number(value) or tonumber(value)
    if type(score) ~= "number" or not value then
      core.fail(("%s: pair %d: expected { score, value }, got %s"):format(where, i,
        text.value(pair)))
    end
    out[i] = { score = score, value = value, weight = pair.weight }
  end
  return out
end

local function columns(list)
  local x, y, weight = {}, {}, {}
  for i, pair in ipairs(list) do
    x[i], y[i], weight[i] = pair.score, pair.value, pair.weight or 1
  end
  return x, y, weight
end

-- Ends of the scale; of an open one, those of what people said.
local function ends(d, y)
  local low, high
  if d then low, high = d:ends() end
  if low and high then return low, high end
  local least, most = math.huge, -math.huge
  for _, value in ipairs(y) do least, most = math.min(least, value), math.max(most, value) end
  low, high = low or least, high or most
  return low, high > low and high or low + 1
end

local function fit(inner, o, x, y, weight, d)
  if o.method == "isotonic" then
    local from, to = core.isotonic(x, y, weight)
    return core.instance("metric", "calibrated", { metric = inner, from = from, to = to })
  end
  local low, high = ends(d, y)
  local share = {}
  for i, value in ipairs(y) do share[i] = (value - low) / (high - low) end
  local constant, slope = core.platt(x, share, weight)
  return core.instance("metric", "calibrated", { metric = inner, method = "platt", low = low,
    high = high, constant = constant, slope = slope })
end

--- See above. A calibrated metric is calibrated anew, from its raw scores.
function calibrate.metric(metric, from, given)
  local inner = calibrate.inner(metric)
  local where = ("metric/%s: calibrate"):format(inner.name)
  local o = options.check(where, schema, given)
  local d = inner:definition()
  if d and not d.scale then d = nil end
  if d and d.scale.level == "nominal" and #d.scale.labels > 2 then
    core.fail(where .. ": a nominal scale of more than 2 labels has no order")
  end
  local list
  if type(from) == "table" and not getmetatable(from) then
    list = from_pairs(where, from, d)
  elseif (type(from) == "table" or type(from) == "userdata") and from.rows then
    list = from_labels(inner, from, d)
  else
    core.fail(("%s: takes labels or a list of { score, value }, not a %s"):format(where,
      object(from)))
  end
  if #list < o.least then
    core.fail(("%s: %s of score and judgement; at least %d are needed%s%s"):format(where,
      text.count(#list, "pair"), o.least,
      list.left_out > 0 and (" (%d left out)"):format(list.left_out) or "",
      list.problem and ": " .. list.problem or ""))
  end
  local x, y, weight = columns(list)
  local found = { pairs = #list, left_out = list.left_out, method = o.method, frozen = false,
                  agreement = core.rank_correlation(x, y, o.confidence) }
  local low = found.agreement.interval[1]
  if low < o.floor then
    found.frozen = true
    found.message = ("%s: frozen: its agreement with people, %s [%s, %s] over %s, may be under "
      .. "the floor of %s; %s"):format(where, text.number(found.agreement.value), text.number(low),
      text.number(found.agreement.interval[2]), text.count(#list, "pair"), text.number(o.floor),
      metric == inner and "the score stays as it is" or "the calibration before is kept")
    core.log("warn", found.message)
    return metric, found
  end
  return fit(inner, o, x, y, weight, d), found
end

return calibrate
