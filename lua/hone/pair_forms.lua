-- pair_forms: the forms of preference rows, told by their columns (see pairs.lua).
--
-- forms.read(row, o) gives a kind and what was found:
--   "pair"     { prompt, chosen, rejected, margin, tie }
--   "verdict"  { prompt, completion, good, correction }
--   "rated"    { prompt, completion, rating }
--   "none"     a message: no form has these columns
--   "malformed", "prompts", "no_prompt"   a reason to leave the row out
local core = require "hone.core"

local forms = {}

--- A column; null counts as absent.
function forms.get(row, name)
  local value = row[name]
  if value == core.null then return nil end
  return value
end
local get = forms.get

local roles = { human = "user", user = "user", gpt = "assistant", assistant = "assistant",
                system = "system" }

-- What is wrong with a row is raised as { kind, detail } and caught in read.
local function bad(kind, ...)
  error({ kind = kind, detail = select("#", ...) > 0 and string.format(...) or nil }, 0)
end

local function kind_name(value)
  local kind = math.type(value) and "number" or type(value)
  return kind == "table" and (#value > 0 and "a list" or "an object") or
    kind == "boolean" and tostring(value) or "a " .. kind
end

--- A value in a message.
function forms.show(value)
  return type(value) == "table" and kind_name(value) or ("'%s'"):format(tostring(value))
end

local function need_text(value, name)
  if type(value) ~= "string" then
    bad("malformed", "field '%s': a text expected, got %s", name, kind_name(value))
  end
  return value
end

-- A list of messages with roles user, assistant and system.
local function messages(list, name)
  local out = {}
  for k, m in ipairs(list) do
    local who = type(m) == "table" and (get(m, "role") or get(m, "from"))
    if not roles[who] then
      bad("malformed", "field '%s[%d]': a message of system, user or assistant expected", name, k)
    end
    local content = get(m, "content")
    if content == nil then content = get(m, "value") end
    out[k] = { role = roles[who], content = need_text(content, ("%s[%d].content"):format(name, k)) }
  end
  return out
end

-- "\n\nHuman: ...\n\nAssistant: ..." as messages; nil where it is none.
local function transcript(s)
  if not s:find "^%s*Human:" and not s:find "^%s*Assistant:" then return nil end
  local out, rest = {}, "\n\n" .. s:gsub("^%s+", "")
  while rest do
    local who, from = rest:match "^\n\n(%u%l+):()"
    local next_at = math.min(rest:find("\n\nHuman:", from, true) or #rest + 1,
                             rest:find("\n\nAssistant:", from, true) or #rest + 1)
    out[#out + 1] = { role = who == "Human" and "user" or "assistant",
                      content = rest:sub(from, next_at - 1):match "^%s*(.-)%s*$" }
    rest = next_at <= #rest and rest:sub(next_at) or nil
  end
  return out
end

-- A side as messages or text, with what name it has in errors.
local function side(value, name)
  if type(value) == "table" then
    local list = messages(value, name)
    if #list == 0 then bad("malformed", "field '%s': the list is empty", name) end
    return list
  end
  return need_text(value, name)
end

-- The last message, and those before it.
local function answer_of(list, name)
  local last = list[#list]
  if last.role ~= "assistant" then
    bad("malformed", "field '%s': the last message is not the assistant's", name)
  end
  return last.content, table.move(list, 1, #list - 1, 1, {})
end

local function same_messages(a, b)
  if #a ~= #b then return false end
  for k = 1, #a do
    if a[k].role ~= b[k].role or a[k].content ~= b[k].content then return false end
  end
  return true
end

-- Two conversations, of which only the last answers may differ.
local function split_messages(a, b, first, second)
  local x, before = answer_of(a, first)
  local y, other = answer_of(b, second)
  if not same_messages(before, other) then bad "prompts" end
  return { messages = before }, x, y
end

-- What two texts have in common up to a blank, as prompt, and the rests.
local function split_texts(a, b)
  local n, least = 0, math.min(#a, #b)
  while n < least and a:byte(n + 1) == b:byte(n + 1) do n = n + 1 end
  local common = a:sub(1, n):match "^(.*)%s%S*$"
  if not common or not common:find "%S" then bad "no_prompt" end
  return { text = common }, a:sub(#common + 1), b:sub(#common + 1)
end

--- The prompt that a row's columns say, or nil.
function forms.prompt(row)
  local instruction, input = get(row, "instruction"), get(row, "input")
  local value = get(row, "prompt")
  local name = "prompt"
  if value == nil and instruction ~= nil then
    return { instruction = need_text(instruction, "instruction"),
             input = input ~= nil and need_text(input, "input") or nil }
  end
  for _, other in ipairs { "context", "question", "input" } do
    if value == nil then value, name = get(row, other), other end
  end
  if value == nil then return nil end
  if type(value) == "table" then return { messages = messages(value, name) } end
  return { text = need_text(value, name) }
end

-- Two sides and the prompt of their row; whichever of the three are messages.
local function combine(row, a, b, first, second)
  a, b = side(a, first), side(b, second)
  local prompt = forms.prompt(row)
  if type(a) == "string" and type(b) == "string" and not prompt then
    local x, y = transcript(a), transcript(b)
    if not x or not y then return split_texts(a, b) end
    a, b = x, y
  end
  if type(a) ~= type(b) then
    bad("malformed", "%s and %s: both texts, or both messages expected", first, second)
  end
  if type(a) == "string" then return prompt, a, b end
  -- Answers alone go on from the prompt; whole conversations have their own.
  if a[1].role == "assistant" and b[1].role == "assistant" and prompt then
    local list = prompt.messages or { { role = "user", content = prompt.text or
      prompt.instruction .. (prompt.input and "\n\n" .. prompt.input or "") } }
    a = table.move(a, 1, #a, #list + 1, table.move(list, 1, #list, 1, {}))
    b = table.move(b, 1, #b, #list + 1, table.move(list, 1, #list, 1, {}))
  end
  return split_messages(a, b, first, second)
end

-- ---- two answers and which is better ----

local sides = {
  { "response1", "response2" }, { "response_1", "response_2" }, { "response_a", "response_b" },
  { "output_1", "output_2" }, { "output1", "output2" }, { "answer_1", "answer_2" },
  { "completion_a", "completion_b" }, { "conversation_a", "conversation_b" },
}
local words = { model_a = 1, model_b = 2, a = 1, b = 2, A = 1, B = 2, left = 1, right = 2,
                tie = 0, Tie = 0, ["tie (bothbad)"] = 0, both_bad = 0 }
local numbers = { ["1"] = 1, ["2"] = 2, ["0"] = 0 }

-- 1, 2 or 0 (a tie), and the margin that a strength gives.
local function decision(row)
  for _, name in ipairs { "winner", "label" } do
    local value = get(row, name)
    if value ~= nil then
      local which = words[value] or numbers[tostring(math.tointeger(value) or value)]
      if not which then
        bad("malformed", "field '%s': which side is better expected, got %s", name,
            forms.show(value))
      end
      return which
    end
  end
  for _, name in ipairs { "overall_preference", "preference_strength", "preference" } do
    local value = get(row, name)
    if value ~= nil then
      if words[value] then return words[value] end
      local n = type(value) ~= "table" and tonumber(value)
      if not n then
        bad("malformed", "field '%s': a number expected, got %s", name, forms.show(value))
      end
      return n < 0 and 1 or n > 0 and 2 or 0, math.abs(n)
    end
  end
  for which, name in ipairs { "winner_model_a", "winner_model_b" } do
    if tonumber(get(row, name)) == 1 then return which end
  end
  return tonumber(get(row, "winner_tie")) == 1 and 0 or nil
end

local function two_answers(row)
  for _, names in ipairs(sides) do
    local a, b = get(row, names[1]), get(row, names[2])
    if a ~= nil and b ~= nil then
      local which, margin = decision(row)
      if not which then return nil end
      local prompt, x, y = combine(row, a, b, names[1], names[2])
      if which == 2 then x, y = y, x end
      return "pair", { prompt = prompt, chosen = x, rejected = y, margin = margin,
                       tie = which == 0 or nil }
    end
  end
end

-- ---- the other forms ----

local function chosen_rejected(row)
  local a, b = get(row, "chosen"), get(row, "rejected")
  if a == nil or b == nil then return nil end
  local prompt, x, y = combine(row, a, b, "chosen", "rejected")
  return "pair", { prompt = prompt, chosen = x, rejected = y }
end

local good = { [true] = true, [false] = false, positive = true, negative = false, good = true,
               bad = false, desirable = true, undesirable = false, ["1"] = true, ["0"] = false,
               ["true"] = true, ["false"] = false }

-- The prompt and the answer of a row with one.
local function one_answer(row)
  local name = get(row, "completion") ~= nil and "completion" or "response"
  local value = get(row, name)
  if value == nil then return nil end
  local answer, prompt = side(value, name), forms.prompt(row)
  if type(answer) == "table" then
    local before
    answer, before = answer_of(answer, name)
    if #before > 0 then prompt = { messages = before } end
  end
  if not prompt then bad "no_prompt" end
  return prompt, answer
end

local function verdict(row)
  local label = get(row, "verdict")
  if label == nil then label = get(row, "label") end
  if label == nil then return nil end
  local prompt, answer = one_answer(row)
  if not prompt then return nil end
  local word = math.tointeger(label) and tostring(math.tointeger(label)) or label
  if type(word) == "string" then word = word:lower() end
  if good[word] ~= nil then
    return "verdict", { prompt = prompt, completion = answer, good = good[word] }
  end
  if type(word) ~= "string" or word:gsub("[_ -]", " ") ~= "needs improvement" then
    bad("malformed", "verdict %s: positive, negative or needs improvement expected",
        forms.show(label))
  end
  local correction = get(row, "correction")
  return "verdict", { prompt = prompt, completion = answer,
                      correction = correction ~= nil and need_text(correction, "correction") or nil }
end

local function rated(row, o)
  local value = get(row, o.attribute)
  if value == nil then return nil end
  local prompt, answer = one_answer(row)
  if not prompt then return nil end
  local n = type(value) ~= "table" and tonumber(value)
  if not n then
    bad("malformed", "field '%s': a number expected, got %s", o.attribute, forms.show(value))
  end
  return "rated", { prompt = prompt, completion = answer, rating = n }
end

local function first_that_fits(row, o)
  for _, form in ipairs { two_answers, chosen_rejected, verdict, rated } do
    local kind, found = form(row, o)
    if kind then return kind, found end
  end
  local names = {}
  for name in pairs(row) do names[#names + 1] = name end
  table.sort(names)
  return "none", ("no form of preferences has these columns: %s (forms: prompt, chosen, " ..
    "rejected; prompt, completion, label; response1, response2, winner; prompt, response, %s)")
    :format(table.concat(names, ", "):sub(1, 200), o.attribute)
end

--- The kind of a row, and what was found.
function forms.read(row, o)
  local ok, kind, found = pcall(first_that_fits, row, o)
  if ok then return kind, found end
  if type(kind) ~= "table" then error(kind, 0) end
  return kind.kind, kind.detail
end

return forms
