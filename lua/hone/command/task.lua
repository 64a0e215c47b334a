-- hone task STORE [list | show | guideline | pause | resume | close | export | import |
-- adjudicate] [TASK] [FILE]: look after tasks.
local core = require "hone.core"
local files = require "hone.files"
local formats = require "hone.formats"
local stores = require "hone.store"
local text = require "hone.text"

local actions = {}

local function counts_line(c, name)
  local state = c.state ~= "open" and (", %s"):format(c.state) or ""
  return ("%-20s %s of %s finished, %s, %s to come, %s open, %s skipped, %s flagged%s"):format(name,
    text.integer(c.finished), text.count(c.items, "item"), text.count(c.judgements, "judgement"),
    text.integer(c.wanted), text.integer(c.live), text.integer(c.skipped), text.integer(c.flagged),
      state)
end

local function counts_of(c)
  return { name = c.name, state = c.state, version = c.version, items = c.items, gold = c.gold,
           finished = c.finished, judgements = c.judgements, wanted = c.wanted, live = c.live,
           skipped = c.skipped, flagged = c.flagged }
end

function actions.list(store, o)
  local tasks = store:tasks()
  if #tasks == 0 and not o.json then print "no tasks yet" end
  for _, c in ipairs(tasks) do
    print(o.json and core.json.encode(counts_of(c)) or counts_line(c, c.name))
  end
end

