-- content: what an item shows, and in which order.
--
-- An item's content is a table:
--   prompt     a text, or messages { { role = , content = }, ... }
--   response   one text to judge; or left and right, two; or options, a list
--   messages   a conversation, judged turn by turn
--   media      { kind = "image", path = , width = , height = }, or a list of these;
--              audio and video have a duration, in seconds
--   reference, context   texts that are shown, but not judged
-- Other fields (which model answered, the right answer) are never shown.
--
-- An option is a text, a sample (its response), messages, or a table
-- with a text, and a `model` where the content does not say left_model, right_model.
--
-- order says how options were shown: 1 as they stand, 2 the second first; or a list:
-- { 3, 1, 2 } showed the third first. Values that people give count in shown places.
local core = require "hone.core"

local content = {}

local function is(value) return value ~= nil and value ~= core.null end

--- The text of a text, a sample, a message; of several messages each with its role.
function content.text(value)
  if type(value) == "string" then return value end
  if type(value) ~= "table" and type(value) ~= "userdata" then return nil end
  if type(value) == "table" and #value > 0 then
    if #value == 1 then return content.text(value[1]) end
    local list = {}
    for i, m in ipairs(value) do
      if type(m) ~= "table" then return nil end
      list[i] = ("%s: %s"):format(tostring(m.role or "text"), content.text(m.content) or "")
    end
    return table.concat(list, "\n\n")
  end
  for _, key in ipairs { "response", "text", "content", "completion" } do
    if type(value[key]) == "string" then return value[key] end
  end
  return value.messages and content.text(value.messages)
end

local function option(value, model)
  if not is(model) and type(value) == "table" then model = value.model end
  return { text = content.text(value) or "", model = is(model) and tostring(model) or nil }
end

--- What is judged: a list of { text, model }, as the item has them.
function content.options(c)
  if is(c.left) and is(c.right) then
    return { option(c.left, c.left_model), option(c.right, c.right_model) }
  end
  local list = {}
  if is(c.options) then
    for i, value in ipairs(c.options) do list[i] = option(value)
  end
  elseif is(c.response) then
    list[1] = option(c.response, c.model)
  end
  return list
end

--- Turns of a conversation said by `role`: { text, turn } each.
function content.turns(c, role)
  local list = {}
  for i, message in ipairs(is(c.messages) and c.messages or {}) do
    if message.role == role then
      list[#list + 1] = { text = content.text(message.content) or "", turn = i }
    end
  end
  return list
end

--- The place in the item of what was shown 1st, 2nd ... of n.
function content.places(order, n)
  local places, seen = {}, {}
  if type(order) == "table" and #order == n then
    for i = 1, n do
      local at = math.tointeger(order[i])
      if not at or at < 1 or at > n or seen[at] then
        core.fail(("order: %s is no order of %d options"):format(core.json.encode(order), n))
      end
      places[i], seen[at] = at, true
    end
    return places
  end
  if is(order) and type(order) ~= "table" and order ~= 1 and order ~= 2 then
    core.fail(("order: %s is none (allowed: 1, 2, or a list)"):format(tostring(order)))
  end
  if type(order) == "table" and #order > 0 then
    core.fail(("order: %s is no order of %d options"):format(core.json.encode(order), n))
  end
  for i = 1, n do places[i] = i end
  if order == 2 and n > 1 then places[1], places[2] = 2, 1 end
  return places
end

--- Options as they were shown: { text, model, place } each.
function content.shown(c, order)
  local options, list = content.options(c), {}
  for i, place in ipairs(content.places(order, #options)) do
    list[i] = { text = options[place].text, model = options[place].model, place = place }
  end
  return list
end

--- Media as a list.
function content.media(c)
  local media = is(c.media) and c.media or {}
  return media.kind and { media } or media
end

local function say_medium(m)
  local words = { m.kind or "file", m.path or m.url or "" }
  if m.width and m.height then words[#words + 1] = ("%gx%g"):format(m.width, m.height) end
  if m.duration then words[#words + 1] = ("%g s"):format(m.duration) end
  return table.concat(words, " ")
end

local function add_messages(blocks, messages)
  local count = {}
  for _, m in ipairs(messages) do
    local role = tostring(m.role or "text")
    count[role] = (count[role] or 0) + 1
    blocks[#blocks + 1] = { title = role .. (count[role] > 1 and " " .. count[role] or ""),
                            text = content.text(m.content) or "" }
  end
end

--- What a person sees: { title, text } each, options in shown order.
function content.blocks(c, order)
  local blocks = {}
  for i, m in ipairs(content.media(c)) do
    blocks[#blocks + 1] = { title = "medium " .. i, text = say_medium(m) }
  end
  if type(c.prompt) == "table" then
    add_messages(blocks, c.prompt)
  elseif is(c.prompt) then
    blocks[#blocks + 1] = { title = "prompt", text = tostring(c.prompt) }
  end
  if is(c.messages) then add_messages(blocks, c.messages) end
  for _, key in ipairs { "context", "reference" } do
    if is(c[key]) then blocks[#blocks + 1] = { title = key, text = content.text(c[key]) or "" } end
  end
  local shown = content.shown(c, order)
  for i, o in ipairs(shown) do
    blocks[#blocks + 1] = { title = #shown == 1 and "response" or "response " .. i, text = o.text,
                            option = i }
  end
  return blocks
end

return content
