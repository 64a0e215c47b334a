-- task_metrics: what the metrics behind a task's ratings ask of it.
--
--   metrics.check(asks, before)       raises where a metric changed and its version does not say so
--                                     (before: the definition that the store has, or nil), or
--                                     where it requires what the task does not ask for
--   metrics.raters(asks)              the most judgements that any of them needs
--   metrics.problem(asks, answers, content, order)    what they lack: a span, a correction; nil
--   metrics.enough(task, item)        whether people may stop: confidence of all that have one
--   metrics.stale(ask, record)        of a judgement made under an older version: "no",
--                                     "recheck", "void"
--
-- A rating keeps its metric's specification in the task's definition, so all of this holds
-- for whoever opens the store.
local content = require "hone.ask.content"
local core = require "hone.core"
local definition = require "hone.metric.definition"
local version = require "hone.metric.version"

local metrics = {}

local function is(value) return value ~= nil and value ~= core.null end

-- The definition behind an ask, or nil.
local function definition_of(ask)
  local metric = ask.metric
  local spec = type(metric) == "table" and is(metric.spec) and metric.spec
  return spec and definition.of_spec(spec) or nil
end

local function has_kind(asks, kind)
  for _, ask in ipairs(asks) do
    if ask.kind == kind or kind == "correction" and ask.kind == "verdict" and ask.correction then
      return true
    end
  end
  return false
end

local kinds = { span = "spans", correction = "correction" }

local function check_required(asks, d)
  for _, what in ipairs { "span", "correction" } do
    if #d.human[what] > 0 and not has_kind(asks, kinds[what]) then
      core.fail(("task: %s wants a %s where it is %s: add hone.ask.%s to its asks"):format(d.name,
        what, table.concat(d.human[what], " or "), kinds[what]))
    end
  end
end

function metrics.check(asks, before)
  local old = {}
  for _, spec in ipairs(before and is(before.ask) and before.ask or {}) do
    if type(spec.metric) == "table" and is(spec.metric.spec) then
      old[spec.metric.name] = spec.metric
    end
  end
  for _, ask in ipairs(asks) do
    local d = definition_of(ask)
    if d then
      check_required(asks, d)
      local was = old[d.name]
      if was and was.hash ~= ask.metric.hash then
        version.follows("task: " .. d.name, was.spec, ask.metric.spec)
      end
    end
  end
end

function metrics.raters(asks)
  local most = 0
  for _, ask in ipairs(asks) do
    local d = definition_of(ask)
    most = math.max(most, d and d.human.raters or 0)
  end
  return most
end

-- An answer's values: of each response, where there are several.
local function values_of(value)
  if not is(value) then return {} end
  return type(value) == "table" and value or { value }
end

-- Whether a span or a correction is among the answers; a correction that leaves the text as it
-- was is none.
local function answered(asks, answers, kind, c, order)
  local shown = content.shown(c, order)
  for _, ask in ipairs(asks) do
    local value = answers[ask.name]
    local full = is(value) and (type(value) ~= "table" or next(value) ~= nil)
    if full and ask.kind == "correction" then
      local before = shown[is(value.of) and value.of or 1]
      full = not before or value.text ~= before.text
    end
    local corrected = ask.kind == "verdict" and type(value) == "table"
    if ask.kind == kind and full or kind == "correction" and corrected then return true end
  end
  return false
end

function metrics.problem(asks, answers, c, order)
  for _, ask in ipairs(asks) do
    local d = definition_of(ask)
    for _, value in ipairs(d and values_of(answers[ask.name]) or {}) do
      local needs = d:requires(value)
      for _, what in ipairs { "span", "correction" } do
        if needs[what] and not answered(asks, answers, kinds[what], c, order) then
          return ("%s: %s is %s, which needs a %s"):format(ask.name, tostring(value),
            d:verdict(value), what)
        end
      end
    end
  end
end

function metrics.enough(task, item)
  local judged, sure = nil, false
  for _, ask in ipairs(task.asks) do
    local d = definition_of(ask)
    if d and d.human.confidence then
      sure = true
      judged = judged or task.store:list("judgements", { task = task.name, item = item })
      local places = {}
      for _, j in ipairs(judged) do
        for place, value in ipairs(values_of(j.answers[ask.name])) do
          places[place] = places[place] or {}
          table.insert(places[place], value)
        end
      end
      if #places == 0 then return false end
      for _, values in ipairs(places) do
        if not d:enough(values) then return false end
      end
    end
  end
  return sure, judged and #judged
end

function metrics.stale(ask, record)
  local metric = ask.metric
  local old = type(metric) == "table" and is(record.metrics) and record.metrics[metric.name]
  if not is(old) or not old or not is(metric.version) or old == metric.version then return "no" end
  local ok, found = pcall(version.stale, "stale", tostring(old), tostring(metric.version))
  return ok and found or "no"
end

return metrics
