-- preference_report: what a run of hone.preference adds to its report: curves of margin,
-- accuracy, rewards and log-probabilities; the test part; rows that were left out.
local core = require "hone.core"
local svg = require "hone.svg"
local text = require "hone.text"

local function points(history, key)
  local list = {}
  for _, line in ipairs(history) do
    if type(line[key]) == "number" then list[#list + 1] = { line.step, line[key] } end
  end
  return list
end

-- Both parts of some statistics in one chart.
local function chart(history, title, names)
  local series = {}
  for _, name in ipairs(names) do
    local word = #names > 1 and (name:match "_(%w+)$" .. ", ") or ""
    local validation = points(history, "validation_" .. name)
    series[#series + 1] = { name = word .. "training", points = points(history, name) }
    if #validation > 0 then
      series[#series + 1] = { name = word .. "validation", points = validation, dots = true }
    end
  end
  return svg.chart { title = title, x = "step", series = series }
end

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
  local history = run:history()
  return '<div class="charts">' .. table.concat({
    chart(history, "margin of rewards, chosen less rejected", { "margin" }),
    chart(history, "accuracy: share with a margin above 0", { "accuracy" }),
    chart(history, "rewards", { "reward_chosen", "reward_rejected" }),
    chart(history, "log-probabilities of answers, nats", { "logp_chosen", "logp_rejected" }),
  }, "\n") .. "</div>" .. figures(run.record.tested) .. rows_table(run.record.data or {})
end
