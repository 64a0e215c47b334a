-- progress: how far long work is. On a terminal a bar with rate and time left;
-- elsewhere plain lines, some ten in all and not more often than every 5 seconds.
local core = require "hone.core"
local text = require "hone.text"

local progress = {}
local methods = {}

local function left(self, done)
  local here = done - self.start
  if here < 1 then return "" end
  local rate = here / math.max(1e-9, core.system.clock() - self.began)
  local shown = rate >= 1 and ("%.1f/s"):format(rate) or ("%.1f s each"):format(1 / rate)
  return ("  %s  %s left"):format(shown, text.duration((self.total - done) / rate))
end

local function bar(self, done, said)
  local width = core.system.terminal() or 80
  local tail = ("] %d/%d%s  %s"):format(done, self.total, left(self, done), said)
  local room = math.max(8, math.min(30, width - #tail - #self.label - 3))
  local full = math.floor(room * done / math.max(1, self.total))
  local line = ("%s [%s%s%s"):format(self.label, ("#"):rep(full), ("."):rep(room - full), tail)
  io.stderr:write("\r", line:sub(1, width - 1), "\27[K")
end

--- `done` of the total is done; `said` is shown beside it.
function methods:update(done, said)
  local now = core.system.clock()
  if self.terminal then
    if done < self.total and now - self.last < 0.1 then return end
    bar(self, done, said)
    self.shown, self.last = true, now
    return
  end
  local share = done * 10 // math.max(1, self.total)
  if done == self.total or (share > self.share and now - self.last >= 5) then
    self.share, self.last = share, now
    io.stderr:write(("%s %d/%d%s  %s\n"):format(self.label, done, self.total,
                                                 left(self, done), said))
  end
end

--- Leave the line to others.
function methods:clear()
  if self.shown then io.stderr:write("\r\27[K") end
  self.shown = false
end

--- A line of text that stays.
function methods:line(said)
  self:clear()
  core.log("info", said)
end

function methods:finish()
  if self.shown then io.stderr:write("\n") end
  self.shown = false
end

--- start: what was done before (a run that goes on).
function progress.new(label, total, start)
  return setmetatable({ label = label, total = total, start = start or 0, share = -1,
                        last = -math.huge, began = core.system.clock(),
                        terminal = core.system.terminal() ~= nil }, { __index = methods })
end

return progress
