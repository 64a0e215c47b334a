-- scale: what people may answer, what points of it mean, and which answers are good.
--
--   scale = { level = "ordinal", min = 1, max = 5, na = true }
--   scale = { level = "nominal", labels = { "warm", "neutral", "cold" } }
--   anchors = { [1] = "Hedges, repeats.", [5] = { text = "One clear sentence.",
--               examples = { "It is 4 pm." } } }
--   verdict = { positive = { 4, 5 }, ["needs improvement"] = { 3 }, negative = { 1, 2 } }
local core = require "hone.core"
local options = require "hone.options"
local text = require "hone.text"

local scale = {}

local schema = {
  { "level", "choice", default = "ordinal",
    choices = { "nominal", "ordinal", "interval", "ratio" }, doc = "of measurement" },
  { "min", "number", doc = "least" },
  { "max", "number", doc = "most" },
  { "labels", "list", of = "string", doc = "of nominal and ordinal, in order" },
  { "na", "boolean", default = false, doc = "whether 'does not apply' is an answer" },
}

local function whole(x) return type(x) == "number" and math.tointeger(x) or x end

--- A scale, checked.
function scale.check(where, given)
  if given == nil then return nil end
  local o = options.check(where .. ": scale", schema, given)
  if o.level == "nominal" and not o.labels then
    core.fail(where .. ": scale: a nominal scale needs labels")
  end
  if o.labels and #o.labels < 2 then core.fail(where .. ": scale: labels: fewer than 2") end
  if o.labels and (o.min or o.max) then
    core.fail(where .. ": scale: labels take the place of min and max")
  end
  if o.min and o.max and o.min >= o.max then
    core.fail(("%s: scale: min, %s, is not below max, %s"):format(where, text.number(o.min),
      text.number(o.max)))
  end
  if o.level == "ordinal" and not o.labels then
    o.min, o.max = whole(o.min), whole(o.max)
    if math.type(o.min or 0) ~= "integer" or math.type(o.max or 0) ~= "integer" then
      core.fail(where .. ": scale: an ordinal scale goes by whole steps from min to max")
    end
  end
  return o
end

--- All answers of a scale of steps, in order; nil of others.
function scale.steps(s)
  if s.labels then return s.labels end
  if s.level ~= "ordinal" or not (s.min and s.max) or s.max - s.min > 100 then return nil end
  local list = {}
  for n = s.min, s.max do list[#list + 1] = n end
  return list
end

--- What is wrong with an answer, or nil.
function scale.problem(s, value)
  if value == "na" and s.na then return nil end
  local steps = scale.steps(s)
  if steps then
    for _, step in ipairs(steps) do
      if step == whole(value) then return nil end
    end
    local shown = s.labels and table.concat(s.labels, ", ")
      or ("%d to %d"):format(s.min, s.max)
    return ("%s is not on the scale (allowed: %s%s)"):format(text.value(value), shown,
      s.na and ", na" or "")
  end
  if type(value) ~= "number" or value ~= value
     or value < (s.min or -math.huge) or value > (s.max or math.huge) then
    return ("%s is not on the scale (allowed: %s to %s%s)"):format(text.value(value),
      text.number(s.min or -math.huge), text.number(s.max or math.huge), s.na and ", na" or "")
  end
end

--- The place of an answer as a number: of labels, from 1 in their order.
function scale.number(s, value)
  if s and s.labels then
    for i, label in ipairs(s.labels) do
      if label == value then return i end
    end
    return nil
  end
  return type(value) == "number" and value or tonumber(value)
end

--- Least and most of scale.number; nil where open.
function scale.ends(s)
  if not s then return nil, nil end
  if s.labels then return 1, #s.labels end
  return s.min, s.max
end

-- A list of { at = , text = , examples = }, as settings have it, by step.
local function by_step(given)
  if type(given[1]) ~= "table" or given[1].at == nil then return given end
  local out = {}
  for _, anchor in ipairs(given) do
    if type(anchor) == "table" and anchor.at ~= nil then out[anchor.at] = anchor end
  end
  return out
end

--- Anchors as { [step] = { text, examples } }.
function scale.anchors(where, s, given)
  if given == nil then return nil end
  if not s then core.fail(where .. ": anchors: there is no scale") end
  local out = {}
  if type(given) ~= "table" then core.fail(where .. ": anchors: expected { [step] = text }") end
  given = by_step(given)
  for step, meaning in pairs(given) do
    local at = not s.labels and tonumber(step) and whole(tonumber(step)) or step
    local problem = scale.problem(s, at)
    if problem then core.fail(("%s: anchors: %s"):format(where, problem)) end
    if type(meaning) == "string" then meaning = { text = meaning } end
    if type(meaning) ~= "table" or type(meaning.text) ~= "string" then
      core.fail(("%s: anchors: %s: expected a text, or { text = , examples = { ... } }"):format(
        where, tostring(step)))
    end
    out[at] = { text = meaning.text, examples = meaning.examples }
  end
  return out
end

local words = { "positive", "needs improvement", "negative" }

--- A verdict of each answer: every step of the scale has one.
function scale.verdicts(where, s, given)
  if given == nil then return nil end
  local steps = s and scale.steps(s)
  if not steps then core.fail(where .. ": verdict: needs a scale of steps") end
  local out = {}
  for _, word in ipairs(words) do
    for _, step in ipairs(given[word] or given[word:gsub(" ", "_")] or {}) do
      local problem = scale.problem(s, step)
      if problem then core.fail(("%s: verdict: %s: %s"):format(where, word, problem)) end
      if out[whole(step)] then
        core.fail(("%s: verdict: %s is both %s and %s"):format(where, text.value(step),
          out[whole(step)], word))
      end
      out[whole(step)] = word
    end
  end
  for _, step in ipairs(steps) do
    if not out[step] then
      core.fail(("%s: verdict: %s has none (%s)"):format(where, text.value(step),
        table.concat(words, ", ")))
    end
  end
  return out
end

return scale
