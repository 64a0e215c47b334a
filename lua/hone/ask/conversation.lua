-- conversation: an ask of each turn of a conversation.
--   hone.ask.conversation { ask = hone.ask.verdict { correction = true } }
--   a list of values, one a turn of `role`, as that ask has them.
local core = require "hone.core"
local text = require "hone.text"
local content = require "hone.ask.content"

local conversation = {
  question = "Judge turn by turn.",
  schema = {
    { "ask", "any", required = true, doc = "what is asked of a turn" },
    { "role", "string", default = "assistant", doc = "whose turns" },
  },
}

function conversation.init(self)
  local ask = require "hone.ask"
  self.inner = ask.list { self.ask }[1]
  self.ask = self.inner:spec()
  if not self.inner.is.each then
    core.fail(("ask.conversation: ask: %s judges no single text"):format(self.inner.kind))
  end
end

function conversation.free_text(self)
  return self.inner.is.free_text and self.inner.is.free_text(self.inner) or false
end

function conversation.check(self, value, c, order)
  local turns = content.turns(c, self.role)
  if #turns == 0 then return ("the item has no turn of '%s'"):format(self.role) end
  if type(value) ~= "table" or #value ~= #turns then
    return ("expected a list of %d, one a turn, got %s"):format(#turns, text.value(value))
  end
  for i, turn in ipairs(turns) do
    local one = value[i]
    local problem
    if one == core.null then
      problem = not self.inner.optional and "an answer is missing" or nil
    else
      problem = self.inner.is.check(self.inner, one, c, order, turn)
    end
    if problem then return ("turn %d: %s"):format(i, problem) end
  end
end

function conversation.pack(self, value, c, order)
  local pack, out = self.inner.is.pack, core.json.list {}
  for i, turn in ipairs(content.turns(c, self.role)) do
    out[i] = pack and value[i] ~= core.null and pack(self.inner, value[i], c, order, turn)
      or value[i]
  end
  return out
end

local function placed(field, i)
  local put, after = field.put or function(_, answer) return answer end, field.after
  field.title = ("Turn %d: %s"):format(i, field.title)
  field.put = function(value, answer)
    value = value or core.json.list {}
    for k = #value + 1, i do value[k] = core.null end
    value[i] = put(value[i] ~= core.null and value[i] or nil, answer)
    if value[i] == nil then value[i] = core.null end
    return value
  end
  field.after = after and function(answer)
    local more = after(answer) or {}
    for _, one in ipairs(more) do placed(one, i) end
    return more
  end
  return field
end

function conversation.fields(self, c, order)
  local list = {}
  for i, turn in ipairs(content.turns(c, self.role)) do
    for _, field in ipairs(self.inner.is.fields(self.inner, c, order, turn)) do
      field.optional = field.optional or self.inner.optional
      list[#list + 1] = placed(field, i)
    end
  end
  return list
end

function conversation.table(self) return self.inner:table() end

function conversation.rows(self, value, c, order)
  local out = {}
  for i, turn in ipairs(content.turns(c, self.role)) do
    local one = value[i]
    if one ~= nil and one ~= core.null then
      for _, row in ipairs(self.inner.is.rows(self.inner, one, c, order, turn)) do
        row.part = ("turn %d%s"):format(turn.turn, row.part and "/" .. row.part or "")
        row.turn = turn.turn
        out[#out + 1] = row
      end
    end
  end
  return out
end

return conversation
