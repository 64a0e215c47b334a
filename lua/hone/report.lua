-- report: <run>/report.html, one page that needs nothing else: what the doctor found,
-- figures, curves, what run:sections() adds, answers before and after, what was cleaned
-- and cut, options.
local answers = require "hone.report_answers"
local core = require "hone.core"
local curves = require "hone.report_curves"
local svg = require "hone.svg"
local text = require "hone.text"

local report = {}
local escape = svg.escape

local style = [[
:root { color-scheme: light dark; --paper: #fff; --card: #f7f8fa; --ink: #1d2430;
  --soft: #5b6573; --grid: #e3e6ea; --mark: #2f6fde; --good: #2c7a3f; --bad: #b3341f;
  --warn: #b7791f; --warned: #fdf6e7 }
@media (prefers-color-scheme: dark) { :root { --paper: #14171c; --card: #1b1f26; --ink: #e4e7eb;
  --soft: #9aa4b2; --grid: #2b3038; --mark: #6d9bf1; --good: #6cc287; --bad: #ef7a70;
  --warn: #e0b050; --warned: #2a2417 } }
* { box-sizing: border-box }
body { font: 15px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1080px; margin: 2.5em auto; padding: 0 1.2em }
h1 { font-size: 1.6em; margin: 0; letter-spacing: -.01em }
h2 { font-size: 1.2em; margin: 2.4em 0 .6em }
h3 { font-size: .95em; margin: 1.6em 0 .5em; color: var(--soft); font-weight: 600 }
h4 { font-size: .8em; margin: 0 0 .3em; color: var(--soft); font-weight: 500 }
.lead { color: var(--soft); margin: .2em 0 1.4em }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: .8em;
  margin: 1.4em 0 }
.tile { background: var(--card); border-radius: 10px; padding: .7em 1em }
.tile strong { display: block; font-size: 1.05em; font-weight: 600; white-space: nowrap;
  letter-spacing: -.01em; font-variant-numeric: tabular-nums }
.tile span { color: var(--soft); font-size: .85em }
.finding { background: var(--warned); border-left: 4px solid var(--warn); border-radius: 6px;
  padding: .7em 1em; margin: .7em 0 }
.finding strong { display: block } .finding p { margin: .2em 0 0 }
.finding .do { color: var(--soft) }
.failed { border-color: var(--bad) }
code { font: 13px/1.45 ui-monospace, monospace; white-space: pre-wrap }
td:first-child { width: 14em }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
td, th { text-align: left; vertical-align: top; padding: .35em .8em .35em 0;
  border-bottom: 1px solid var(--grid); overflow-wrap: anywhere }
th { color: var(--soft); font-weight: 500 }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(440px, 1fr)); gap: .9em }
@media (max-width: 520px) { .charts { grid-template-columns: 1fr } }
.charts svg { background: var(--card); border-radius: 10px; padding: .5em }
svg { width: 100%; height: auto; display: block }
svg line { stroke: var(--grid) }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft) }
svg text.title { font-size: 13px; fill: var(--ink) }
.card { background: var(--card); border-radius: 10px; padding: 1em; margin: .9em 0 }
.prompt { white-space: pre-wrap; overflow-wrap: anywhere; font-weight: 500; margin-bottom: .8em }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: 1.2em }
.said { white-space: pre-wrap; overflow-wrap: anywhere }
.chips { margin: .5em 0 0; display: flex; flex-wrap: wrap; gap: .4em }
.chip { font-size: .8em; color: var(--soft); border: 1px solid var(--grid); border-radius: 99px;
  padding: .05em .7em; font-variant-numeric: tabular-nums }
.chip strong { color: var(--ink); font-weight: 600 }
.chip.up strong { color: var(--good) } .chip.down strong { color: var(--bad) }]]

local function row(tag, ...)
  local cells = {}
  for i, cell in ipairs { ... } do cells[i] = ("<%s>%s</%s>"):format(tag, cell, tag) end
  return "<tr>" .. table.concat(cells) .. "</tr>"
end

local function is(value) return value ~= nil and value ~= core.null end

-- ---- on top ----

