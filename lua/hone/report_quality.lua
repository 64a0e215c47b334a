-- report_quality: one page of what checks, aggregation and audits found, which needs
-- nothing else: agreement, annotators, confusion, gold, drift, gaps, position and
-- length, the pool against its target, what was left out and what that changed.
--   checked:report("trust.html"), labels:report(...), audit:report(...)
local core = require "hone.core"
local figures = require "hone.svg_figures"
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
h1 { font-size: 1.5em; margin-bottom: 0 } h2 { font-size: 1.15em; margin-top: 2em } h3 { font-size: 1em }
.lead, .note { color: var(--soft); margin-top: .2em } .bad { color: var(--bad) }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .35em .8em .35em 0;
  border-bottom: 1px solid var(--grid); overflow-wrap: anywhere }
th { color: var(--soft); font-weight: 500 }
table.matrix { width: auto } .matrix td, .matrix th { text-align: right; padding: .35em .8em }
.scroll { overflow-x: auto }
svg { width: 100%; max-width: 760px; height: auto; display: block; margin: 1em 0 }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft) }
svg text.title { font-size: 13px; fill: var(--ink) } svg line { stroke: var(--grid) }]]

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
  return '<div class="scroll"><table>' .. row("th", table.unpack(head)) .. table.concat(rows, "\n") .. "</table></div>"
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
        local interval = list_of(one.interval)
        rows[#rows + 1] = { name = key, value = one.value, low = number(interval[1]), high = number(interval[2]),
                            note = text.number(one.value) }
      elseif type(one) == "table" and type(one.undefined) == "string" then
        undefined[#undefined + 1] = ("%s: undefined (%s)"):format(key, is(one.why) and one.why or one.undefined)
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
      out[#out + 1] = titled(name) .. figures.whiskers { title = "agreement, with intervals", rows = rows, zero = 0 }
      if #undefined > 0 then out[#out + 1] = ('<p class="note">%s</p>'):format(escape(table.concat(undefined, "; "))) end
    end
  end
  return #out > 0 and "<h2>Agreement</h2>" .. table.concat(out, "\n") or ""
end

local function verdict(check)
  if check.problem then return "does not apply" end
  local word = require "hone.checked".verdict(check.result)
  return word == true and "passed" or word == false and '<span class="bad">failed</span>' or "no verdict"
end

local function checks(checked)
  local rows = {}
  for _, name in ipairs(sorted(checked.parts)) do
    for _, check in ipairs(checked.parts[name].checks) do
      local said = check.problem or (is(check.result.summary) and check.result.summary)
        or (is(check.result.undefined) and "undefined: " .. tostring(check.result.undefined)) or ""
      rows[#rows + 1] = row("td", escape(check.name), escape(name), verdict(check), escape(said))
    end
  end
  return #rows > 0 and "<h2>Checks</h2>" .. table_of({ "check", "of", "verdict", "found" }, rows) or ""
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
    local interval = list_of(a.interval)
    local value = number(a.score)
    if value then
      telling = telling or a.flagged == true or number(interval[1]) ~= nil
      rows[#rows + 1] = { name = tostring(a.annotator), value = value, low = number(interval[1]),
                          high = number(interval[2]), bad = a.flagged == true, note = text.number(value) }
    end
  end
  if not telling then return "" end
  local shown, note = lowest(rows, "annotator")
  return figures.whiskers { title = check.name .. ": score of annotators (flagged in red)", rows = shown } .. note
end

-- Curves over time that a check gives annotators: points { x, y }.
local function curves(check)
  local series = {}
  for _, a in ipairs(list_of(check.result and check.result.annotators)) do
    local points = {}
    for i, p in ipairs(list_of(a.curve)) do
      points[#points + 1] = type(p) == "table" and { number(p[1]) or i, number(p[2]) or 0 } or { i, number(p) or 0 }
    end
    if #points > 1 then
      series[#series + 1] = { name = tostring(a.annotator), points = points, flagged = a.flagged == true }
    end
  end
  table.sort(series, function(a, b) return a.flagged and not b.flagged end)
  return svg.chart { title = check.name .. ", flagged annotators first", x = "judgement",
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
  return #out > 0 and "<h2>Annotators by check</h2>" .. table.concat(out, "\n") or ""
end

-- ---- what was left out ----

local function changed_text(changed)
  if not changed then return nil end
  return ("%s of %s with another label, %d lost theirs, %d gained one"):format(
    text.integer(changed.other), text.count(changed.items, "item"), changed.lost, changed.gained)
end

local function removed(checked, labels)
  local out = {}
  for _, name in ipairs(sorted(checked.parts)) do
    local r, rows = checked.parts[name].removed, {}
    for _, a in ipairs(r.annotators) do
      rows[#rows + 1] = row("td", escape(a.annotator), text.integer(a.judgements), escape(table.concat(a.reasons, "; ")))
    end
    local words = { ("%s of %s left out (flagged annotators: %s, flagged judgements: %s)."):format(
      text.integer(r.before - r.after), text.count(r.before, "judgement"), tostring(r.flagged), tostring(r.rows)) }
    if #r.items > 0 then words[#words + 1] = text.count(#r.items, "item") .. " have no answer now." end
    local a = r.agreement
    if a and a.before and a.after and a.before.krippendorff and a.after.krippendorff then
      words[#words + 1] = ("Krippendorff's alpha went from %.4f to %.4f."):format(a.before.krippendorff, a.after.krippendorff)
    end
    for _, key in ipairs(labels and labels:names() or {}) do
      local one = labels[key]
      local what = one.part == checked.parts[name] and changed_text(one.changed)
      if what then words[#words + 1] = ("%s: %s."):format(one.plugin.name, what) end
    end
    out[#out + 1] = titled(name) .. ("<p>%s</p>"):format(escape(table.concat(words, " "))) ..
      table_of({ "annotator", "judgements", "reasons" }, rows)
  end
  return "<h2>What was left out, and what that changed</h2>" .. table.concat(out, "\n")
end

-- ---- labels ----

local function skills(labels)
  local rows, none = {}, 0
  for _, a in labels:each "annotators" do
    local value = number(a.skill)
    none = none + (value and 0 or 1)
    if value then
      rows[#rows + 1] = { name = a.name, value = value, low = number(a.skill_low), high = number(a.skill_high),
                          note = number(a.answers) and text.count(math.tointeger(a.answers) or a.answers, "answer") }
    end
  end
  local shown, note = lowest(rows, "annotator")
  return figures.whiskers { title = "skill of annotators by " .. labels.plugin.name, rows = shown } .. note
end

local function strengths(labels)
  local rows = {}
  for _, option in labels:each "options" do
    if number(option.strength) then
      rows[#rows + 1] = { name = option.name, value = option.strength, low = number(option.strength_low),
                          high = number(option.strength_high), note = text.number(option.strength) }
    end
  end
  table.sort(rows, function(a, b) return a.value > b.value end)
  local note = #rows > most and ('<p class="note">The first %d of %d.</p>'):format(most, #rows) or ""
  return figures.whiskers { title = "strength of options by " .. labels.plugin.name,
                            rows = table.move(rows, 1, math.min(most, #rows), 1, {}), zero = 0 } .. note
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
  return '<p class="note">Confusion: what annotators say (columns) of what is so (rows), on average.</p>' ..
    figures.matrix { rows = names, columns = names, cells = cells, corner = "" }
end

local function labels_section(labels)
  local out = {}
  for _, key in ipairs(labels:names()) do
    local one = labels[key]
    out[#out + 1] = ("<h3>%s</h3>"):format(escape(tostring(one):match "[^\n]*")) .. skills(one) .. strengths(one) ..
      confusion(one)
  end
  return #out > 0 and "<h2>Consensus</h2>" .. table.concat(out, "\n") or ""
end

-- ---- bias ----

local function gaps(audit)
  local rows, out, undefined = {}, {}, {}
  for _, f in ipairs(audit.findings) do
    local r = f.result
    local name = f.detector .. (f.table ~= "" and " (" .. f.table .. ")" or "")
    if r and number(r.effect) then
      local interval = list_of(r.interval)
      rows[#rows + 1] = { name = name, value = r.effect, low = number(interval[1]), high = number(interval[2]),
                          bad = f.holds, note = f.corrected and "p " .. text.number(f.corrected) or nil }
      out[#out + 1] = row("td", escape(name), text.number(r.effect), f.corrected and text.number(f.corrected) or "",
        number(r.n) and text.number(r.n) or "", number(r.mde) and text.number(r.mde) or "",
        f.holds and '<span class="bad">holds</span>' or "")
    else
      undefined[#undefined + 1] = ("%s: %s"):format(name, f.problem or r and is(r.why) and r.why or
        r and is(r.undefined) and tostring(r.undefined) or "no single effect")
    end
  end
  local note = #undefined > 0 and ('<p class="note">%s</p>'):format(escape(table.concat(undefined, "; "))) or ""
  return "<h2>Gaps</h2>" .. figures.whiskers { title = "effects, with intervals; those that hold in red",
                                               rows = rows, zero = 0 } ..
    table_of({ "detector", "effect", "corrected p", "n", "smallest effect it could show", "" }, out) .. note
end

-- What a finding has by group, by pair of groups, and by annotator, as a plot each.
local function details(f)
  local out = {}
  for _, key in ipairs { "groups", "comparisons", "parts", "annotators" } do
    local rows = {}
    for _, one in ipairs(list_of(f.result[key])) do
      if type(one) == "table" then
        local share = number(one.share)
        local value, interval = number(one.effect) or share, list_of(one.interval)
        local name = one.group or one.annotator or one.part or one.first and one.second and
          ("%s against %s"):format(one.first, one.second)
        if value and name then
          rows[#rows + 1] = { name = tostring(name), value = value, low = number(interval[1]),
                              high = number(interval[2]), note = number(one.n) and "n " .. text.number(one.n) }
        end
      end
    end
    local shown, note = lowest(rows, key == "annotators" and "annotator" or "row")
    local half = key == "annotators" and 0.5 or 0
    out[#out + 1] = figures.whiskers { title = ("%s: %s"):format(f.detector, key), rows = shown, zero = half } .. note
  end
  return table.concat(out, "\n")
end

-- Figures of position and length, by name.
local function effects(audit)
  local out, others = {}, {}
  for _, f in ipairs(audit.findings) do
    if f.result and (f.detector == "position" or f.detector == "length" or f.detector == "format") then
      local rows = {}
      for _, key in ipairs(sorted(f.result)) do
        local value = f.result[key]
        if type(value) == "number" then rows[#rows + 1] = row("td", escape(key), text.number(value)) end
      end
      out[#out + 1] = titled(f.detector) .. table_of({ "figure", "value" }, rows) .. details(f)
    elseif f.result then
      others[#others + 1] = details(f)
    end
  end
  return table.concat(others, "\n") ..
    (#out > 0 and "<h2>Position and length</h2>" .. table.concat(out, "\n") or "")
end

local function mitigation(done)
  if not done then return "" end
  local out = { "<h2>Mitigation</h2>" }
  for _, name in ipairs(sorted(done.tables)) do
    local t = done.tables[name]
    out[#out + 1] = titled(name) .. ("<p>%s of %s left out%s</p>"):format(text.integer(t.before - t.after),
      text.count(t.before, "judgement"), t.changed and "; " .. escape(changed_text(t.changed)) or "")
    if t.reweighed then
      local rows = {}
      for i, g in ipairs(t.reweighed.pool) do
        rows[i] = row("td", escape(g.group), text.integer(g.judgements), ("%.1f %%"):format(100 * g.share),
                      ("%.1f %%"):format(100 * g.target), ("%.2f"):format(g.factor))
      end
      out[#out + 1] = ("<h3>The pool by %s, against its target</h3>"):format(escape(t.reweighed.attribute)) ..
        table_of({ "group", "judgements", "share", "target", "weight" }, rows) ..
        ('<p class="note">%s count as %s (Kish); %d by annotators without a group.</p>'):format(
          text.count(t.reweighed.judgements, "judgement"), text.number(t.reweighed.effective), t.reweighed.unknown)
    end
  end
  local rows = {}
  for _, e in ipairs(done.effects) do
    if number(e.before) and number(e.after) then
      rows[#rows + 1] = row("td", escape(e.detector), text.number(e.before) .. (e.holds_before and ", holds" or ""),
                            text.number(e.after) .. (e.holds and ", holds" or ""))
    end
  end
  return table.concat(out, "\n") .. table_of({ "detector", "effect before", "after" }, rows)
end

local function disagreement(records)
  if not records then return "" end
  local counts, rows = {}, {}
  for _, r in ipairs(records) do counts[r.cause] = (counts[r.cause] or 0) + 1 end
  local words = {}
  for i, cause in ipairs(sorted(counts)) do words[i] = ("%s %d"):format(cause, counts[cause]) end
  for i = 1, math.min(most, #records) do
    local r = records[i]
    rows[i] = row("td", escape(r.item), r.cause .. (r.by and ", decided by " .. escape(r.by) or ""), escape(r.why))
  end
  return ("<h2>Disagreement</h2><p>%s disputed: %s.</p>"):format(text.count(#records, "item"), table.concat(words, ", ")) ..
    table_of({ "item", "cause", "why" }, rows)
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
    words[#words + 1] = (name ~= "" and name .. ": " or "") .. tostring(checked.parts[name].judgements)
  end
  if #words == 0 and labels then
    for _, key in ipairs(labels:names()) do words[#words + 1] = tostring(labels[key].judgements) end
  end
  return table.concat(words, "; ")
end

--- Write the page; found and given: checked, labels, audit, causes.
function report.write(path, found, given)
  if type(path) ~= "string" then core.fail("report: takes the path of a file") end
  local o = options.check("report", schema, given)
  for key, value in pairs(found) do o[key] = o[key] or value end
  local object = require "hone.object"
  if object(o.labels) == "hone.labels" then o.labels = require "hone.labels".set { [o.labels.name] = o.labels } end
  local page = { "<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    ("<title>%s</title><style>%s</style></head><body>"):format(escape(o.title), style),
    ('<h1>%s</h1><p class="lead">%s</p>'):format(escape(o.title), escape(lead(o.checked, o.labels))) }
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
