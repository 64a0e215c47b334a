-- report_answers: what a model said before and after, side by side, with what the reward,
-- its parts and the metrics say of it. Files: see answers.lua.
local core = require "hone.core"
local files = require "hone.files"
local svg = require "hone.svg"
local text = require "hone.text"

local escape = svg.escape

local function is(value) return value ~= nil and value ~= core.null end

-- Names of scores: the reward, its parts, metrics; older files have no order.
local function names_of(collected)
  if is(collected.order) and #collected.order > 0 then return collected.order end
  local names = {}
  for name in pairs(collected.metrics) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function shown(value) return is(value) and text.number(value) or "none" end

-- What each metric says of all the answers before and after.
local function means(before, after, names)
  local rows = {}
  for _, name in ipairs(names) do
    local b, a = before.metrics[name], after.metrics[name]
    if a then
      rows[#rows + 1] = ("<tr><td>%s</td><td>%s</td><td>%s</td><td>%d, %d</td></tr>"):format(
        escape(name), shown(b and b.mean), shown(a.mean), a.na, a.failed)
    end
  end
  if #rows == 0 then return "" end
  return "<table><tr><th>mean</th><th>before</th><th>after</th><th>not applicable, failed</th>" ..
    "</tr>" .. table.concat(rows, "\n") .. "</table>"
end

-- Scores of an answer; of the reward, which way it went from what it was: whether more of
-- another score is better, nobody has said.
local function chips(scores, names, was)
  local out = {}
  for _, name in ipairs(names) do
    local x, y = scores[name], was and was[name]
    local way = ""
    if name == "reward" and type(x) == "number" and type(y) == "number" and x ~= y then
      way = x > y and " up" or " down"
    end
    out[#out + 1] = ('<span class="chip%s">%s <strong>%s</strong></span>'):format(way,
      escape(name), shown(x))
  end
  return '<p class="chips">' .. table.concat(out) .. "</p>"
end

local function side(title, said, below)
  return ('<div><h4>%s</h4><div class="said">%s</div>%s</div>'):format(title, escape(said), below)
end

local function card(b, a, names)
  local parts = { ('<div class="card"><div class="prompt">%s</div><div class="sides">'):format(
    escape(a.prompt)) }
  if b then parts[#parts + 1] = side("before", b.response, chips(b.scores, names)) end
  parts[#parts + 1] = side(b and "after" or "answer", a.response,
    chips(a.scores, names, b and b.scores))
  if is(a.reference) and a.reference ~= "" then
    parts[#parts + 1] = side("reference", a.reference, "")
  end
  parts[#parts + 1] = "</div></div>"
  return table.concat(parts)
end

--- The section of a run; "" where no answers were kept.
return function(run)
  local function read(when)
    local path = run:path(("samples-%s.json"):format(when))
    return files.exists(path) and core.json.read(path) or { samples = {}, metrics = {} }
  end
  local before, after = read "before", read "after"
  if #after.samples == 0 then return "" end
  local names, cards = names_of(after), {}
  for i, a in ipairs(after.samples) do cards[i] = card(before.samples[i], a, names) end
  return "<h2>Answers</h2>" .. means(before, after, names) .. table.concat(cards, "\n")
end