-- What broke the run off, then what the doctor found, in the order of steps.
local function findings(record)
  local out = {}
  if is(record.problem) then
    out[1] = ('<div class="finding failed"><strong>The run failed</strong><p>%s</p></div>'):format(
      escape(record.problem))
  end
  for _, f in ipairs(is(record.findings) and record.findings or {}) do
    out[#out + 1] = ('<div class="finding"><strong>Step %s: %s</strong><p>%s.</p>' ..
      '<p class="do">%s.</p></div>'):format(text.integer(f.step), escape(f.cause), escape(f.evidence), escape(f.remedy))
  end
  return table.concat(out, "\n")
end

local function tile(value, label)
  return ('<div class="tile"><strong>%s</strong><span>%s</span></div>'):format(escape(value),
    escape(label))
end

-- Means of a curve's first and last tenth.
local function ends(history, key)
  local values, first, last = {}, 0, 0
  for _, line in ipairs(history) do
    if type(line[key]) == "number" then values[#values + 1] = line[key] end
  end
  if #values == 0 then return nil end
  local w = math.max(1, #values // 10)
  for k = 1, w do first, last = first + values[k] / w, last + values[#values - w + k] / w end
  return first, last
end

-- Figures at a glance: from where to where the run went.
local shown_ends = {
  { "reward", "reward" }, { "validation_reward", "reward, held out" }, { "loss", "loss" },
  { "validation_loss", "validation loss" }, { "validation_accuracy", "accuracy, validation" },
  { "margin", "margin" }, { "kl", "KL, nats an answer" }, { "length", "tokens an answer" },
}

local function tiles(record, history)
  local out, seconds, steps = {}, 0, 0
  local algorithm = ends(history, "reward") ~= nil
  for _, it in ipairs(shown_ends) do
    local first, last = ends(history, it[1])
    if first and #out < 4 and not (algorithm and it[1] == "loss") then
      out[#out + 1] = tile(("%.3g → %.3g"):format(first, last), it[2])
    end
  end
  for _, line in ipairs(history) do
    if line.seconds then seconds, steps = seconds + line.seconds, line.step end
  end
  out[#out + 1] = tile(("%s of %s"):format(text.integer(steps),
    text.integer(record.steps or steps)), "steps, " .. record.status)
  out[#out + 1] = tile(text.duration(seconds), "in steps")
  return '<div class="tiles">' .. table.concat(out, "\n") .. "</div>"
end

local function loss_text(part)
  return ("%s nats a token, perplexity %s, %s"):format(text.number(part.loss),
    text.number(part.perplexity), text.count(part.tokens, "token"))
end

local function summary(run)
  local record, rows = run.record, {}
  local function add(name, value)
    if is(value) then rows[#rows + 1] = row("td", name, escape(value)) end
  end
  local what = run.watching or { name = "validation loss", sign = 1 }
  add("test", record.test and loss_text(record.test))
  if is(record.best) then
    add("best " .. what.name, ("%s at step %d of %d%s"):format(
      text.number(what.sign * record.best.loss), record.best.step, record.steps,
      record.stopped == true and ", stopped early" or ""))
  end
  add("model", is(record.options.model) and record.options.model.folder or "new")
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

-- ---- below ----

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
  if #rows == 1 and #words == 0 then return "" end
  return "<h2>Data</h2><table>" .. table.concat(rows, "\n") .. "</table>" ..
    (#words > 0 and ("<p>Cleaning dropped %s.</p>"):format(escape(table.concat(words, "; "))) or "")
end

local function options_table(options)
  local names, rows = {}, {}
  for name, value in pairs(options) do
    if is(value) then names[#names + 1] = name end
  end
  table.sort(names)
  for k, name in ipairs(names) do
    local value = options[name]
    rows[k] = row("td", escape(name), ("<code>%s</code>"):format(
      escape(type(value) == "string" and value or text.value(value))))
  end
  return "<h2>Options</h2><table>" .. table.concat(rows, "\n") .. "</table>"
end

--- Write the report of a run as it stands.
function report.write(run)
  local record, history = run.record, run:history()
  local page = { "<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    ("<title>%s</title><style>%s</style></head><body>"):format(escape(run.name), style),
    ('<h1>%s</h1><p class="lead">%s with hone %s</p>'):format(escape(run.name),
      escape(record.kind), escape(record.hone)),
    findings(record), tiles(record, history), summary(run), curves.html(history),
    run.sections and run:sections() or "", answers(run), data_table(record),
    options_table(record.options),
    "</body></html>" }
  core.system.write(run:path("report.html"), table.concat(page, "\n") .. "\n")
end

return report
