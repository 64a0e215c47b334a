-- report_quality: one page of what checks, aggregation and audits found, which needs
-- nothing else: agreement, annotators, confusion, gold, drift, gaps, position and
-- length, the pool against its target, what was left out and what that changed.
--   checked:report("trust.html"), labels:report(...), audit:report(...)
local core = require "hone.core"
local figures = require "hone.svg_figures"
local object = require "hone.object"
local options = require "hone.options"
local svg = require "hone.svg"
local text = require "hone.text"

local report = {}
local escape = svg.escape

local style = [[
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2430; --soft: #5b6573; --grid: #e6e8eb;
  --mark: #2f6fde; --bad: #c3352b }
@media (prefers-color-scheme: dark) { :root { --paper: #14171c; --ink: #e4e7eb; --soft: #9aa4b2;
  --grid: #2b3038; --mark: #6d9bf1; --bad: #ef7a70 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 960px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em; margin-bottom: 0 } h2 { font-size: 1.15em; margin-top: 2em }
h3 { font-size: 1em }
.lead, .note { color: var(--soft); margin-top: .2em } .bad { color: var(--bad) }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .35em .8em .35em 0;
  border-bottom: 1px solid var(--grid); overflow-wrap: break-word }
th { color: var(--soft); font-weight: 500 }
table.matrix { width: auto } .matrix td, .matrix th { text-align: right; padding: .35em .8em }
.scroll { overflow-x: auto }
svg { width: 100%; max-width: 760px; height: auto; display: block; margin: 1em 0 }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft) }
svg text.title { font-size: 13px; fill: var(--ink) } svg line { stroke: var(--grid) }
svg line.zero { stroke: var(--soft) }]]

--- For pages that look alike.
report.style = style

local function is(value) return value ~= nil and value ~= core.null end
local function number(value) return type(value) == "number" and value or nil end
local function list_of(value) return type(value) == "table" and value or {} end

local function row(tag, ...)
  local cells = {}
  for i, cell in ipairs { ... } do cells[i] = ("<%s>%s</%s>"):format(tag, cell, tag) end
  return "<tr>" .. table.concat(cells) .. "</tr>"
end

local function table_of(head, rows)
  if #rows == 0 then return "" end
  return ('<div class="scroll"><table>%s%s</table></div>'):format(row("th", table.unpack(head)),
                                                                   table.concat(rows, "\n"))
end

local function section(title, parts)
  return #parts > 0 and ("<h2>%s</h2>%s"):format(title, table.concat(parts, "\n")) or ""
end

local function note_of(words)
  return #words > 0 and ('<p class="note">%s</p>'):format(escape(table.concat(words, "; "))) or ""
end

-- A row of whiskers; interval may be absent. more: note, bad.
local function whisker(name, value, interval, more)
  local ends = list_of(interval)
  return { name = tostring(name), value = value, low = number(ends[1]), high = number(ends[2]),
           note = more.note, bad = more.bad }
end

