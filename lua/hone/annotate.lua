-- annotate: one person judges at a terminal; `hone annotate` is this over a store.
--
--   annotate.run(terminal, task, annotator)
--     -> status of the program, how many were judged, whether there is nothing more
--
-- A judgement is saved when its last question is answered, and only then does the next
-- item come: whatever happens later, it is there. Undo at the first question of an item
-- opens the last judgement again; what is then answered supersedes it. However this ends,
-- the lease of the open item is given back. A pause of more than five minutes between two
-- keys counts as five in the seconds that a judgement took. The lease is renewed while
-- keys come; should it end anyway, the answers are saved with the next lease of the item,
-- or the person is told that they were not.
local ask = require "hone.ask"
local core = require "hone.core"
local keys = require "hone.annotate.keys"
local metrics = require "hone.task_metrics"
local object = require "hone.object"
local Sheet = require "hone.sheet"
local text = require "hone.text"

local annotate = { pause = 300, renew = 300 }

-- ---- time ----

-- Seconds that this person looked at the item, told key by key.
local function tick(self)
  local now = core.system.clock()
  self.spent = self.spent + math.min(annotate.pause, now - self.seen)
  self.seen = now
  if not self.reopened and now - self.renewed > annotate.renew then
    self.renewed = now
    local ok, again = pcall(self.task.next, self.task, self.annotator)
    if ok and again and again.item == self.assignment.item then
      self.assignment.id = again.id
    end
  end
end

local function start(self, assignment, reopened)
  self.assignment, self.reopened = assignment, reopened
  self.sheet = Sheet.new(self.task.asks, assignment.content, assignment.order)
  self.spent, self.seen, self.again = 0, core.system.clock(), false
  self.renewed = self.seen
end

-- ---- what is shown ----

local commands = "g guideline   ? keys and words   u undo   s skip   f flag   q quit"

