-- panel: how the run of an algorithm goes, in a few lines that are redrawn in place:
--
--   grpo 12/200  3.2 s each  10:02 left                          1,530 tokens/s
--   reward       0.734 ± 0.21   ▁▁▂▂▃▃▄▅▅▆▇▇█
--     polite     0.9            ▃▃▄▄▅▅▅▆▆▆▇██
--   kl           0.012          ▁▁▁▂▂▃▃▄▅▆▆▇█
--   length       34.2           ▃▄▄▅▄▅▅▆▆▇▇██
--   entropy      2.31           ██▇▇▆▆▅▅▄▃▂▂▁
--   time         generating 61 % ━━━━━━━━━━ scoring 4 % ━ learning 35 % ━━━━━
--
--   local bar = panel.new("grpo", 200, 0, run)     as progress.new; plain lines elsewhere
--   bar:update(12, said, line)                     line: of metrics.jsonl
--   panel.lines(state, width, style)               the text alone
--
-- A drawing is one write: up to the panel's first line, each line to its end. What is logged
-- meanwhile is printed above: the panel goes away and comes back below.
local core = require "hone.core"
local progress = require "hone.progress"
local terminal = require "hone.terminal"
local text = require "hone.text"

local panel = {}
local Panel = {}
Panel.__index = Panel

-- Values of a curve that are kept: more than a screen has columns.
local KEPT <const> = 512
local LABEL <const>, VALUE <const> = 12, 16

-- ---- text ----

local bars = { [true] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" },
               [false] = { "_", ".", "-", "~", "=", "+", "*", "#" } }

