-- rating: a value on a metric's scale; several metrics are several asks.
--   hone.ask.rating(concise)                    a metric that hone.metric.define made
--   hone.ask.rating { name = "tone", scale = { level = "nominal", labels = { "warm", "cold" } } }
--   hone.ask.rating { metric = concise, optional = true }
--
-- scale: level nominal, ordinal (steps of 1 from min to max, or labels in order) or
-- interval (min to max); na = true allows "na", does not apply, which makes no row.
-- Of an item with several responses each is rated.
local ask = require "hone.ask"
local core = require "hone.core"
local options = require "hone.options"
local text = require "hone.text"

local rating = {
  each = true,
  schema = {
    { "metric", "any", doc = "a metric, or { name = , version = , hash = } of one" },
    { "scale", "any", doc = "{ level = , min = , max = , labels = , na = }" },
    { "anchors", "any", doc = "what some points of the scale mean" },
    { "guideline", "string", doc = "a text" },
  },
}

local scale_schema = {
  { "level", "choice", default = "ordinal", choices = { "nominal", "ordinal", "interval" },
    doc = "of measurement" },
  { "min", "number", doc = "least" }, { "max", "number", doc = "most" },
  { "labels", "list", of = "string", doc = "of nominal and ordinal, in order" },
  { "na", "boolean", default = false, doc = "does not apply is an answer" },
}

-- The definition behind a metric: a table that has a scale.
local function definition(metric)
  if type(metric) == "userdata" or type(metric) == "table" then
    for _, key in ipairs { "definition", "human" } do
      local ok, found = pcall(function() return metric[key] end)
      if ok and type(found) == "function" then ok, found = pcall(found, metric) end
      if ok and type(found) == "table" and found.scale then return found end
    end
    if type(metric) == "table" and metric.scale then return metric end
  end
  core.fail("ask.rating: takes a metric of hone.metric.define with a scale, "
    .. "or { name = , scale = }")
end

local function text_of(value) return type(value) == "string" and value or nil end

local function from_metric(metric, given)
  local d, hash = definition(metric), nil
  local ok, found = pcall(function() return metric:hash() end)
  if ok and type(found) == "string" then hash = found end
  local human = type(d.human) == "table" and d.human or {}
  local spec = type(d.spec) == "function" and d:spec() or nil
  return { name = given.name or d.name, scale = d.scale,
           metric = { name = d.name, version = d.version, hash = hash, spec = spec }, anchors = given.anchors
             or d.anchors, optional = given.optional,
           question = given.question or text_of(human.question) or text_of(d.question),
           guideline = given.guideline or text_of(d.guideline) or text_of(human.guideline) }
end

--- A metric as the only argument, or as `metric`, fills in the rest.
function rating.take(given)
  local kind = type(given)
  if kind == "userdata" then return from_metric(given, {}) end
  if kind ~= "table" or getmetatable(given) then return from_metric(given, {}) end
  local metric = given.metric
  if metric == nil or given.scale then return given end
  return from_metric(metric, given)
end

