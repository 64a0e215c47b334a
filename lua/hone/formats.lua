-- formats: judgements and preferences of other tools, in and out.
--
--   hone.formats.import(task, "pairs.jsonl", { format = "preference" })   into a task: a report
--   hone.formats.export(task, "out.jsonl", { format = "hh" })             what counts now: a report
--   hone.formats.asks(path, format)          what a task needs to take a file: a list of asks
--   hone.formats.write(path, records, { format = })                       from a script
--
-- Formats: preference { prompt, chosen, rejected }, completion { prompt, completion, label },
-- hh, helpsteer, arena, label_studio; without one, the first row tells. Rows are
-- lines of JSON, or one JSON list; "-" is standard input or output. A file is read and written
-- a row at a time, whatever its size.
--
-- Import is all or nothing: a row that cannot be taken is an error that names its line
-- and field and counts the others, unless partial = true leaves such rows out. The same
-- file again adds nothing. Reports: { format, rows, judgements, items, again, broken,
-- problems } of import; { format, rows, skipped = { why = count }, lost = { what =
-- count } } of export: what the format could not hold.
local ask = require "hone.ask"
local core = require "hone.core"
local options = require "hone.options"
local text = require "hone.text"

local formats = {}

local names = { "preference", "completion", "hh", "helpsteer", "arena", "label_studio" }
-- The order in which rows are tried: hh is a preference without a prompt.
local tried = { "label_studio", "arena", "hh", "preference", "completion", "helpsteer" }

local function find(name)
  if name == "label_studio" then return require "hone.formats.label_studio" end
  local found = require "hone.formats.rows"[name]
  if not found then
    core.fail(("formats: '%s' is none (allowed: %s)%s"):format(tostring(name),
      table.concat(names, ", "), text.suggest(tostring(name), { table.unpack(names) })))
  end
  return found
end

-- ---- reading ----

local function tell(row)
  for _, name in ipairs(tried) do
    if find(name).fits(row) then return name end
  end
end

-- The format of a file, by its first row that can be read.
local function detect(path)
  if path == "-" then
    core.fail("formats: standard input needs format = " .. table.concat(names, ", "))
  end
  local rows <close> = core.rows(path)
  while true do
    local row, line = rows:next()
    if not line then core.fail(("%s: there is no row"):format(path)) end
    if type(row) == "table" then
      local name = tell(row)
      if name then return name end
      core.fail(("%s: line %d: it looks like none of %s"):format(path, line, table.concat(names,
        ", ")))
    end
  end
end

--- Records of a file, one after another: record, line; or nil, line, field, problem.
function formats.read(path, name)
  name = name or detect(path)
  local format, rows, queue, at = find(name), core.rows(path), {}, 1
  return function()
    while true do
      local record = queue[at]
      if record then
        at = at + 1
        return record, queue.line
      end
      local row, line, problem = rows:next()
      if not line then return nil end
      if problem then return nil, line, "row", problem end
      if type(row) ~= "table" or #row > 0 then
        return nil, line, "row", ("expected an object, got %s"):format(text.value(row))
      end
      local field
      queue, field, problem = format.read(row)
      if not queue then
        queue, at = {}, 1
        return nil, line, field, problem
      end
      queue.line, at = line, 1
    end
  end, name
end

