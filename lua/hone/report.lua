-- report: <run>/report.html, one page that needs nothing else: figures, curves,
-- what run:sections() adds, answers before and after, what was cleaned and cut, options.
local core = require "hone.core"
local files = require "hone.files"
local svg = require "hone.svg"
local text = require "hone.text"

local report = {}
local escape = svg.escape

local style = [[
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2430; background: #fff;
  max-width: 960px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em; margin-bottom: 0 }
h2 { font-size: 1.15em; margin-top: 2em }
.lead { color: #5b6573; margin-top: .2em }
pre { font: 13px/1.45 ui-monospace, monospace; white-space: pre-wrap }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .35em .8em .35em 0;
  border-bottom: 1px solid #e6e8eb }
th { color: #5b6573; font-weight: 500 }
td.text { white-space: pre-wrap; overflow-wrap: anywhere; width: 25% }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(400px, 1fr)); gap: 1em }
svg { width: 100%; height: auto }
svg text { font: 11px system-ui, sans-serif; fill: #5b6573 }
svg text.title { font-size: 13px; fill: #1d2430 }]]

local function row(tag, ...)
  local cells = {}
  for i, cell in ipairs { ... } do cells[i] = ("<%s>%s</%s>"):format(tag, cell, tag) end
  return "<tr>" .. table.concat(cells) .. "</tr>"
end

local function is(value) return value ~= nil and value ~= core.null end

local function loss_text(part)
  return ("%s nats a token, perplexity %s, %s"):format(text.number(part.loss),
    text.number(part.perplexity), text.count(part.tokens, "token"))
end

-- The figures on top.
local function summary(record)
  local rows = {}
  local function add(name, value)
    if is(value) then rows[#rows + 1] = row("td", name, escape(value)) end
  end
  add("status", record.status .. (is(record.problem) and ": " .. record.problem or ""))
  add("test", record.test and loss_text(record.test))
  if is(record.best) then
    add("best validation loss", ("%s at step %d of %d%s"):format(text.number(record.best.loss),
      record.best.step, record.steps, record.stopped == true and ", stopped early" or ""))
  end
  add("model", record.options.model.folder or "new")
  add("weights, SHA-256", record.weights)
  if record.parameters then
    add("parameters", ("%s, %s of them trained"):format(text.integer(record.parameters),
                                                        text.integer(record.trained)))
  end
  add("tokens learned from", record.tokens and text.integer(record.tokens))
  add("memory, estimated", record.memory and text.bytes(record.memory.total))
  add("seed", record.seed)
  add("started", record.started)
  add("script", record.script .. " " .. table.concat(record.arguments, " "))
  return "<table>" .. table.concat(rows, "\n") .. "</table>"
end

local function points(history, key)
  local list = {}
  for _, line in ipairs(history) do
    if type(line[key]) == "number" then list[#list + 1] = { line.step, line[key] } end
  end
  return list
end

local function charts(history)
  local list = {
    svg.chart { title = "loss, nats a token", x = "step", series = {
      { name = "training", points = points(history, "loss") },
      { name = "validation", points = points(history, "validation_loss"), dots = true } } },
    svg.chart { title = "learning rate", x = "step",
                series = { { name = "lr", points = points(history, "lr") } } },
    svg.chart { title = "norm of the gradient, before clipping", x = "step",
                series = { { name = "norm", points = points(history, "norm") } } },
  }
  return '<div class="charts">' .. table.concat(list, "\n") .. "</div>"
end

local function scores_text(scores)
  local names, words = {}, {}
  for name in pairs(scores) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do words[i] = ("%s %s"):format(name, text.number(scores[name])) end
  return #words > 0 and "<br><small>" .. escape(table.concat(words, ", ")) .. "</small>" or ""
end

-- What each metric says of the answers before and after.
local function metrics_table(before, after)
  local names, rows = {}, { row("th", "metric", "before", "after", "not applicable, failed") }
  for name in pairs(after.metrics) do names[#names + 1] = name end
  table.sort(names)
  local function mean(s) return s and is(s.mean) and text.number(s.mean) or "none" end
  for _, name in ipairs(names) do
    local b, a = before.metrics[name], after.metrics[name]
    rows[#rows + 1] = row("td", escape(name), mean(b), mean(a), ("%d, %d"):format(a.na, a.failed))
  end
  return #names > 0 and "<table>" .. table.concat(rows, "\n") .. "</table>" or ""
end

local function answers(run)
  local function read(when)
    local path = run:path(("samples-%s.json"):format(when))
    return files.exists(path) and core.json.read(path) or { samples = {}, metrics = {} }
  end
  local before, after = read "before", read "after"
  local rows = { row("th", "prompt", "before", "after", "reference") }
  for i, s in ipairs(after.samples) do
    local b = before.samples[i] or { response = "", scores = {} }
    rows[#rows + 1] = (row("td", escape(s.prompt), escape(b.response) .. scores_text(b.scores),
      escape(s.response) .. scores_text(s.scores), escape(s.reference or ""))
      :gsub("<td>", '<td class="text">'))
  end
  if #rows == 1 then return "" end
  return "<h2>Answers</h2>" .. metrics_table(before, after) .. "<table>" ..
    table.concat(rows, "\n") .. "</table>"
end

local function data_table(record)
  local rows = { row("th", "part", "rows", "examples", "tokens", "learned", "cut", "dropped") }
  for _, part in ipairs { "train", "validation", "test" } do
    local d = record.data and record.data[part]
    local e = d and d.encoded
    if e then
      rows[#rows + 1] = row("td", part, text.integer(e.rows), text.integer(e.examples),
        text.integer(e.tokens), text.integer(e.learned), text.integer(e.truncated),
        text.integer(e.dropped))
    end
  end
  local cleaned, words = record.data and record.data.train and record.data.train.cleaned, {}
  for name, d in pairs(is(cleaned) and cleaned.dropped or {}) do
    if d.count > 0 then
      words[#words + 1] = ("%s %s (%s)"):format(text.integer(d.count), name,
                                                table.concat(d.examples, ", "))
    end
  end
  table.sort(words)
  return "<h2>Data</h2><table>" .. table.concat(rows, "\n") .. "</table>" ..
    (#words > 0 and ("<p>Cleaning dropped %s.</p>"):format(escape(table.concat(words, "; "))) or "")
end

--- Write the report of a run as it stands.
function report.write(run)
  local record = run.record
  local page = { "<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    ("<title>%s</title><style>%s</style></head><body>"):format(escape(run.name), style),
    ('<h1>%s</h1><p class="lead">%s with hone %s</p>'):format(escape(run.name),
      escape(record.kind), escape(record.hone)),
    summary(record), "<h2>Curves</h2>", charts(run:history()),
    run.sections and run:sections() or "", answers(run), data_table(record),
    ("<h2>Options</h2><pre>%s</pre>"):format(escape(text.value(record.options))),
    "</body></html>" }
  core.system.write(run:path("report.html"), table.concat(page, "\n") .. "\n")
end

return report