--- A curve in so many columns: means of neighbours, from its least to its most.
function panel.sparkline(values, columns, unicode)
  local n = math.min(columns, #values)
  if n < 1 then return "" end
  local means, low, high = {}, math.huge, -math.huge
  for k = 1, n do
    local first, last, sum = (k - 1) * #values // n + 1, k * #values // n, 0
    for i = first, last do sum = sum + values[i] end
    means[k] = sum / (last - first + 1)
    low, high = math.min(low, means[k]), math.max(high, means[k])
  end
  local marks, out = bars[unicode], {}
  for k, x in ipairs(means) do
    local share = high > low and (x - low) / (high - low) or 0
    out[k] = marks[1 + math.floor(share * 7 + 0.5)]
  end
  return table.concat(out)
end

-- The beginning that fits.
local function cut(said, columns)
  if columns < 1 then return "" end
  if terminal.width(said) <= columns then return said end
  local out, n = {}, 0
  for _, c in utf8.codes(said, true) do
    local character = utf8.char(c)
    n = n + terminal.width(character)
    if n > columns then break end
    out[#out + 1] = character
  end
  return table.concat(out)
end

local function pad(said, columns)
  said = cut(said, columns)
  return said .. (" "):rep(columns - terminal.width(said))
end

local function short(x) return ("%.4g"):format(x) end

-- "grpo 12/200  3.2 s each  10:02 left", and on the right the rate.
local function head(s, width)
  local here, said = s.done - s.start, ("%s %d/%d"):format(s.label, s.done, s.total)
  if here > 0 and s.seconds > 0 then
    local each = s.seconds / here
    said = ("%s  %s  %s left"):format(said,
      each >= 1 and ("%.1f s each"):format(each) or ("%.1f/s"):format(1 / each),
      text.duration((s.total - s.done) * each))
  end
  local now = s.now
  local rate = now.tokens and (now.seconds or 0) > 0 and
    ("%s tokens/s"):format(text.integer(math.floor(now.tokens / now.seconds))) or ""
  if #said + #rate + 2 > width then return cut(said, width) end
  return said .. (" "):rep(width - #said - #rate) .. rate
end

local function row(s, name, key, width, style)
  local x, values = s.now[key], s.curves[key] or {}
  local said = type(x) == "number" and short(x) or "none"
  if key == "reward" and type(s.now.reward_sd) == "number" then
    said = said .. (style.unicode and " ± " or " +- ") .. short(s.now.reward_sd)
  end
  local label, curve = pad(name, LABEL), panel.sparkline(values, math.min(60,
    width - LABEL - VALUE - 2), style.unicode)
  return style.dim(cut(label, width)) .. cut(" " .. pad(said, VALUE) .. " " .. curve,
    width - LABEL)
end

local function times(s, width, style)
  local parts, words = { "generating", "scoring", "learning" }, {}
  for k, name in ipairs(parts) do
    words[k] = ("%s %.0f %%"):format(name, 100 * (s.now[name] or 0))
  end
  local room = math.min(60, width - LABEL - 1 - #table.concat(words, " ") - 4)
  for k, name in ipairs(parts) do
    local share = math.floor(math.max(0, room) * (s.now[name] or 0) + 0.5)
    if share > 0 then words[k] = words[k] .. " " .. (style.unicode and "━" or "="):rep(share) end
  end
  return style.dim(cut(pad("time", LABEL), width)) ..
    cut(" " .. table.concat(words, " "), width - LABEL)
end

--- The lines of a state { label, done, total, start, seconds, now, curves, parts } on a
--- terminal of so many columns. style: { unicode, dim = function(text) }.
function panel.lines(s, width, style)
  local out = { head(s, width) }
  local function add(name, key)
    if s.now[key] ~= nil then out[#out + 1] = row(s, name, key, width, style) end
  end
  add("reward", "reward")
  for k, name in ipairs(s.parts) do
    if k > 4 then break end
    add("  " .. name, name)
  end
  for _, key in ipairs { "kl", "length", "entropy" } do add(key, key) end
  if s.now.generating then out[#out + 1] = times(s, width, style) end
  return out
end

-- ---- on a terminal ----

local function take(self, line)
  for key, value in pairs(line) do
    if type(value) == "number" then
      local curve = self.curves[key] or {}
      self.curves[key] = curve
      curve[#curve + 1] = value
      if #curve > KEPT then table.remove(curve, 1) end
    end
  end
end

-- Back to the panel's first column and line.
local function home(self)
  return "\r" .. (self.shown > 1 and ("\27[%dA"):format(self.shown - 1) or "")
end

--- Leave the screen to others.
function Panel:clear()
  if self.shown > 0 then io.stderr:write(home(self), "\27[J") end
  self.shown = 0
end

local function draw(self)
  local lines = panel.lines(self, self.columns() - 1, self.style)
  local out = { "\27[?2026h", self.shown > 0 and home(self) or "" }
  for k, line in ipairs(lines) do
    out[#out + 1] = line .. "\27[K" .. (k < #lines and "\n" or "")
  end
  -- What is left of a longer panel.
  out[#out + 1] = "\27[J\27[?2026l"
  io.stderr:write(table.concat(out))
  self.shown = #lines
end

--- A step is done; line: what it logged.
function Panel:update(done, _, line)
  local now = core.system.clock()
  self.done, self.now, self.seconds = done, line or self.now, now - self.began
  if line then take(self, line) end
  if done < self.total and now - self.last < 0.1 then return end
  self.last = now
  draw(self)
end

--- A line of text that stays, above the panel.
function Panel:line(said) core.log("info", said) end

--- The last drawing stays.
function Panel:finish()
  if self.shown == 0 and self.now.step then draw(self) end
  if self.shown > 0 then io.stderr:write("\n") end
  self.shown = 0
  core.log = self.log
end

local function has_unicode()
  for _, name in ipairs { "LC_ALL", "LC_CTYPE", "LANG" } do
    local value = os.getenv(name)
    if value and value ~= "" then return value:upper():find "UTF%-?8" ~= nil end
  end
  return false
end

local function style_of()
  local off = os.getenv "NO_COLOR"
  local colour = off == nil or off == ""
  return { unicode = has_unicode(),
           dim = function(said) return colour and "\27[2m" .. said .. "\27[0m" or said end }
end

-- Parts of the reward; one alone is the reward.
local function parts_of(run)
  local names = {}
  for k, part in ipairs(run.reward and run.reward.parts or {}) do names[k] = part.name end
  return #names > 1 and names or {}
end

--- A panel on a terminal of at least 40 columns, else progress.new.
function panel.new(label, total, start, run)
  local columns, name = core.system.terminal(), os.getenv "TERM"
  if not columns or columns < 40 or name == nil or name == "" or name == "dumb" then
    return progress.new(label, total, start)
  end
  local self = setmetatable({ label = label, total = total, start = start or 0, done = start or 0,
    began = core.system.clock(), seconds = 0, last = -math.huge, shown = 0, now = {}, curves = {},
    parts = parts_of(run), style = style_of(), log = core.log,
    columns = function() return core.system.terminal() or columns end }, Panel)
  for _, line in ipairs(run:history()) do take(self, line) end
  core.log = function(...)
    self:clear()
    self.log(...)
    draw(self)
  end
  draw(self)
  return self
end

return panel