--- What is asked in a file, as asks for a task. Labels are those of the first 1,000 rows.
function formats.asks(path, name)
  local following, found = formats.read(path, name)
  if find(found).asks then
    local list = {}
    for i, spec in ipairs(find(found).asks) do list[i] = ask.of(spec) end
    return list
  end
  local specs, order = {}, {}
  for _ = 1, 1000 do
    local record, line = following()
    if not record and not line then break end
    for _, one in ipairs(record and record.answers or {}) do
      local key = one.name or one.kind
      if not specs[key] then
        specs[key] = { kind = one.kind, name = one.name, optional = true, seen = {} }
        order[#order + 1] = key
      end
      local spec = specs[key]
      local labels = one.kind == "labels" and one.value or {}
      spec.many = spec.many or #labels > 1
      for _, label in ipairs(labels) do spec.seen[label] = true end
      for _, span in ipairs(one.kind == "spans" and one.value
        or {}) do spec.seen[span.label] = true end
      if one.kind == "rating" then spec.most = math.max(spec.most or 5, one.value) end
    end
  end
  local list = {}
  for i, key in ipairs(order) do
    local spec = specs[key]
    local given = { kind = spec.kind, name = spec.name, optional = true }
    if spec.kind == "labels" or spec.kind == "spans" then
      given.labels = {}
      for label in pairs(spec.seen) do given.labels[#given.labels + 1] = label end
      table.sort(given.labels)
      if spec.kind == "labels" then given.many = spec.many or #given.labels < 2 end
    elseif spec.kind == "rating" then
      given.scale = { level = "interval", min = 0, max = spec.most }
    elseif spec.kind == "preference" then
      given.ties = true
    end
    list[i] = ask.of(given)
  end
  if #list == 0 then core.fail(("%s: there is no annotation to tell what was asked"):format(path)) end
  return list
end

-- ---- import ----

-- The ask of a task that an answer belongs to: by name, else the only one of its kind.
local function matcher(asks)
  local by_name, by_kind = {}, {}
  for _, one in ipairs(asks) do
    by_name[one.name] = one
    if by_kind[one.kind] == nil then by_kind[one.kind] = one else by_kind[one.kind] = false end
  end
  return function(answer)
    local named = by_name[answer.name or ""]
    if named then return named end
    if answer.kind == "verdict" and not by_kind.verdict then return by_kind.labels end
    return by_kind[answer.kind] or nil
  end
end

-- A record as a row of the store's import; nil, field, problem. `unasked` counts.
local function to_row(record, match, key, o, unasked)
  local answers, any = {}, false
  for _, answer in ipairs(record.answers) do
    local one = match(answer)
    if not one then
      local name = answer.name or answer.kind
      unasked[name] = (unasked[name] or 0) + 1
    else
      local value = answer.value
      if one.kind == "labels" and not one.many and type(value) == "table" then value = value[1] end
      if one.kind == "preference" and one.strength == 0 and type(value) == "table" then
        value, unasked.strength = value.choice, (unasked.strength or 0) + 1
      end
      local problem = one:validate(value, record.content, record.order)
      if problem then return nil, one.name, problem end
      answers[one.name], any = one:pack(value, record.content, record.order), true
    end
  end
  local who = record.annotator
  if type(who) == "number" then who = tostring(math.tointeger(who) or who) end
  if who ~= nil and who ~= core.null and type(who) ~= "string" then
    return nil, "annotator", ("expected a text, got %s"):format(text.value(who))
  end
  local seconds = record.seconds
  if seconds == core.null then seconds = nil end
  if seconds ~= nil and not (type(seconds) == "number" and seconds >= 0) then
    return nil, "seconds", ("expected a number of 0 or more, got %s"):format(text.value(seconds))
  end
  return { content = record.content, order = record.order ~= core.null and record.order or nil,
           seconds = seconds, key = any and key or nil, answers = any and answers or nil,
           annotator = any and (type(who) == "string" and who ~= "" and who or o.annotator) or nil }
end

local import_schema = {
  { "format", "choice", choices = names, doc = "of the file; default: told by its first row" },
  { "partial", "boolean", default = false, doc = "leave broken rows out" },
  { "annotator", "string", default = "import", doc = "who judged, where a row does not say" },
  { "key", "string", doc = "of the file: what was imported under it is not added again; default: "
      .. "the file's name" },
}

local function say_broken(path, problems, broken)
  local lines = {}
  for i, p in ipairs(problems) do
    lines[i] = ("line %d: %s: %s"):format(p.line, p.field, p.problem)
  end
  if broken > #problems then lines[#lines + 1] = ("and %d more"):format(broken - #problems) end
  return ("%s: %s cannot be taken; nothing was imported (partial leaves such rows out)\n  %s")
    :format(path, text.count(broken, "row"), table.concat(lines, "\n  "))
end

-- Writes rows and items in pages, as long as all is well.
local function pages(task, report)
  local rows, items = core.json.list {}, {}
  local function put()
    if #rows > 0 then
      local done = task:import(rows)
      report.judgements, report.again = report.judgements + done.judgements,
        report.again + done.again
      report.items = report.items + done.items
    end
    if #items > 0 then task:add(items) end
    rows, items = core.json.list {}, {}
  end
  return function(row)
    if row and row.answers then rows[#rows + 1] = row end
    if row and not row.answers then
      items[#items + 1] = row.content
      report.items = report.items + 1
    end
    if not row or #rows + #items >= 2000 then put() end
  end
end

--- Judgements of a file into a task. See above.
function formats.import(task, path, given)
  local o = options.check("import", import_schema, given)
  local following, name = formats.read(path, o.format)
  local report = { format = name, rows = 0, judgements = 0, again = 0, items = 0, broken = 0,
                   problems = core.json.list {}, unasked = {} }
  local match, key = matcher(task.asks), o.key or path:match("[^/]*$")
  local function refuse(line, field, problem)
    report.broken = report.broken + 1
    if #report.problems < 10 then
      table.insert(report.problems, { line = line, field = field, problem = problem })
    end
  end
  task.store:atomically(function()
    local put, last, k = pages(task, report), nil, 0
    while true do
      local record, line, field, problem = following()
      if not line then break end
      k = line == last and k + 1 or 1
      last = line
      local row
      if record then
        report.rows = report.rows + 1
        row, field, problem = to_row(record, match, ("%s:%d:%d"):format(key, line, k), o,
          report.unasked)
      end
      if not row then refuse(line, field, problem)
      elseif report.broken == 0 or o.partial then put(row) end
    end
    if report.broken > 0 and not o.partial then
      core.fail(say_broken(path, report.problems, report.broken))
    end
    put(nil)
  end)
  return report
end

-- ---- export ----

-- A judgement's answers as formats take them.
local function to_record(judgement, asks)
  local list = {}
  for _, one in ipairs(asks) do
    local value = judgement.answers[one.name]
    if value ~= nil and value ~= core.null then
      local said
      if one.kind == "correction" then
        local rows = one:rows(value, judgement.content, judgement.order)
        said = rows[1] and rows[1].corrected.text
      end
      list[#list + 1] = { kind = one.kind, name = one.name, value = value, text = said }
    end
  end
  return { content = judgement.content, answers = list, annotator = judgement.annotator,
    id = judgement.id,
           order = judgement.order, seconds = judgement.seconds, item = judgement.item }
end

local write_schema = {
  { "format", "choice", choices = names, default = "preference", doc = "of the file" },
}

local function count(map, what) map[what] = (map[what] or 0) + 1 end

-- Rows of records into an open file; returns the report.
local function write_rows(file, name, following)
  local format, report = find(name), { format = name, rows = 0, skipped = {}, lost = {} }
  local function lost(what) count(report.lost, what) end
  if format.array then file:write("[") end
  for record in following do
    local row, why = format.write(record, lost)
    if row then
      local said = core.json.encode(row)
      if format.array then
        said = (report.rows > 0 and ",\n" or "\n") .. said else said = said .. "\n"
      end
      local ok, problem = file:write(said)
      if not ok then core.fail(problem) end
      report.rows = report.rows + 1
    else
      count(report.skipped, why)
    end
  end
  if format.array then file:write("\n]\n") end
  local ok, problem = file:flush()
  if not ok then core.fail(problem) end
  return report
end

--- Records, a list or a function that gives the next, into a file that appears whole.
function formats.write(path, records, given)
  local o, at = options.check("formats.write", write_schema, given), 0
  local following = type(records) == "function" and records or function()
    at = at + 1
    return records[at]
  end
  if path == "-" then return write_rows(io.stdout, o.format, following) end
  local temporary = path .. ".tmp"
  local file, problem = io.open(temporary, "wb")
  if not file then core.fail(problem) end
  file:setvbuf("full", 1 << 16)
  local ok, report = pcall(write_rows, file, o.format, following)
  file:close()
  if not ok then
    os.remove(temporary)
    error(report, 0)
  end
  core.sync(temporary)
  core.system.rename(temporary, path)
  return report
end

--- The judgements of a task that count now.
function formats.export(task, path, given)
  local content_of = require "hone.formats.contents"(task, 10000)
  local following = task.store:each("judgements", { task = task.name, limit = 5000 })
  return formats.write(path, function()
    local judgement = following()
    if not judgement then return nil end
    judgement.content = content_of(judgement.item)
    return to_record(judgement, task.asks)
  end, given)
end

return formats
