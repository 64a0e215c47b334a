-- summary: the figures of a reward model (figures.lua) as a sentence and in reports.
local svg = require "hone.svg"
local text = require "hone.text"

local summary = {}

local function percent(x) return ("%.1f %%"):format(100 * x) end

--- A sentence of a part's figures.
function summary.text(self)
  local words = { ("loss %.4f"):format(self.loss) }
  if self.pairs then
    if self.pairs == 0 then return ("%s: no pair that is no tie"):format(self.name) end
    words[2] = ("accuracy %s%s, margin %s, calibration error %.3f, longer %s, shorter %s"):format(
      percent(self.accuracy), self.accuracy_se and
        (" (se %.1f)"):format(100 * self.accuracy_se) or "", text.number(self.margin), self.ece,
      percent(self.longer), percent(self.shorter))
  elseif self.accuracy then
    words[2] = ("accuracy %.1f %%"):format(100 * self.accuracy)
  end
  local names = {}
  for name in pairs(self.metrics or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local m = self.metrics[name]
    words[#words + 1] = ("%s: correlation %s, error %s"):format(name,
      m.correlation and text.number(m.correlation) or "none",
      m.error and text.number(m.error) or "none")
  end
  return ("%s: %s (%s)"):format(self.name, table.concat(words, ", "), self.pairs and
    text.count(self.pairs, "pair") or text.count(self.texts, "text"))
end

local meta = { __name = "hone.evaluation", __tostring = summary.text }

--- Figures that print as a sentence.
function summary.of(found) return setmetatable(found, meta) end

local function reliability_chart(found, name)
  local points = {}
  for _, b in ipairs(found.reliability) do
    if b.pairs > 0 then points[#points + 1] = { 100 * b.probability, 100 * b.right } end
  end
  return svg.chart { title = ("%s: pairs ordered right, %%, by the probability said"):format(name),
    x = "%", series = { { name = "right", points = points, dots = true },
                        { name = "calibrated", points = { { 50, 50 }, { 100, 100 } } } } }
end

local function row(tag, ...)
  local cells = {}
  for i, cell in ipairs { ... } do cells[i] = ("<%s>%s</%s>"):format(tag, cell, tag) end
  return "<tr>" .. table.concat(cells) .. "</tr>"
end

--- Its part of a report; record: run.json.
function summary.sections(record)
  local rows, charts = {}, {}
  for _, part in ipairs { "validated", "tested" } do
    local f = record[part]
    if type(f) == "table" and f.pairs and f.pairs > 0 then
      rows[#rows + 1] = row("td", f.name, percent(f.accuracy), text.number(f.margin),
        ("%.3f"):format(f.ece), percent(f.longer), percent(f.shorter), text.integer(f.pairs))
      charts[#charts + 1] = reliability_chart(f, f.name)
    elseif type(f) == "table" then
      rows[#rows + 1] = ('<tr><td colspan="7">%s</td></tr>'):format(svg.escape(summary.text(f)))
    end
  end
  if #rows == 0 then return "" end
  return "<h2>How good the scores are</h2><table>" .. row("th", "part", "accuracy", "margin",
      "calibration error", "longer is better", "shorter is better", "pairs") ..
    table.concat(rows) .. '</table><div class="charts">' .. table.concat(charts) .. "</div>"
end

return summary
