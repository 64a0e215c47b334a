-- report_rounds: one page of trends that needs nothing else: `hone report STORE`.
--   require "hone.report_rounds".write("report.html", store, { runs = "runs", wage = 18 })
--
-- How judging went task by task (throughput, agreement, cost), how rounds went (figures that
-- rounds logged, gates, rewards), and where to improve: disputed items, answers that are taken
-- for each other, words of the glossary, annotators that stand out. Annotators appear under
-- their pseudonyms. What the figures mean: trends.lua, docs/rounds.md.
local core = require "hone.core"
local options = require "hone.options"
local svg = require "hone.svg"
local text = require "hone.text"
local trends = require "hone.trends"

local report = {}
local escape = svg.escape

local function row(tag, cells)
  local out = {}
  for i = 1, #cells do out[i] = ("<%s>%s</%s>"):format(tag, cells[i], tag) end
  return "<tr>" .. table.concat(out) .. "</tr>"
end

local function table_of(head, rows)
  if #rows == 0 then return "" end
  local lines = { row("th", head) }
  for i, cells in ipairs(rows) do lines[i + 1] = row("td", cells) end
  return '<div class="scroll"><table>' .. table.concat(lines, "\n") .. "</table></div>"
end

local function number(x, digits)
  if type(x) ~= "number" then return "" end
  return digits and ("%." .. digits .. "f"):format(x) or text.number(x)
end
local function percent(x) return x and ("%.0f %%"):format(100 * x) or "" end
local function note(said) return ('<p class="note">%s</p>'):format(escape(said)) end

-- ---- tasks ----

