-- keys: what a field of an ask shows of its choices, and what keys make of it.
--
--   keys.hints[field.kind](field, state)            lines under the question
--   keys.press[field.kind](self, field, state, key) true and the answer, or nothing: the field
--                                                   is drawn again, with self.message if set
--
-- state: what was chosen so far { chosen, places, values, said }, new for each field.
local core = require "hone.core"

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

return { hints = hints, press = press }