local function numbers_of(scale)
  local list = {}
  for n = scale.min, scale.max do list[#list + 1] = math.tointeger(n) or n end
  return list
end

function rating.init(self)
  local where = "ask.rating: " .. self.name .. ": scale"
  local given = {}
  for _, spec in ipairs(scale_schema) do given[spec[1]] = (self.scale or {})[spec[1]] end
  if not self.scale then core.fail(where .. " is missing") end
  local scale = options.check(where, scale_schema, given)
  self.scale = scale
  if scale.labels and #scale.labels < 2 then core.fail(where .. ": labels: fewer than 2") end
  if not scale.labels and (scale.level == "nominal" or not (scale.min and scale.max)) then
    core.fail(("%s: needs %s"):format(where, scale.level == "nominal" and "labels"
      or "min and max"))
  end
  if not scale.labels then
    if scale.min >= scale.max then
      core.fail(("%s: min %s is not below max %s"):format(where, text.number(scale.min),
        text.number(scale.max)))
    end
    if scale.level == "ordinal" then
      if not (math.tointeger(scale.min) and math.tointeger(scale.max))
        or scale.max - scale.min > 100 then
        core.fail(where .. ": an ordinal scale goes by whole steps, at most 100")
      end
      scale.min, scale.max = math.tointeger(scale.min), math.tointeger(scale.max)
    end
  end
  self.question = self.question or ("Rate: %s"):format(self.name)
  if type(self.anchors) ~= "table" then return end
  -- JSON has no numbers for keys.
  local anchors = {}
  for point, meaning in pairs(self.anchors) do
    anchors[tostring(math.tointeger(point) or point)] = meaning
  end
  self.anchors = anchors
end

-- The values of a scale of steps, as people give them.
local function steps(self)
  if self.scale.level == "interval" and not self.scale.labels then return nil end
  return self.scale.labels or numbers_of(self.scale)
end

function rating.check(self, value)
  local scale = self.scale
  if value == "na" then return not scale.na and "'na' is not on the scale" or nil end
  if type(value) == "number" then value = math.tointeger(value) or value end
  local list = steps(self)
  if list then
    if scale.labels then return ask.none_of(value, list) end
    if math.type(value) == "integer" and value >= scale.min and value <= scale.max then
      return nil
    end
    return ("%s is not on the scale (allowed: %d to %d%s)"):format(text.value(value), scale.min,
      scale.max, scale.na and ", or na" or "")
  end
  if type(value) == "number" and value >= scale.min and value <= scale.max then return nil end
  return ("%s is not on the scale (allowed: %s to %s%s)"):format(text.value(value),
    text.number(scale.min), text.number(scale.max), scale.na and ", or na" or "")
end

local function anchor(self, value)
  local anchors = self.anchors
  if type(anchors) ~= "table" then return nil end
  local found = anchors[tostring(value)]
  if type(found) == "table" then found = found.text or found.meaning or found[1] end
  return type(found) == "string" and found or nil
end

function rating.fields(self)
  local list, na = steps(self), self.scale.na
  if not list or #list > 9 then
    local low, high = self.scale.min, self.scale.max
    local range = low and ("%s to %s"):format(text.number(low), text.number(high))
      or ask.words(list)
    return { { title = ("%s (%s%s)"):format(self.question, range, na and ", na" or ""),
               kind = "line", parse = function(said)
      local value = said == "na" and said or self.scale.labels and said or tonumber(said) or said
      local problem = rating.check(self, value)
      if problem then return nil, problem end
      return value
    end } }
  end
  local labels = {}
  for i, value in ipairs(list) do
    local meaning = anchor(self, value)
    labels[i] = (self.scale.labels and value or "") .. (meaning and
      (self.scale.labels and ": " or "") .. meaning or "")
  end
  local choices = ask.choices(list, labels)
  for i, value in ipairs(list) do
    if math.type(value) == "integer" and value >= 0 and value <= 9 then
      choices[i].key = tostring(value)
    end
  end
  if na then choices[#choices + 1] = { value = "na", label = "does not apply", key = "n" } end
  return { { title = self.question, kind = "key", choices = choices } }
end

function rating.table(self)
  local scale, list = self.scale, steps(self)
  if not list then return { level = "interval", range = { scale.min, scale.max } } end
  if scale.level == "interval" then return { level = "interval" } end
  local labels = {}
  for i, value in ipairs(list) do labels[i] = tostring(value) end
  return { level = scale.level, labels = labels }
end

function rating.rows(self, value)
  if value == "na" then return {} end
  local list = steps(self)
  if self.scale.labels and self.scale.level == "interval" then
    for i, label in ipairs(list) do
      if label == value then return { { value = i } } end
    end
  end
  if list then return { { value = tostring(math.tointeger(value) or value) } } end
  return { { value = value } }
end

return rating
