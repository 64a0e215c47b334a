-- svg_figures: whiskers and matrices, drawn without help; colours are the page's
-- (--ink, --soft, --grid, --mark, --bad), so that it may be light or dark.
local svg = require "hone.svg"
local text = require "hone.text"

local figures = {}
local escape = svg.escape

local width, row_height, head, foot = 640, 20, 28, 22

local function add(out, fmt, ...) out[#out + 1] = fmt:format(...) end

-- What rows and the line they are compared with span, a little more on both sides.
local function span(rows, zero)
  local low, high = zero or math.huge, zero or -math.huge
  for _, r in ipairs(rows) do
    low = math.min(low, r.low or r.value, r.value)
    high = math.max(high, r.high or r.value, r.value)
  end
  local more = high > low and 0.03 * (high - low) or math.max(0.05, 0.1 * math.abs(low))
  return low - more, high + more
end

-- The last characters give way.
local function short(name, limit)
  local n = utf8.len(name) or #name
  if n <= limit then return name end
  return name:sub(1, (utf8.offset(name, limit) or limit) - 1) .. "…"
end

local function whisker(out, r, x, y)
  local colour = r.bad and "var(--bad)" or "var(--mark)"
  if r.low and r.high then
    add(out, '<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" style="stroke:%s" stroke-width="1.5"/>',
        x(r.low), x(r.high), y, y, colour)
  end
  add(out, '<circle cx="%.1f" cy="%.1f" r="3.5" style="fill:%s"><title>%s</title></circle>',
    x(r.value), y,
      colour, escape(("%s: %s%s"):format(r.name, text.number(r.value), r.low and r.high and
        (" (%s to %s)"):format(text.number(r.low), text.number(r.high)) or "")))
end

--- o: title, rows = { { name, value, low, high, note, bad }, ... }, zero (a line);
--- "" without rows.
function figures.whiskers(o)
  if #o.rows == 0 then return "" end
  local longest, notes = 0, false
  for _, r in ipairs(o.rows) do
    longest = math.max(longest, utf8.len(short(r.name, 32)) or 0)
    notes = notes or r.note ~= nil
  end
  local left, right = 16 + 6.2 * longest, notes and 120 or 16
  local height = head + row_height * #o.rows + foot
  local low, high = span(o.rows, o.zero)
  local function x(v) return left + (v - low) / (high - low) * (width - left - right) end
  local out = {}
  add(out, '<svg viewBox="0 0 %d %d" role="img" aria-label="%s">', width, height, escape(o.title))
  add(out, '<text x="0" y="16" class="title">%s</text>', escape(o.title))
  for _, v in ipairs(svg.ticks(low, high)) do
    add(out, '<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" style="stroke:var(--grid)"/>', x(v), x(v),
      head,
        height - foot)
    add(out, '<text x="%.1f" y="%d" text-anchor="middle">%s</text>', x(v), height - foot + 15,
      text.number(v))
  end
  if o.zero then
    add(out, '<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke-dasharray="3 3" class="zero"/>',
        x(o.zero), x(o.zero), head, height - foot)
  end
  for i, r in ipairs(o.rows) do
    local y = head + row_height * (i - 0.5)
    add(out, '<text x="%.1f" y="%.1f" text-anchor="end">%s</text>', left - 8, y + 4,
      escape(short(r.name, 32)))
    whisker(out, r, x, y)
    if r.note then
      add(out, '<text x="%d" y="%.1f" text-anchor="end">%s</text>', width, y + 4, escape(r.note))
    end
  end
  out[#out + 1] = "</svg>"
  return table.concat(out, "\n")
end

--- A table whose cells are as dark as their shares: o: rows and columns (names),
--- cells[i][j] (0 to 1), corner, of rows that sum to 1.
function figures.matrix(o)
  local out = { '<table class="matrix">', ("<tr><th>%s</th>"):format(escape(o.corner)) }
  for _, name in ipairs(o.columns) do add(out, "<th>%s</th>", escape(name)) end
  out[#out + 1] = "</tr>"
  for i, name in ipairs(o.rows) do
    add(out, "<tr><th>%s</th>", escape(name))
    for j = 1, #o.columns do
      local share = o.cells[i][j]
      local back = ("color-mix(in srgb,var(--mark) %.0f%%,transparent)"):format(50 * share)
      add(out, '<td style="background:%s">%.2f</td>', back, share)
    end
    out[#out + 1] = "</tr>"
  end
  out[#out + 1] = "</table>"
  return table.concat(out)
end

return figures
