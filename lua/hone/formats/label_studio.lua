-- label_studio: tasks with annotations, also Pairwise results.
--   { id, data = { prompt, left, right }, annotations = { { completed_by, lead_time,
--     result = { { type = "pairwise", from_name, value = { selected = "left" } } } } } }
-- Results: pairwise, choices (labels, verdicts), rating, labels (spans), textarea
-- (corrections). A record is an annotation; a task that is written holds one.
local content = require "hone.ask.content"
local core = require "hone.core"
local text = require "hone.text"

local function is(value) return value ~= nil and value ~= core.null end

local sides = { { "left", "right" }, { "response1", "response2" }, { "answer1", "answer2" },
                { "text1", "text2" }, { "response_a", "response_b" } }

local function content_of(data)
  for _, names in ipairs(sides) do
    if is(data[names[1]]) and is(data[names[2]]) then
      local c = {}
      for key, value in pairs(data) do c[key] = value end
      c[names[1]], c[names[2]] = nil, nil
      c.left, c.right = data[names[1]], data[names[2]]
      return c
    end
  end
  local c = {}
  for key, value in pairs(data) do c[key] = value end
  if not is(c.response) and is(c.text) then c.response, c.text = c.text, nil end
  return c
end

-- One result as an answer; nil and why.
local function answer_of(result)
  local value = type(result.value) == "table" and result.value or {}
  local kind = result.type
  if kind == "pairwise" then
    local choice = ({ left = "first", right = "second" })[value.selected]
    if value.selected == nil or value.selected == core.null then choice = "tie" end
    if not choice then
      return nil, ("selected: %s (allowed: left, right)"):format(text.value(value.selected))
    end
    return { kind = "preference", name = result.from_name, value = choice }
  elseif kind == "rating" then
    if type(value.rating) ~= "number" then
      return nil, ("rating: expected a number, got %s"):format(text.value(value.rating))
    end
    return { kind = "rating", name = result.from_name, value = value.rating }
  elseif kind == "choices" then
    if type(value.choices) ~= "table" then return nil, "choices: expected a list" end
    return { kind = "labels", name = result.from_name, value = value.choices }
  elseif kind == "labels" then
    local label = type(value.labels) == "table" and value.labels[1]
    if type(label) ~= "string" then return nil, "labels: expected a list of texts" end
    return { kind = "spans", name = result.from_name,
             value = { label = label, start = value.start, ["end"] = value["end"] } }
  elseif kind == "textarea" then
    local said = type(value.text) == "table" and value.text[1] or value.text
    if type(said) ~= "string" then return nil, "text: expected a text" end
    return { kind = "correction", name = result.from_name, value = { text = said } }
  end
  return nil, ("type: %s is not known"):format(text.value(kind))
end

-- Spans of one name are one answer.
local function gather(results)
  local list, spans = {}, {}
  for i, result in ipairs(results) do
    local one, problem = answer_of(type(result) == "table" and result or {})
    if not one then return nil, ("result: %d: %s"):format(i, problem) end
    if one.kind == "spans" then
      local before = spans[one.name or ""]
      if before then table.insert(before.value, one.value) end
      one.value = core.json.list { one.value }
      if not before then spans[one.name or ""], list[#list + 1] = one, one end
    else
      list[#list + 1] = one
    end
  end
  return list
end

local function person(by)
  if type(by) == "table" then by = by.email or by.id end
  if type(by) == "number" then by = ("%d"):format(math.tointeger(by) or 0) end
  return is(by) and by or nil
end

-- ---- writing ----

local write = {}

function write.preference(one, record)
  local choice = type(one.value) == "table" and one.value.choice or one.value
  local first = content.places(is(record.order) and record.order or nil, 2)[1] == 1
  local selected
  if choice == "first" then selected = first and "left" or "right"
  elseif choice == "second" then selected = first and "right" or "left" end
  return "pairwise", { selected = selected or core.null,
                       strength = type(one.value) == "table" and one.value.strength or nil,
                       tie = not selected and choice or nil }
end

function write.rating(one)
  if type(one.value) == "number" then return "rating", { rating = one.value } end
end
function write.labels(one)
  return "choices", { choices = core.json.list(type(one.value) == "table" and one.value or {
    one.value }) }
end
function write.verdict(one)
  local word = type(one.value) == "table" and one.value.verdict or one.value
  return "choices", { choices = core.json.list { word } }
end
function write.correction(one)
  if one.text then return "textarea", { text = core.json.list { one.text } } end
end

local function results_of(record, lost)
  local out = core.json.list {}
  for _, one in ipairs(record.answers) do
    if one.kind == "spans" and type(one.value) == "table" then
      for _, span in ipairs(one.value) do
        out[#out + 1] = { type = "labels", from_name = one.name, to_name = "response",
          value = { start = span.start, ["end"] = span["end"], labels = core.json.list {
            span.label } } }
      end
    else
      local kind, value
      if write[one.kind] then kind, value = write[one.kind](one, record) end
      if kind then
        out[#out + 1] = { type = kind, from_name = one.name, to_name = "response", value = value }
      else
        lost(one.name)
      end
    end
  end
  return out
end

return {
  asks = nil,
  array = true,
  fits = function(row) return type(row.data) == "table" and (is(row.annotations) or is(row.id)) end,
  read = function(row)
    if type(row.data) ~= "table" then
      return nil, "data", ("expected an object, got %s"):format(text.value(row.data))
    end
    local c, records = content_of(row.data), {}
    for i, a in ipairs(type(row.annotations) == "table" and row.annotations or {}) do
      if a.was_cancelled ~= true then
        local answers, problem = gather(type(a.result) == "table" and a.result or {})
        if not answers then return nil, ("annotations: %d"):format(i), problem end
        local meta = type(a.meta) == "table" and a.meta or {}
        if type(meta.order) == "table" and meta.order[1] == 2 then
          for _, one in ipairs(answers) do
            if one.kind == "preference" and one.value ~= "tie" then
              one.value = one.value == "first" and "second" or "first"
            end
          end
        end
        records[#records + 1] = { content = c, answers = answers,
          annotator = person(a.completed_by),
                                  order = meta.order, seconds = a.lead_time }
      end
    end
    if #records == 0 then records[1] = { content = c, answers = {} } end
    return records
  end,
  write = function(record, lost)
    local data = {}
    for key, value in pairs(record.content) do data[key] = value end
    local results = results_of(record, lost)
    if #results == 0 then return nil, "nothing that it can hold" end
    return { id = record.id, data = data, annotations = core.json.list { {
      completed_by = record.annotator, lead_time = record.seconds, result = results,
      meta = { item = record.item, order = record.order } } } }
  end,
}
