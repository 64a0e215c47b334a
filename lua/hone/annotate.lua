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

local function choice_lines(field, chosen)
  local foot = {}
  for i, choice in ipairs(field.choices) do
    local mark = chosen and (chosen[i] and "[x] " or "[ ] ") or ""
    foot[#foot + 1] = { ("  %s  %s%s"):format(choice.key or " ", mark, choice.label), "key" }
  end
  return foot
end

local hints = {
  key = function(field) return choice_lines(field) end,
  keys = function(field, state)
    local foot = choice_lines(field, state.chosen)
    foot[#foot + 1] = { "  Enter: done" }
    return foot
  end,
  order = function(_, state)
    local places = {}
    for i, group in ipairs(state.places) do places[i] = table.concat(group, " = ") end
    return { { "  best first: " .. (#places > 0 and table.concat(places, " > ") or "-"), "key" },
             { "  a number: the next best;  =: as good as the last;  Backspace: take back;"
               .. "  Enter: done" } }
  end,
  line = function(field, state)
    local foot = {}
    for _, said in ipairs(state.said) do foot[#foot + 1] = { "  " .. said, "key" } end
    foot[#foot + 1] = { field.many
      and "  Enter: write one;  d: done;  Backspace: take the last back"
      or "  Enter: write it" }
    return foot
  end,
  edit = function()
    return { { "  e: open it in your editor;  Enter: write it here, on one line" } }
  end,
}

local function draw(self, field, state, again)
  local foot = { { field.title, "title" } }
  if field.show then foot[#foot + 1] = { field.show, nil, indent = 2 } end
  for _, line in ipairs(hints[field.kind](field, state)) do foot[#foot + 1] = line end
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

-- ---- the answer to a field ----

local function edit_in_program(self, text)
  local editor = os.getenv "VISUAL"
  if not editor or editor == "" then editor = os.getenv "EDITOR" end
  if not editor or editor == "" then return nil, "EDITOR is not set; Enter writes it here" end
  local path = os.tmpname()
  core.system.write(path, text .. "\n")
  local ok = self.terminal:lend(function()
    return os.execute(("%s '%s'"):format(editor, path))
  end)
  local file = io.open(path, "rb")
  local after = file and file:read "a" or nil
  if file then file:close() end
  os.remove(path)
  if not ok or not after then return nil, "the editor failed: nothing was changed" end
  return (after:gsub("\n$", ""))
end

-- Each takes a key: answered, value; or nothing: the field is drawn again.
local press = {}

function press.key(_, field, _, key)
  for _, choice in ipairs(field.choices) do
    if key == choice.key then return true, choice.value end
  end
end

function press.keys(self, field, state, key)
  for i, choice in ipairs(field.choices) do
    if key == choice.key then state.chosen[i] = not state.chosen[i] end
  end
  if key ~= "enter" then return end
  local list = core.json.list {}
  for i, choice in ipairs(field.choices) do
    if state.chosen[i] then list[#list + 1] = choice.value end
  end
  if #list >= (field.least or 0) then return true, list end
  self.message = ("%d or more are needed"):format(field.least)
end

-- Places as the ask takes them: a lone one is no list.
local function ranked(places)
  local list = core.json.list {}
  for i, group in ipairs(places) do
    list[i] = #group == 1 and group[1] or core.json.list(group)
  end
  return list
end

function press.order(self, field, state, key)
  local places, n = state.places, math.tointeger(tonumber(key))
  if key == "=" and field.ties then
    state.tie = #places > 0
  elseif key == "backspace" then
    local last = places[#places]
    if last then table.remove(last) end
    if last and #last == 0 then table.remove(places) end
    state.tie = false
  elseif n and n >= 1 and n <= field.count then
    for _, group in ipairs(places) do
      for _, place in ipairs(group) do
        if place == n then return end
      end
    end
    if state.tie then table.insert(places[#places], n) else places[#places + 1] = { n } end
    state.tie = false
  elseif key == "enter" and #places > 0 then
    local count = 0
    for _, group in ipairs(places) do count = count + #group end
    if count == field.count or (field.partial and count > 1) then return true, ranked(places) end
    self.message = field.partial and "rank two or more" or "rank all of them"
  end
end

function press.line(self, field, state, key)
  if key == "d" and field.many then return true, state.values end
  if key == "backspace" and field.many then
    table.remove(state.values)
    table.remove(state.said)
  end
  if key ~= "enter" then return end
  local said = self.terminal:line "> "
  if not said or not said:find("%S") then return end
  local value, problem = field.parse(said)
  if value == nil then
    self.message = problem
  elseif field.many then
    table.insert(state.values, value)
    table.insert(state.said, said)
  else
    return true, value
  end
end

function press.edit(self, field, _, key)
  local after, problem
  if key == "e" then
    after, problem = edit_in_program(self, field.text)
  elseif key == "enter" then
    after = self.terminal:line("> ", (field.text:gsub("%s*\n%s*", " ")))
  end
  self.message = problem
  if after and not after:find("%S") then
    self.message = "it is empty"
  elseif after then
    return true, after
  end
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
        local done, value = press[field.kind](self, field, state, key)
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
  a.id, a.order = again.id, a.order
  if core.json.encode(again.order or core.null) ~= core.json.encode(a.order or core.null) then
    error(result, 0)
  end
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
