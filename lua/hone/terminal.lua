-- terminal: a screen of text and single keys, for a person.
--
--   local t <close> = terminal.open()         fails without a terminal
--   t:draw { head = , body = { { text, style }, ... }, foot = { ... } }
--   local key, text = t:key()                 "a", "enter", "up", "ctrl-c", "paste", "resize",
-- "end"
--   local line = t:line("reason: ")           nil: given up (Escape)
--   terminal.wrap(text, columns)              a list of lines
--
-- The body scrolls where it is longer than the screen: space and page keys, arrows.
-- What is shown comes from models: control characters never reach the terminal. Colour
-- is used where the terminal has it and NO_COLOR is not set. Every screen is drawn whole,
-- so that a resize only draws again.
local core = require "hone.core"

local terminal = {}
local Terminal = {}
Terminal.__index = Terminal

-- ---- text ----

--- Without control characters; tabs become blanks, lines stay.
function terminal.clean(text)
  if not utf8.len(text) then text = text:gsub("[\128-\255]", "?") end
  text = text:gsub("\r\n?", "\n"):gsub("\t", "    "):gsub("[\0-\9\11-\31\127]", "?")
  -- C1 controls, and what turns the direction of text around.
  return (text:gsub("\194[\128-\159]", "?"):gsub("\226\128[\142\143\170-\174]", "?")
    :gsub("\226\129[\166-\169]", "?"))
end

local wide = { { 0x1100, 0x115F }, { 0x2E80, 0xA4CF }, { 0xAC00, 0xD7A3 }, { 0xF900, 0xFAFF },
               { 0xFE30, 0xFE6F }, { 0xFF00, 0xFF60 }, { 0xFFE0, 0xFFE6 }, { 0x1F300, 0x1F64F },
               { 0x1F680, 0x1F6FF }, { 0x1F900, 0x1F9FF }, { 0x20000, 0x3FFFD } }
local none = { { 0x0300, 0x036F }, { 0x0483, 0x0489 }, { 0x0591, 0x05BD }, { 0x0610, 0x061A },
               { 0x064B, 0x065F }, { 0x0900, 0x0902 }, { 0x1AB0, 0x1AFF }, { 0x1DC0, 0x1DFF },
               { 0x200B, 0x200F }, { 0x20D0, 0x20FF }, { 0xFE00, 0xFE0F }, { 0xFE20, 0xFE2F } }

local function within(ranges, c)
  for _, range in ipairs(ranges) do
    if c >= range[1] and c <= range[2] then return true end
  end
  return false
end

--- Columns that a text takes: two of wide characters, none of marks.
function terminal.width(text)
  if not text:find("[\128-\255]") then return #text end
  local n = 0
  for _, c in utf8.codes(text, true) do
    n = n + (c < 0x300 and 1 or within(none, c) and 0 or within(wide, c) and 2 or 1)
  end
  return n
end

-- The longest beginning of a word that fits, at least one character.
local function cut(word, columns)
  local n, last = 0, 0
  for at, c in utf8.codes(word, true) do
    n = n + terminal.width(utf8.char(c))
    if n > columns and last > 0 then break end
    last = at + #utf8.char(c) - 1
  end
  return word:sub(1, last), word:sub(last + 1)
end