local function sorted(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function titled(name) return name ~= "" and ("<h3>%s</h3>"):format(escape(name)) or "" end

-- ---- checks ----

-- What has a value and an interval in a result: agreement by method.
local function estimates(part)
  local rows, undefined = {}, {}
  for _, check in ipairs(part.checks) do
    for _, key in ipairs(sorted(check.result or {})) do
      local one = check.result[key]
      if key == "floor" then
        one = nil -- the value of another, with its verdict
      end
      if type(one) == "table" and number(one.value) then
        rows[#rows + 1] = whisker(key, one.value, one.interval, { note = text.number(one.value) })
      elseif type(one) == "table" and type(one.undefined) == "string" then
        undefined[#undefined + 1] = ("%s: undefined (%s)"):format(key,
          is(one.why) and one.why or one.undefined)
      end
    end
  end
  return rows, undefined
end

local function agreement(checked)
  local out = {}
  for _, name in ipairs(sorted(checked.parts)) do
    local rows, undefined = estimates(checked.parts[name])
    if #rows + #undefined > 0 then
      local drawn = figures.whiskers { title = "agreement, with intervals", rows = rows, zero = 0 }
      out[#out + 1] = titled(name) .. drawn .. note_of(undefined)
    end
  end
  return section("Agreement", out)
end

local function verdict(check)
  if check.problem then return "does not apply" end
  local word = require "hone.checked".verdict(check.result)
  if word == nil then return "no verdict" end
  return word and "passed" or '<span class="bad">failed</span>'
end

local function said(check)
  if check.problem then return check.problem end
  local result = check.result
  if is(result.summary) then return result.summary end
  return is(result.undefined) and "undefined: " .. tostring(result.undefined) or ""
end

local function checks(checked)
  local rows = {}
  for _, name in ipairs(sorted(checked.parts)) do
    for _, check in ipairs(checked.parts[name].checks) do
      rows[#rows + 1] = row("td", escape(check.name), escape(name), verdict(check),
                            escape(said(check)))
    end
  end
  if #rows == 0 then return "" end
  return section("Checks", { table_of({ "check", "of", "verdict", "found" }, rows) })
end

-- The lowest of a list that is too long to draw.
local most = 24
local function lowest(rows, what)
  table.sort(rows, function(a, b)
    if a.value ~= b.value then return a.value < b.value end
    return a.name < b.name
  end)
  local note = ""
  if #rows > most then
    note = ('<p class="note">The %d lowest of %s.</p>'):format(most, text.count(#rows, what))
    rows = table.move(rows, 1, most, 1, {})
  end
  return rows, note
end

-- Scores that a check gives annotators: gold, speed, consistency and their like.
local function scores(check)
  local rows, telling = {}, false
  for _, a in ipairs(list_of(check.result and check.result.annotators)) do
    local value, flagged = number(a.score), a.flagged == true
    if value then
      telling = telling or flagged or type(a.interval) == "table"
      rows[#rows + 1] = whisker(a.annotator, value, a.interval,
                                { bad = flagged, note = text.number(value) })
    end
  end
  if not telling then return "" end
  local shown, note = lowest(rows, "annotator")
  local title = check.name .. ": score of annotators (flagged in red)"
  return figures.whiskers { title = title, rows = shown } .. note
end

-- Curves over time that a check gives annotators: points { x, y }.
local function curves(check)
  local series = {}
  for _, a in ipairs(list_of(check.result and check.result.annotators)) do
    local points = {}
    for _, p in ipairs(list_of(a.curve)) do
      if type(p) == "table" and number(p[1]) and number(p[2]) then
        points[#points + 1] = { p[1], p[2] }
      end
    end
    if #points > 1 then series[#series + 1] = { name = tostring(a.annotator), points = points } end
  end
  return svg.chart { title = check.name .. " of flagged annotators", x = "judgement",
                     series = table.move(series, 1, math.min(4, #series), 1, {}) }
end

local function scored(checked)
  local out = {}
  for _, name in ipairs(sorted(checked.parts)) do
    for _, check in ipairs(checked.parts[name].checks) do
      local drawn = scores(check) .. curves(check)
      if drawn ~= "" then out[#out + 1] = titled(name) .. drawn end
    end
  end
  return section("Annotators by check", out)
end

-- ---- what was left out ----

local function changed_text(changed)
  if not changed then return nil end
  return ("%s of %s with another label, %d lost theirs, %d gained one"):format(
    text.integer(changed.other), text.count(changed.items, "item"), changed.lost, changed.gained)
end

-- What became of one table.
local function removed_words(part, labels)
  local r = part.removed
  local words = { ("%s of %s left out (flagged annotators: %s, flagged judgements: %s)."):format(
    text.integer(r.before - r.after), text.count(r.before, "judgement"), r.flagged, r.rows) }
  if #r.items > 0 then
    words[#words + 1] = ("%s without an answer now."):format(text.count(#r.items, "item"))
  end
  local was, now = list_of(list_of(r.agreement).before), list_of(list_of(r.agreement).after)
  if was.krippendorff and now.krippendorff then
    words[#words + 1] = ("Krippendorff's alpha went from %.4f to %.4f."):format(was.krippendorff,
                                                                               now.krippendorff)
  end
  for _, key in ipairs(labels and labels:names() or {}) do
    local one = labels[key]
    local what = one.part == part and changed_text(one.changed)
    if what then words[#words + 1] = ("%s: %s."):format(one.plugin.name, what) end
  end
  return table.concat(words, " ")
end

local function removed(checked, labels)
  local out = {}
  for _, name in ipairs(sorted(checked.parts)) do
    local part, rows = checked.parts[name], {}
    for i, a in ipairs(part.removed.annotators) do
      rows[i] = row("td", escape(a.annotator), text.integer(a.judgements),
                    escape(table.concat(a.reasons, "; ")))
    end
    out[#out + 1] = ("%s<p>%s</p>%s"):format(titled(name), escape(removed_words(part, labels)),
      table_of({ "annotator", "judgements", "reasons" }, rows))
  end
  return section("What was left out, and what that changed", out)
end

-- ---- labels ----

local function skills(labels)
  local rows = {}
  for _, a in labels:each "annotators" do
    local value = number(a.skill)
    if value then
      local answers = number(a.answers) and math.tointeger(a.answers)
      rows[#rows + 1] = whisker(a.name, value, { a.skill_low, a.skill_high },
                                { note = answers and text.count(answers, "answer") })
    end
  end
  local shown, note = lowest(rows, "annotator")
  local title = "skill of annotators by " .. labels.plugin.name
  return figures.whiskers { title = title, rows = shown } .. note
end

local function strengths(labels)
  local rows = {}
  for _, option in labels:each "options" do
    if number(option.strength) then
      rows[#rows + 1] = whisker(option.name, option.strength,
        { option.strength_low, option.strength_high }, { note = text.number(option.strength) })
    end
  end
  table.sort(rows, function(a, b) return a.value > b.value end)
  local note = note_of(#rows > most and { ("the first %d of %d"):format(most, #rows) } or {})
  local shown = table.move(rows, 1, math.min(most, #rows), 1, {})
  local title = "strength of options by " .. labels.plugin.name
  return figures.whiskers { title = title, rows = shown, zero = 0 } .. note
end

-- The mean of annotators' confusion, by how much they answered.
local function confusion(labels)
  local names = labels.judgements:names "labels"
  local n, sums, total = #names, {}, 0
  for _, a in labels:each "annotators" do
    local cells, weight = a.confusion, number(a.answers) or 1
    if type(cells) == "table" and #cells == n * n and number(cells[1]) then
      for i = 1, n * n do sums[i] = (sums[i] or 0) + weight * (number(cells[i]) or 0) end
      total = total + weight
    end
  end
  if total == 0 or n > 20 then return "" end
  local cells = {}
  for i = 1, n do
    cells[i] = {}
    for j = 1, n do cells[i][j] = sums[(i - 1) * n + j] / total end
  end
  return note_of { "confusion: what annotators say (columns) of what is so (rows), on average" } ..
    figures.matrix { rows = names, columns = names, cells = cells, corner = "" }
end

local function labels_section(labels)
  local out = {}
  for _, key in ipairs(labels:names()) do
    local one = labels[key]
    out[#out + 1] = titled(tostring(one):match "[^\n]*") .. skills(one) .. strengths(one) ..
      confusion(one)
  end
  return section("Consensus", out)
end

-- ---- bias ----

-- Why a finding has no single effect.
local function why_not(f)
  if f.problem then return f.problem end
  local r = f.result
  return is(r.why) and r.why or is(r.undefined) and tostring(r.undefined) or "no single effect"
end

local function text_of(value) return number(value) and text.number(value) or "" end

local function gaps(audit)
  local rows, out, undefined = {}, {}, {}
  for _, f in ipairs(audit.findings) do
    local r = f.result or {}
    local name = f.detector .. (f.table ~= "" and " (" .. f.table .. ")" or "")
    if number(r.effect) then
      rows[#rows + 1] = whisker(name, r.effect, r.interval,
        { bad = f.holds, note = f.corrected and "p " .. text.number(f.corrected) })
      out[#out + 1] = row("td", escape(name), text.number(r.effect), text_of(f.corrected),
        text_of(r.n), text_of(r.mde), f.holds and '<span class="bad">holds</span>' or "")
    else
      undefined[#undefined + 1] = ("%s: %s"):format(name, why_not(f))
    end
  end
  local title = "effects, with intervals; those that hold in red"
  local head = { "detector", "effect", "corrected p", "n", "smallest effect it could show", "" }
  return section("Gaps", { figures.whiskers { title = title, rows = rows, zero = 0 },
                           table_of(head, out), note_of(undefined) })
end

-- The whisker of an entry of a finding's list: a group, a pair of groups, an annotator.
local function entry(one)
  if type(one) ~= "table" then return nil end
  local value = number(one.effect) or number(one.share)
  local name = one.group or one.annotator or one.part
  if not name and one.first and one.second then
    name = ("%s against %s"):format(one.first, one.second)
  end
  if not value or not name then return nil end
  return whisker(name, value, one.interval, { note = number(one.n) and "n " .. text.number(one.n) })
end

-- What a finding has by group, by pair of groups, and by annotator, as a plot each.
local function details(f)
  local out = {}
  for _, key in ipairs { "groups", "comparisons", "parts", "annotators" } do
    local rows = {}
    for _, one in ipairs(list_of(f.result[key])) do rows[#rows + 1] = entry(one) end
    local shown, note = lowest(rows, key == "annotators" and "annotator" or "row")
    local title = ("%s: %s"):format(f.detector, key)
    local zero = key == "annotators" and 0.5 or 0
    out[#out + 1] = figures.whiskers { title = title, rows = shown, zero = zero } .. note
  end
  return table.concat(out, "\n")
end

-- Figures of position and length, by name.
local function effects(audit)
  local out, others = {}, {}
  local named = { position = true, length = true, format = true }
  for _, f in ipairs(audit.findings) do
    if f.result and named[f.detector] then
      local rows = {}
      for _, key in ipairs(sorted(f.result)) do
        local value = text_of(f.result[key])
        if value ~= "" then rows[#rows + 1] = row("td", escape(key), value) end
      end
      out[#out + 1] = titled(f.detector) .. table_of({ "figure", "value" }, rows) .. details(f)
    elseif f.result then
      others[#others + 1] = details(f)
    end
  end
  return table.concat(others, "\n") .. section("Position and length", out)
end

local function pool(t)
  local rows = {}
  for i, g in ipairs(t.pool) do
    rows[i] = row("td", escape(g.group), text.integer(g.judgements),
      ("%.1f %%"):format(100 * g.share), ("%.1f %%"):format(100 * g.target),
      ("%.2f"):format(g.factor))
  end
  return ("<h3>The pool by %s, against its target</h3>"):format(escape(t.attribute)) ..
    table_of({ "group", "judgements", "share", "target", "weight" }, rows) ..
    note_of { ("%s count as %s (Kish)"):format(text.count(t.judgements, "judgement"),
                                               text.number(t.effective)),
              ("%d by annotators without a group"):format(t.unknown),
              #t.missing > 0 and "no judgements by " .. table.concat(t.missing, ", ") or nil }
end

local function mitigation(done)
  if not done then return "" end
  local out, rows = {}, {}
  for _, name in ipairs(sorted(done.tables)) do
    local t = done.tables[name]
    local words = { ("%s of %s left out"):format(text.integer(t.before - t.after),
                                                 text.count(t.before, "judgement")) }
    words[2] = changed_text(t.changed)
    out[#out + 1] = ("%s<p>%s</p>"):format(titled(name), escape(table.concat(words, "; ")))
    if t.reweighed then out[#out + 1] = pool(t.reweighed) end
  end
  for _, e in ipairs(done.effects) do
    if number(e.before) and number(e.after) then
      rows[#rows + 1] = row("td", escape(e.detector),
        text.number(e.before) .. (e.holds_before and ", holds" or ""),
        text.number(e.after) .. (e.holds and ", holds" or ""))
    end
  end
  out[#out + 1] = table_of({ "detector", "effect before", "after" }, rows)
  return section("Mitigation", out)
end

local function disagreement(records)
  if not records then return "" end
  local counts, rows, words = {}, {}, {}
  for _, r in ipairs(records) do counts[r.cause] = (counts[r.cause] or 0) + 1 end
  for i, cause in ipairs(sorted(counts)) do words[i] = ("%s %d"):format(cause, counts[cause]) end
  for i = 1, math.min(most, #records) do
    local r = records[i]
    local cause = r.cause .. (r.by and ", decided by " .. r.by or "")
    rows[i] = row("td", escape(r.item), escape(cause), escape(r.why))
  end
  local lead = ("<p>%s disputed: %s.</p>"):format(text.count(#records, "item"),
                                                  table.concat(words, ", "))
  return section("Disagreement", { lead, table_of({ "item", "cause", "why" }, rows) })
end

-- ---- the page ----

local schema = {
  { "title", "string", default = "Can these labels be trusted?", doc = "of the page" },
  { "checked", "any", doc = "what judgements:check gave" },
  { "labels", "any", doc = "what :aggregate gave" },
  { "audit", "any", doc = "what hone.bias.audit gave" },
  { "causes", "any", doc = "what labels:adjudicate gave" },
}

local function lead(checked, labels)
  local words = {}
  for _, name in ipairs(sorted(checked and checked.parts or {})) do
    local prefix = name ~= "" and name .. ": " or ""
    words[#words + 1] = prefix .. tostring(checked.parts[name].judgements)
  end
  if #words == 0 and labels then
    for i, key in ipairs(labels:names()) do words[i] = tostring(labels[key].judgements) end
  end
  return table.concat(words, "; ")
end

--- Write the page; found and given: checked, labels, audit, causes.
function report.write(path, found, given)
  if type(path) ~= "string" then core.fail("report: takes the path of a file") end
  local o = options.check("report", schema, given)
  for key, value in pairs(found) do o[key] = o[key] or value end
  if object(o.labels) == "hone.labels" then
    o.labels = require "hone.labels".set { [o.labels.name] = o.labels }
  end
  local page = { "<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    ("<title>%s</title><style>%s</style></head><body>"):format(escape(o.title), style),
    ('<h1>%s</h1><p class="lead">%s</p>'):format(escape(o.title),
                                                  escape(lead(o.checked, o.labels))) }
  if o.checked then
    page[#page + 1] = agreement(o.checked) .. checks(o.checked) .. scored(o.checked)
  end
  if o.labels then page[#page + 1] = labels_section(o.labels) end
  page[#page + 1] = disagreement(o.causes)
  if o.audit then
    page[#page + 1] = gaps(o.audit) .. effects(o.audit) .. mitigation(o.audit.mitigation)
  end
  if o.checked then page[#page + 1] = removed(o.checked, o.labels) end
  page[#page + 1] = "</body></html>"
  core.system.write(path, table.concat(page, "\n") .. "\n")
  return path
end

return report
