-- sheet: the questions of one item, one after another, with a way back.
--
--   local sheet = Sheet.new(asks, content, order)
--   while sheet:field() do sheet:answer(value) end     value nil: left out, where that may be
--   sheet:answers()                                    { ask = value }
--   sheet:undo()                                       false at the first question
--
-- A field's answer may ask for more fields (ask.lua): they come next. What was before an
-- answer is kept, so undo is a step back and never a reckoning.
local Sheet = {}
Sheet.__index = Sheet

local function copy(value)
  if type(value) ~= "table" then return value end
  local out = {}
  for key, one in pairs(value) do out[key] = copy(one) end
  return setmetatable(out, getmetatable(value))
end

function Sheet.new(asks, content, order)
  local self = setmetatable({ queue = {}, values = {}, before = {}, count = 0 }, Sheet)
  for _, ask in ipairs(asks) do
    for _, field in ipairs(ask:fields(content, order)) do
      self.queue[#self.queue + 1] = { ask = ask, field = field }
    end
  end
  return self
end

--- The question to put now, and its ask; nil when all are answered.
function Sheet:field()
  local first = self.queue[1]
  if first then return first.field, first.ask end
end

function Sheet:answer(value)
  local first = self.queue[1]
  self.before[#self.before + 1] = { queue = self.queue, values = copy(self.values) }
  self.queue = table.move(self.queue, 2, #self.queue, 1, {})
  self.count = self.count + 1
  if value == nil then return end
  local name = first.ask.name
  self.values[name] = first.field.put(self.values[name], value)
  local more = first.field.after and first.field.after(value) or {}
  for i = #more, 1, -1 do
    more[i].put = more[i].put or function(_, answer) return answer end
    table.insert(self.queue, 1, { ask = first.ask, field = more[i] })
  end
end

function Sheet:undo()
  local last = table.remove(self.before)
  if not last then return false end
  self.queue, self.values, self.count = last.queue, last.values, self.count - 1
  return true
end

function Sheet:answers() return self.values end

return Sheet
