-- turns: messages, and transcripts of "\n\nHuman: ...\n\nAssistant: ...".
local content = require "hone.ask.content"
local core = require "hone.core"

local turns = {}

local roles = { Human = "user", Assistant = "assistant" }
local words = { user = "Human", assistant = "Assistant" }

--- Messages of a transcript that ends with the assistant's turn; nil and why.
function turns.from_transcript(text)
  local list, at = {}, 1
  while true do
    local first, after, who = text:find("\n\n(%a+):", at)
    while first and not roles[who] do first, after, who = text:find("\n\n(%a+):", after) end
    if #list > 0 then
      list[#list].content = text:sub(at, first and first - 1 or -1):gsub("^ ", "", 1)
    elseif not first or text:sub(1, first - 1):find("%S") then
      return nil, "it does not begin with a turn (\"\\n\\nHuman: \")"
    end
    if not first then break end
    list[#list + 1] = { role = roles[who], content = "" }
    at = after + 1
  end
  if list[#list].role ~= "assistant" then return nil, "the last turn is not the assistant's" end
  return core.json.list(list)
end

--- The transcript of a prompt (a text or messages) and a response.
function turns.to_transcript(prompt, response)
  local out = {}
  for _, m in ipairs(turns.conversation(prompt, response)) do
    if words[m.role] then
      out[#out + 1] = ("\n\n%s: %s"):format(words[m.role], content.text(m.content) or "")
    end
  end
  return table.concat(out)
end

--- Messages of a prompt and a response, each a text or messages.
function turns.conversation(prompt, response)
  local list = core.json.list {}
  if type(prompt) == "table" then
    table.move(prompt, 1, #prompt, 1, list)
  elseif type(prompt) == "string" and prompt ~= "" then
    list[1] = { role = "user", content = prompt }
  end
  if type(response) == "table" then
    table.move(response, 1, #response, #list + 1, list)
  elseif response ~= nil and response ~= core.null then
    list[#list + 1] = { role = "assistant", content = content.text(response) }
  end
  return list
end

local function same(a, b)
  return type(a) == "table" and type(b) == "table" and a.role == b.role
    and core.json.encode(a.content or core.null) == core.json.encode(b.content or core.null)
end

--- What two conversations have in common at the start, and the rest of each: a text where
--- it is one message. At least one message is left of each.
function turns.common(a, b)
  local n = 0
  while n < #a - 1 and n < #b - 1 and same(a[n + 1], b[n + 1]) do n = n + 1 end
  local function rest(list)
    if #list == n + 1 and type(list[#list].content) == "string" then return list[#list].content end
    return core.json.list(table.move(list, n + 1, #list, 1, {}))
  end
  return core.json.list(table.move(a, 1, n, 1, {})), rest(a), rest(b)
end

return turns
