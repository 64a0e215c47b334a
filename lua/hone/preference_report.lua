-- preference_report: what a run of hone.preference adds to its report: the test part, and
-- rows that were left out.
local core = require "hone.core"
local svg = require "hone.svg"
local text = require "hone.text"

local function figures(tested)
  if not tested or tested == core.null then return "" end
  local names, rows = {}, {}
  for name, value in pairs(tested) do
    if type(value) == "number" then names[#names + 1] = name end
  end
  table.sort(names)
  for i, name in ipairs(names) do
    rows[i] = ("<tr><td>%s</td><td>%s</td></tr>"):format(svg.escape(name),
      text.number(tested[name]))
  end
  return "<h2>On the test part</h2><table>" .. table.concat(rows, "\n") .. "</table>"
end

-- Rows, what they gave, and why some gave nothing.
local function rows_table(data)
  local rows = { "<tr><th>part</th><th>rows</th><th>pairs</th><th>verdicts</th><th>ties</th>" ..
                 "<th>left out</th></tr>" }
  for _, part in ipairs { "train", "validation", "test" } do
    local encoded = data[part] and data[part].encoded
    local read, words = encoded and encoded.preferences, {}
    if read then
      for reason, d in pairs(read.dropped) do
        words[#words + 1] = ("%s %s (%s)"):format(text.integer(d.count), reason,
                                                  table.concat(d.examples, ", "))
      end
      table.sort(words)
      rows[#rows + 1] = ("<tr><td>%s</td><td>%d</td><td>%d</td><td>%d</td><td>%d</td>" ..
        "<td>%s</td></tr>"):format(part, read.rows, read.pairs, read.verdicts, read.ties,
        svg.escape(table.concat(words, "; ")))
    end
  end
  return "<h2>Preferences</h2><table>" .. table.concat(rows, "\n") .. "</table>"
end

return function(run)
  return figures(run.record.tested) .. rows_table(run.record.data or {})
end