-- Who judged how much, how long, and what they left.
local function people(task)
  local by, order = {}, {}
  local function of(id)
    if not by[id] then
      by[id] = { annotator = id, judged = 0, seconds = 0, skipped = 0, flagged = 0 }
      order[#order + 1] = by[id]
    end
    return by[id]
  end
  for j in task.store:each("judgements", { task = task.name }) do
    local one = of(j.annotator)
    one.judged, one.seconds = one.judged + 1, one.seconds + (j.seconds or 0)
  end
  local reasons = core.json.list {}
  for a in task.store:each("assignments", { task = task.name }) do
    if a.state == "skipped" or a.state == "flagged" then
      of(a.annotator)[a.state] = of(a.annotator)[a.state] + 1
      if a.reason then
        reasons[#reasons + 1] = { item = a.item, annotator = a.annotator, how = a.state,
          reason = a.reason }
      end
    end
  end
  table.sort(order, function(a, b)
    if a.judged ~= b.judged then return a.judged > b.judged end
    return a.annotator < b.annotator
  end)
  return core.json.list(order), reasons
end

function actions.show(store, o, task)
  local c = store:request("task", { name = task.name })
  local who, reasons = people(task)
  if o.json then
    local out = counts_of(c)
    out.definition, out.annotators, out.left = c.definition, who, reasons
    print(core.json.encode(out))
    return
  end
  print(counts_line(c, c.name))
  for _, one in ipairs(task.asks) do
    print(("  asks %s (%s): %s"):format(one.name, one.kind, one.question))
  end
  for _, one in ipairs(who) do
    print(("  %s: %s, %s each, %d skipped, %d flagged"):format(one.annotator,
      text.count(one.judged, "judgement"),
      one.judged > 0 and ("%.1f s"):format(one.seconds / one.judged) or "-", one.skipped,
        one.flagged))
  end
  for i = 1, math.min(20, #reasons) do
    local r = reasons[i]
    print(("  %s %s by %s: %s"):format(r.item:sub(1, 16), r.how, r.annotator, r.reason))
  end
end

function actions.guideline(_, _, task)
  print(task:guideline() or "there is no guideline")
  for word, meaning in pairs(task:glossary()) do
    print(("%s: %s"):format(word, tostring(meaning)))
  end
end

local function set(method, word)
  return function(_, o, task)
    task[method](task)
    print(o.json and core.json.encode { task = task.name, state = word } or
      ("task %s is %s"):format(task.name, word))
  end
end
actions.pause, actions.resume, actions.close =
  set("pause", "paused"), set("resume", "open"), set("close", "closed")

-- ---- in and out ----

local function say_counts(what, map)
  local list = {}
  for name in pairs(map) do list[#list + 1] = name end
  table.sort(list)
  for _, name in ipairs(list) do
    io.stderr:write(("  %s: %s (%d)\n"):format(what, name, map[name]))
  end
end

function actions.export(_, o, task)
  if not o.file then core.fail "task export: FILE is missing (- for standard output)" end
  local report = formats.export(task, o.file, { format = o.format })
  if o.json and o.file ~= "-" then print(core.json.encode(report)) return end
  io.stderr:write(("%s as %s\n"):format(text.count(report.rows, "row"), report.format))
  say_counts("left out", report.skipped)
  say_counts("lost", report.lost)
end

-- Import into a task, made by what the file asks where there is none of the name.
function actions.import(store, o)
  if not o.file then core.fail "task import: FILE is missing (- for standard input)" end
  local known = store:request("task", { name = o.task })
  local task = known and store:task(o.task)
    or store:task { name = o.task, ask = formats.asks(o.file, o.format), overlap = o.overlap or 1 }
  local report = formats.import(task, o.file, { format = o.format, partial = o.partial or false,
                                                annotator = o.as })
  if o.json then print(core.json.encode(report)) return end
  print(("%s as %s: %s, %s new; %s here already"):format(text.count(report.rows, "row"),
    report.format,
    text.count(report.judgements, "judgement"), text.count(report.items, "item"),
    text.integer(report.again)))
  for _, p in ipairs(report.problems) do
    io.stderr:write(("  line %d: %s: %s\n"):format(p.line, p.field, p.problem))
  end
  if report.broken > 0 then
    io.stderr:write(("  left out: %s\n"):format(text.count(report.broken, "row")))
  end
  say_counts("not asked by the task", report.unasked)
end

-- ---- disagreement ----

-- The consensus of an ask by the plainest plugin that its level has.
local function labels_of(answers, name, plugin)
  local j = answers.tables[name]
  plugin = plugin or (j.level == "pair" and "bradley_terry" or "majority")
  return j:aggregate(core.instance("quality", plugin, {}))
end

function actions.adjudicate(_, o, task)
  local answers, any = task:answers(), false
  for _, one in ipairs(task.asks) do
    local j = answers.tables[one.name]
    if j and (not o.ask or o.ask == one.name) then
      local ok, records = pcall(function()
        return labels_of(answers, one.name, o.by):adjudicate {}
      end)
      if not ok then
        if o.ask then error(records, 0) end
      else
        any = true
        for i, record in ipairs(records) do
          if o.json then
            print(core.json.encode { ask = one.name, item = record.item, cause = record.cause,
                                     shares = record.shares })
          elseif i <= 50 then
            print(("%s: %s"):format(one.name, tostring(record)))
          end
        end
        if not o.json then print(("%s: %s"):format(one.name, text.count(#records,
          "disputed item"))) end
      end
    end
  end
  if not any then core.fail "task adjudicate: there are no judgements to compare yet" end
end

local names = { "list", "show", "guideline", "pause", "resume", "close", "export", "import",
  "adjudicate" }

return {
  summary = "Look after the tasks of a store: list, show, pause, import, export, adjudicate ...",
  words = { "STORE", "[ACTION]", "[TASK]", "[FILE]" },
  flags = {
    { "format", "string", "NAME",
      doc = "preference, completion, hh, helpsteer, arena, label_studio" },
    { "partial", "boolean", doc = "import: leave broken rows out" },
    { "as", "string", "NAME", doc = "import: who judged, where a row does not say" },
    { "overlap", "integer", "N", doc = "import: of a task that it makes (1)" },
    { "ask", "string", "NAME", doc = "adjudicate: only this one" },
    { "by", "string", "PLUGIN", doc = "adjudicate: the consensus, a quality plugin" },
  },
  run = function(o)
    local name = o.action or "list"
    local action = actions[name]
    if not action then
      core.fail(("task: unknown action '%s'%s (known: %s)"):format(name,
        text.suggest(name, { table.unpack(names) }), table.concat(names, ", ")))
    end
    if not files.exists(o.store) and name ~= "import" then
      core.fail(("%s: there is no such store"):format(o.store))
    end
    if name ~= "list" and not o.task then core.fail(("task %s: TASK is missing"):format(name)) end
    local store = stores.open(o.store)
    local task = name ~= "list" and name ~= "import" and store:task(o.task) or nil
    return action(store, o, task)
  end,
}