local function wrap_line(lines, text, columns)
  if terminal.width(text) <= columns then
    lines[#lines + 1] = text
    return
  end
  local line, used = text:match("^%s*"):sub(1, columns // 2), 0
  used = #line
  for word in text:gmatch("%S+") do
    local w, blank = terminal.width(word), line:find("%S") and 1 or 0
    if used + blank + w > columns and line:find("%S") then
      lines[#lines + 1], line, used, blank = line, "", 0, 0
    end
    while used + w > columns do
      local head
      head, word = cut(word, math.max(1, columns - used))
      lines[#lines + 1], line, used, w = line .. head, "", 0, terminal.width(word)
    end
    line = line .. (blank == 1 and " " or "") .. word
    used = used + blank + w
  end
  lines[#lines + 1] = line
end

--- Lines of at most so many columns; a word that is longer is cut.
function terminal.wrap(text, columns)
  local lines = {}
  for line in (terminal.clean(text) .. "\n"):gmatch("(.-)\n") do
    wrap_line(lines, line, math.max(8, columns))
  end
  return lines
end

-- ---- the screen ----

local styles = { title = "\27[1m", dim = "\27[2m", key = "\27[1;36m", warn = "\27[1;31m",
                 option = "\27[1;33m" }

local function has_colour()
  local name = os.getenv "TERM"
  local off = os.getenv "NO_COLOR"
  return name ~= nil and name ~= "" and name ~= "dumb" and (off == nil or off == "")
end

-- Whether the cursor can be moved at all.
local function is_plain()
  local name = os.getenv "TERM"
  return name == nil or name == "" or name == "dumb"
end

--- The terminal that standard input and output are; what: who needs it, for the message.
function terminal.open(what)
  local handle = core.terminal.open()
  if not handle then
    core.fail(("%s needs a terminal, which standard input and output are not (over ssh: ssh -t)")
      :format(what or "this"))
  end
  local self = setmetatable({ handle = handle, colour = has_colour(), plain = is_plain(),
                              offset = 0 }, Terminal)
  self:enter()
  return self
end

-- Pastes come as one key, so that no letter of theirs is taken for an answer.
function Terminal:enter()
  if not self.plain then io.stdout:write("\27[?2004h") end
  io.stdout:flush()
end

function Terminal:exit()
  if not self.plain then io.stdout:write("\27[?2004l") end
  io.stdout:write("\n")
  io.stdout:flush()
end

function Terminal:close()
  if not self.handle then return end
  self:exit()
  getmetatable(self.handle).__close(self.handle)
  self.handle = nil
end
Terminal.__close = Terminal.close

function Terminal:size() return self.handle:size() end
function Terminal:key(seconds) return self.handle:key(seconds) end

--- Another program has the terminal while fn runs.
function Terminal:lend(fn)
  self:exit()
  self.handle:suspend()
  local ok, result, more = pcall(fn)
  self.handle:resume()
  self:enter()
  if not ok then error(result, 0) end
  return result, more
end

--- As Ctrl-Z: stop, until the shell goes on with it.
function Terminal:stop()
  self:exit()
  self.handle:stop()
  self:enter()
end

function Terminal:style(text, style)
  if not self.colour or not style or text == "" then return text end
  return styles[style] .. text .. "\27[0m"
end

-- { text, style } each, wrapped: lines with their styles.
local function lay(parts, columns)
  local lines = {}
  for _, part in ipairs(parts) do
    for _, line in ipairs(terminal.wrap(part[1], columns - (part.indent or 0))) do
      lines[#lines + 1] = { (" "):rep(part.indent or 0) .. line, part[2] }
    end
  end
  return lines
end

local function write(self, lines)
  for _, line in ipairs(lines) do
    io.stdout:write(self:style(line[1], line[2]), self.plain and "" or "\27[K", "\r\n")
  end
end

--- Draw a screen: head and foot stay, the body scrolls. `again` keeps the place.
function Terminal:draw(screen, again)
  local columns, rows = self:size()
  local head, foot = lay(screen.head or {}, columns), lay(screen.foot or {}, columns)
  local body = lay(screen.body or {}, columns)
  local room = math.max(3, rows - #head - #foot - 2)
  if not again then self.offset = 0 end
  self.screen, self.room = screen, room
  self.last = math.max(0, #body - room)
  self.offset = math.max(0, math.min(self.offset, self.last))
  if not self.plain then io.stdout:write("\27[H\27[2J") end
  write(self, head)
  if self.plain then
    write(self, body)
  else
    write(self, table.move(body, self.offset + 1, math.min(#body, self.offset + room), 1, {}))
    if self.offset < self.last then
      write(self, { { ("-- %d more lines: space --"):format(self.last - self.offset), "dim" } })
    end
  end
  write(self, foot)
  io.stdout:flush()
end

local steps = { up = -1, down = 1, ["page up"] = -0.9, ["page down"] = 0.9, [" "] = 0.9,
                home = -math.huge, ["end of line"] = math.huge }

--- Whether the key was one that only looks: scrolled, or drew the screen again.
function Terminal:looked(key)
  if key == "resize" or key == "ctrl-l" then
    self:draw(self.screen, true)
    return true
  end
  local step = steps[key]
  if not step then return false end
  if math.abs(step) == math.huge then
    self.offset = step < 0 and 0 or self.last
  else
    self.offset = self.offset + (math.abs(step) == 1 and step or math.floor(step * self.room))
  end
  self:draw(self.screen, true)
  return true
end

-- ---- a line of text ----

local function last_character(s) return s:sub(1, (utf8.offset(s, -1) or 1) - 1) end

--- A line that the person writes: Enter ends it, Escape and Ctrl-C give up (nil), Ctrl-U
--- begins anew, Ctrl-W takes a word back. The second result is the key that ended it.
function Terminal:line(prompt, text)
  text = text or ""
  local function show()
    local columns = self:size()
    local shown = terminal.clean(prompt .. text)
    -- The end of a long line is what is being written.
    while terminal.width(shown) > columns - 2 do
      shown = shown:sub(utf8.offset(shown, 2) or 2)
    end
    io.stdout:write(self.plain and "\r" or "\r\27[K", shown)
    io.stdout:flush()
  end
  while true do
    show()
    local key, pasted = self:key()
    if key == "enter" then
      io.stdout:write("\r\n")
      return text, key
    elseif key == "escape" or key == "ctrl-c" or key == "end" or key == nil then
      io.stdout:write("\r\n")
      return nil, key, pasted
    elseif key == "backspace" then text = last_character(text)
    elseif key == "ctrl-u" then text = ""
    elseif key == "ctrl-w" then text = text:gsub("%S*%s*$", "", 1)
    elseif key == "paste" then text = text .. terminal.clean(pasted):gsub("\n", " ")
    elseif key == "resize" then
      if self.screen then self:draw(self.screen, true) end
    elseif utf8.len(key) == 1 then text = text .. key end
  end
end

return terminal