local function body_of(self)
  local body = {}
  for _, block in ipairs(ask.content.blocks(self.assignment.content, self.assignment.order)) do
    body[#body + 1] = { block.title, block.option and "option" or "title" }
    body[#body + 1] = { block.text, nil, indent = 2 }
  end
  return body
end

local function draw(self, field, state, again)
  local foot = { { field.title, "title" } }
  if field.show then foot[#foot + 1] = { field.show, nil, indent = 2 } end
  for _, line in ipairs(keys.hints[field.kind](field, state)) do foot[#foot + 1] = line end
  if field.optional then foot[#foot + 1] = { "  Enter: leave it out" } end
  if self.message then foot[#foot + 1] = { self.message, "warn" } end
  foot[#foot + 1] = { commands, "dim" }
  self.message = nil
  local head = { { ("%s   %s%s"):format(self.task.name, self.progress,
                                        self.reopened and "   (changing the last one)" or ""),
                                          "dim" } }
  self.terminal:draw({ head = head, body = body_of(self), foot = foot }, again)
end

-- A page to read; any key that does not scroll goes back.
local function page(self, title, parts)
  local body = {}
  for _, part in ipairs(parts) do body[#body + 1] = part end
  if #body == 0 then body[1] = { "There is none." } end
  self.terminal:draw { head = { { title, "title" } }, body = body,
                       foot = { { "any other key: back", "dim" } } }
  local key
  repeat key = self.terminal:key() until not self.terminal:looked(key)
  return key
end

local function guideline(self)
  local parts = {}
  local said = self.task:guideline()
  if said then parts[1] = { said } end
  for _, one in ipairs(self.task.asks) do
    local advice = rawget(one, "guideline")
    if advice then
      parts[#parts + 1] = { one.name, "title" }
      parts[#parts + 1] = { advice, nil, indent = 2 }
    end
  end
  return page(self, "Guideline", parts)
end

local function glossary(self)
  local parts = { { "Keys", "title" }, { commands .. [[

Space and the arrows scroll. Escape gives up what is being written.
u steps back; at the first question it opens your last judgement again.
s leaves the item out, f reports it: both ask for the reason.
q and Ctrl-C end: all you finished is saved.]] } }
  local words, meanings = {}, self.task:glossary()
  for word in pairs(meanings) do words[#words + 1] = word end
  table.sort(words)
  if #words > 0 then parts[#parts + 1] = { "\nWords", "title" } end
  for _, word in ipairs(words) do
    parts[#parts + 1] = { ("%s: %s"):format(word, tostring(meanings[word])), nil, indent = 2 }
  end
  return page(self, "Keys and words", parts)
end

-- ---- items ----

local function reason(self, what)
  while true do
    local said, key, signal = self.terminal:line(("why %s? "):format(what))
    if not said then return nil, key, signal end
    if said:find("%S") then return said end
  end
end

local function leave(self, how)
  if self.reopened then
    self.message = "this one is judged already; finish or go on with Escape"
    return
  end
  local why = reason(self, how)
  if not why then return end
  local ok, problem = pcall(self.task[how], self.task, self.assignment, why)
  if not ok then
    self.message = object.plain(problem)
    return nil
  end
  return "next"
end

local function undo(self)
  if self.sheet:undo() then return end
  if not self.last or self.reopened then
    self.message = "there is nothing to undo"
    return
  end
  self.kept = self.assignment
  start(self, self.last.assignment, self.last.judgement)
end

-- What a key does that is no answer: "quit", "next", "shown" or nil.
local function command(self, key, signal)
  if key == "q" or key == "ctrl-c" or key == "ctrl-d" or key == "end" then
    self.status = key == "q" and 0 or key == "end" and 128 + (signal or 1) or key == "ctrl-c"
      and 130 or 0
    return "quit"
  end
  if key == "ctrl-z" then self.terminal:stop() return "shown" end
  if key == "g" then guideline(self) return "shown" end
  if key == "?" then glossary(self) return "shown" end
  if key == "u" then undo(self) return "moved" end
  if key == "s" then return leave(self, "skip") or "moved" end
  if key == "f" then return leave(self, "flag") or "moved" end
  if key == "escape" and self.reopened then
    start(self, self.kept)
    return "moved"
  end
end

-- One field until it is answered, or a command moved elsewhere.
local function ask_field(self, field)
  local state = { chosen = {}, places = {}, values = core.json.list {}, said = {} }
  draw(self, field, state)
  while true do
    local key, extra = self.terminal:key(60)
    if key then
      tick(self)
      local moved = command(self, key, extra)
      if moved == "quit" or moved == "next" or moved == "moved" then return moved end
      if not moved and not self.terminal:looked(key) then
        local done, value = keys.press[field.kind](self, field, state, key)
        if done then return "answered", value end
        if key == "enter" and field.optional and field.kind ~= "line" and field.kind ~= "edit" then
          return "answered", nil
        end
        draw(self, field, state, true)
      elseif moved then
        draw(self, field, state, true)
      end
    end
  end
end

-- Save; where the lease had ended, under the item's next one, if there is.
local function save(self)
  local answers, a = self.sheet:answers(), self.assignment
  if self.reopened then
    return self.task:change(self.reopened, a, answers, { seconds = self.spent }).judgement
  end
  local ok, result = pcall(self.task.submit, self.task, a, answers, { seconds = self.spent })
  if ok then return result.judgement end
  local again = self.task:next(self.annotator)
  if not again or again.item ~= a.item or again.id == a.id then error(result, 0) end
  -- Shown in another order, the answers would mean something else.
  if core.json.encode(again.order or core.null) ~= core.json.encode(a.order or core.null) then
    error(result, 0)
  end
  a.id = again.id
  return self.task:submit(a, answers, { seconds = self.spent }).judgement
end

-- Save, and let the person try again where that fails: a full disk may get room.
local function save_or_ask(self)
  while true do
    local ok, result = pcall(save, self)
    if ok then return result end
    self.terminal:draw { head = { { "This judgement was not saved.", "warn" } },
      body = { { object.plain(result) } },
      foot = { { "r: try again   d: drop it and go on   q: quit without it", "key" } } }
    local key
    repeat
      local extra
      key, extra = self.terminal:key()
      if key == "q" or key == "ctrl-c" or key == "end" then
        self.status = key == "q" and 1 or key == "end" and 128 + (extra or 1) or 130
        return nil, "quit"
      end
      if key == "d" then
        pcall(self.task.release, self.task, self.assignment)
        return nil, "drop"
      end
      self.terminal:looked(key)
    until key == "r"
  end
end

-- One item: "next" or "quit".
local function judge(self)
  while true do
    local field = self.sheet:field()
    local lacks = not field and metrics.problem(self.task.asks, self.sheet:answers(),
      self.assignment.content, self.assignment.order)
    if lacks then
      self.message = lacks
      self.sheet:undo()
      field = self.sheet:field()
    end
    if not field then
      local judgement, stop = save_or_ask(self)
      if stop == "quit" then return "quit" end
      if judgement then
        self.last = { assignment = self.assignment, judgement = judgement }
        self.judged = self.judged + (self.reopened and 0 or 1)
      end
      return "next"
    end
    local moved, value = ask_field(self, field)
    if moved == "quit" or moved == "next" then return moved end
    if moved == "answered" then self.sheet:answer(value) end
  end
end

local function progress(self)
  local c = self.task:counts()
  return ("%d judged by you now, %s of %s finished"):format(self.judged, text.integer(c.finished),
    text.count(c.items, "item"))
end

local function run(self)
  local assignment = self.task:next(self.annotator)
  while assignment do
    self.progress = progress(self)
    start(self, assignment)
    if judge(self) == "quit" then return false end
    -- After a change of the last judgement the open item is served again.
    assignment = self.task:next(self.annotator)
  end
  self.assignment = nil
  return true
end

--- The status of the program: 0, 130 after Ctrl-C, 128 and the signal's number after one.
function annotate.run(terminal, task, annotator)
  local self = { terminal = terminal, task = task, annotator = annotator, judged = 0, status = 0,
                 progress = "" }
  local ok, ended = pcall(run, self)
  local open = self.reopened and self.kept or self.assignment
  if open then pcall(task.release, task, open) end
  if not ok then error(ended, 0) end
  return self.status, self.judged, ended
end

return annotate