local function wins_words(t)
  local words = {}
  for model, rate in pairs(t.wins or {}) do words[#words + 1] = model .. " " .. percent(rate) end
  table.sort(words)
  return table.concat(words, ", ")
end

local function task_rows(found)
  local rows = {}
  for i, t in ipairs(found.tasks) do
    local agreements = {}
    for k, ask in ipairs(t.asks) do
      agreements[k] = ("%s %s"):format(ask.name, number(ask.krippendorff, 2))
    end
    rows[i] = { escape(t.name),
                ("%s of %s"):format(text.integer(t.finished), text.integer(t.items)),
                text.integer(t.judgements), text.integer(t.annotators), number(t.hours, 1),
                number(t.per_hour, 0), number(t.seconds, 0), percent(t.together),
                escape(table.concat(agreements, ", ")), escape(wins_words(t)), number(t.cost, 2),
                ("%d, %d"):format(t.skipped, t.flagged) }
  end
  return table_of({ "task", "items finished", "judgements", "annotators", "hours of work",
                    "judgements an hour", "median seconds", "agree with the others",
                    "Krippendorff's alpha", "win rates", "cost", "skipped, flagged" }, rows)
end

-- A point a task, where it has the figure.
local function series(found, name, key)
  local points = {}
  for i, t in ipairs(found.tasks) do
    local value = type(key) == "function" and key(t) or t[key]
    if type(value) == "number" then points[#points + 1] = { i, value } end
  end
  return { name = name, points = points, dots = true }
end

local function alpha_series(found)
  local names, list = {}, {}
  for _, t in ipairs(found.tasks) do
    for _, ask in ipairs(t.asks) do
      if not names[ask.name] then
        names[ask.name] = true
        list[#list + 1] = series(found, ask.name, function(other)
          for _, a in ipairs(other.asks) do
            if a.name == ask.name then return a.krippendorff end
          end
        end)
      end
    end
  end
  return list
end

-- Win rates of models whose answers were compared, task by task.
local function win_series(found)
  local names, list = {}, {}
  for _, t in ipairs(found.tasks) do
    for model in pairs(t.wins or {}) do
      if not names[model] then
        names[model] = true
        list[#list + 1] = series(found, model, function(other) return (other.wins or {})[model] end)
      end
    end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

local function task_charts(found)
  if #found.tasks < 2 then return "" end
  local x = "tasks, in the order they were made"
  return table.concat {
    svg.chart { title = "throughput: judgements an hour of work", x = x,
                series = { series(found, "judgements", "per_hour") } },
    svg.chart { title = "agreement: Krippendorff's alpha", x = x, series = alpha_series(found) },
    svg.chart { title = "skill: share of answers that agree with the others'", x = x,
                series = { series(found, "share", "together") } },
    svg.chart { title = "win rate of each model", x = x, series = win_series(found) },
    svg.chart { title = "cost of a judgement", x = x, series = { series(found, "cost", function(t)
      return t.cost and t.judgements > 0 and t.cost / t.judgements or nil
    end) } },
  }
end

-- ---- rounds ----

local function figure_names(rounds)
  local names, seen = {}, {}
  for _, round in ipairs(rounds) do
    for name in pairs(round.figures) do
      if not seen[name] then names[#names + 1], seen[name] = name, true end
    end
  end
  table.sort(names)
  return names
end

local function series_page(one)
  local names, head, rows, charts = figure_names(one.rounds), { "round" }, {}, {}
  for _, name in ipairs(names) do
    head[#head + 1] = escape(name)
    local points = {}
    for _, round in ipairs(one.rounds) do
      if round.figures[name] then points[#points + 1] = { round.number, round.figures[name] } end
    end
    if #points > 1 then
      charts[#charts + 1] = svg.chart { title = name, x = "round",
                                        series = { { name = name, points = points, dots = true } } }
    end
  end
  head[#head + 1], head[#head + 2] = "time of stages", "gate"
  for i, round in ipairs(one.rounds) do
    local cells = { tostring(round.number) }
    for k, name in ipairs(names) do cells[k + 1] = number(round.figures[name]) end
    cells[#cells + 1] = text.duration(round.seconds)
    cells[#cells + 1] = round.stopped and
      ('<span class="bad">%s</span>'):format(escape(table.concat(round.stopped, "; "))) or ""
    rows[i] = cells
  end
  local status = ("%s%s"):format(tostring(one.status),
    type(one.problem) == "string" and ": " .. one.problem or "")
  return ("<h3>%s</h3>"):format(escape(one.name)) .. note(status) .. table_of(head, rows) ..
    table.concat(charts)
end

local function rounds_part(found)
  if #found.series == 0 then return "" end
  local parts = { "<h2>Rounds</h2>" }
  for _, one in ipairs(found.series) do parts[#parts + 1] = series_page(one) end
  return table.concat(parts, "\n")
end

-- ---- where to improve ----

local function short(said)
  if type(said) ~= "string" then return "" end
  said = said:gsub("%s+", " ")
  local n = utf8.len(said)
  return n and n > 120 and said:sub(1, utf8.offset(said, 121) - 1) .. "..." or said
end

local function items_part(found)
  local rows = {}
  for i, item in ipairs(found.items) do
    local words = {}
    for k, share in ipairs(item.shares) do words[k] = ("%d %s"):format(share.count, share.label) end
    rows[i] = { escape(item.task), escape(item.ask), escape(item.item), escape(short(item.prompt)),
                escape(table.concat(words, ", ")) }
  end
  return #rows == 0 and "" or "<h3>Items that people judge differently</h3>" ..
    table_of({ "task", "ask", "item", "prompt", "answers" }, rows)
end

local function anchor(one, label)
  local meaning = type(one.anchors) == "table" and one.anchors[label]
  if type(meaning) == "table" then meaning = meaning.text end
  return meaning and ("%s (%s)"):format(label, meaning) or tostring(label)
end

local function terms_part(found)
  local confused, terms = {}, {}
  for i, one in ipairs(found.confused) do
    confused[i] = { escape(one.task), escape(one.ask), escape(anchor(one, one.first)),
                    escape(anchor(one, one.second)), text.integer(one.items) }
  end
  for i, one in ipairs(found.terms) do
    terms[i] = { escape(one.task), escape(one.term), text.integer(one.items), percent(one.dispute),
                 percent(one.others) }
  end
  return (#confused == 0 and "" or "<h3>Answers that stand beside each other</h3>" ..
      table_of({ "task", "ask", "answer", "other", "items" }, confused)) ..
    (#terms == 0 and "" or "<h3>Words of the guideline</h3>" .. table_of({ "task", "word",
      "items that have it", "dispute", "dispute of others" }, terms))
end

local function annotators_part(found)
  local rows = {}
  for i, person in ipairs(found.annotators) do
    rows[i] = { escape(person.id), text.integer(person.judgements), number(person.seconds, 1),
                percent(person.together),
                ('<span class="bad">%s</span>'):format(escape(table.concat(person.notes, "; "))) }
    if i == 30 then break end
  end
  local more = #found.annotators > 30 and note(("and %d more"):format(#found.annotators - 30)) or ""
  return "<h3>Annotators</h3>" .. table_of({ "annotator", "judgements", "median seconds",
    "agrees with the others", "stands out by" }, rows) .. more
end

-- ---- the page ----

local schema = {
  { "runs", "path", doc = "folder of runs; unset: the settings'" },
  { "wage", "number", default = 0, min = 0, doc = "of an hour, for costs" },
  { "title", "string", doc = "unset: the store's path" },
}

--- The page as text, and what it is made of.
function report.page(store, given)
  local o = options.check("report", schema, given)
  local found = trends.of(store, o)
  local title = o.title or store.path
  return table.concat({ "<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    ("<title>%s</title><style>%s</style></head><body>"):format(escape(title),
      require "hone.report_quality".style),
    ('<h1>%s</h1><p class="lead">%s by %s</p>'):format(escape(title),
      text.count(#found.tasks, "task"), text.count(#found.annotators, "annotator")),
    "<h2>Judging</h2>", task_rows(found), task_charts(found), rounds_part(found),
    "<h2>Where to improve</h2>", items_part(found), terms_part(found), annotators_part(found),
    "</body></html>" }, "\n") .. "\n", found
end

--- Write the page; gives what it is made of.
function report.write(path, store, given)
  local page, found = report.page(store, given)
  core.system.write(path, page)
  return found
end

return report
