-- svg: line charts, drawn without help: hone.svg.chart { title, series, ... } is text.
local text = require "hone.text"

local svg = {}

local width, height = 640, 240
local left, right, top, bottom = 64, 16, 28, 36
local colours = { "#2f6fde", "#d9622b", "#3a8f4d", "#8a57b8" }

local function escape(s)
  return (tostring(s):gsub("[&<>\"']", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;",
                                         ['"'] = "&quot;", ["'"] = "&#39;" }))
end
svg.escape = escape

-- Round numbers between low and high, some four of them.
local function ticks(low, high)
  local span = high - low
  local size = 10 ^ math.floor(math.log(span / 4, 10))
  for _, factor in ipairs { 1, 2, 5, 10 } do
    if span / (size * factor) <= 5 then
      size = size * factor
      break
    end
  end
  local list = {}
  for i = math.ceil(low / size - 1e-9), math.floor(high / size + 1e-9) do
    list[#list + 1] = i * size
  end
  return list
end

svg.ticks = ticks

local function extent(series, key)
  local low, high = math.huge, -math.huge
  for _, line in ipairs(series) do
    for _, p in ipairs(line.points) do low, high = math.min(low, p[key]), math.max(high, p[key]) end
  end
  -- What differs by rounding alone is a constant.
  if high - low <= 1e-9 * math.max(math.abs(low), math.abs(high)) then
    local margin = math.max(1e-6, math.abs(low) * 0.1)
    low, high = low - margin, high + margin
  end
  return low, high
end

-- At most one point a pixel: the mean of those that fall on it.
local function thinned(points, x)
  local out, last = {}, nil
  for _, p in ipairs(points) do
    local pixel = math.floor(x(p[1]))
    if pixel == last then
      local q = out[#out]
      q.n = q.n + 1
      q[2] = q[2] + (p[2] - q[2]) / q.n
    else
      out[#out + 1], last = { p[1], p[2], n = 1 }, pixel
    end
  end
  return out
end

local function add(out, form, ...) out[#out + 1] = form:format(...) end

local function add_text(out, x, y, anchor, said)
  add(out, '<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>', x, y, anchor, escape(said))
end

local function tick(v) return text.number(math.tointeger(v) or v) end

local function axes(out, x, y, x_range, y_range, label)
  for _, v in ipairs(ticks(table.unpack(y_range))) do
    add(out, '<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#e6e8eb"/>', left, width - right,
        y(v), y(v))
    add_text(out, left - 6, y(v) + 4, "end", tick(v))
  end
  for _, v in ipairs(ticks(table.unpack(x_range))) do
    add_text(out, x(v), height - bottom + 16, "middle", tick(v))
  end
  add_text(out, width - right, height - 4, "end", label)
end

local function draw(out, line, colour, x, y)
  local words = {}
  for i, p in ipairs(thinned(line.points, x)) do
    words[i] = ("%s%.1f %.1f"):format(i == 1 and "M" or "L", x(p[1]), y(p[2]))
    if line.dots and not line.faint then
      add(out, '<circle cx="%.1f" cy="%.1f" r="2.5" fill="%s"/>', x(p[1]), y(p[2]), colour)
    end
  end
  add(out, '<path d="%s" fill="none" stroke="%s" stroke-width="1.5"%s/>', table.concat(words),
    colour, line.faint and ' stroke-opacity="0.3"' or "")
end

-- Colours in order; what is faint has that of the series after it.
local function coloured(series)
  local k, out = 1, {}
  for i, line in ipairs(series) do
    out[i] = colours[(k - 1) % #colours + 1]
    if not line.faint then k = k + 1 end
  end
  return out, k - 1
end

--- o: title, x (label), series = { { name, points = { { x, y }, ... }, dots, faint }, ... };
--- a faint one has no name: the raw points behind a smoothed series. "" where no series has
--- a point.
function svg.chart(o)
  local series = {}
  for _, line in ipairs(o.series) do
    if #line.points > 0 then series[#series + 1] = line end
  end
  if #series == 0 then return "" end
  local x0, x1 = extent(series, 1)
  local y0, y1 = extent(series, 2)
  local function x(v) return left + (v - x0) / (x1 - x0) * (width - left - right) end
  local function y(v) return height - bottom - (v - y0) / (y1 - y0) * (height - top - bottom) end
  local out = {}
  add(out, '<svg viewBox="0 0 %d %d" role="img" aria-label="%s">', width, height, escape(o.title))
  add(out, '<text x="%d" y="16" class="title">%s</text>', left, escape(o.title))
  axes(out, x, y, { x0, x1 }, { y0, y1 }, o.x)
  local at, list, named = width - right, coloured(series)
  for i = #series, 1, -1 do
    local line, colour = series[i], list[i]
    draw(out, line, colour, x, y)
    if named > 1 and not line.faint then
      add(out, '<text x="%.1f" y="16" text-anchor="end" style="fill:%s">%s</text>', at, colour,
          escape(line.name))
      at = at - 6.5 * (utf8.len(line.name) or #line.name) - 12
    end
  end
  out[#out + 1] = "</svg>"
  return table.concat(out, "\n")
end

return svg
