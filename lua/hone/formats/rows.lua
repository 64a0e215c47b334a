-- rows: what a row of each format says, as a record, and back.
--
--   format.read(row)      a list of records, or nil, field, message
--   format.write(record)  a row, or nil and why there is none; lost(name) is called for what
--                         the format cannot hold
--   format.asks           what a task needs to take its records
--   format.fits(row)      whether a row looks like it
--
-- A record: { content, answers = { { kind, name, value } ... }, annotator, order, seconds }.
-- Of a preference the side whose text is smaller, byte by byte, is the left one: so the
-- same two responses are one item, whoever preferred which, and the side says nothing.
-- order (1: the chosen, or a, was shown first; 2: second) becomes that of the sides.
local core = require "hone.core"
local content = require "hone.ask.content"
local forms = require "hone.formats.turns"
local text = require "hone.text"

local formats = {}

local function is(value) return value ~= nil and value ~= core.null end

-- Columns that go with a row as they are, in the content.
local carried = { "margin", "weight", "posterior", "id", "source", "language" }

local function carry(row, c)
  for _, key in ipairs(carried) do
    if is(row[key]) then c[key] = row[key] end
  end
  return c
end

local function carry_back(row, record)
  for _, key in ipairs(carried) do
    if is(record.content[key]) then row[key] = record.content[key] end
  end
  row.item = row.item or record.item
  row.annotator, row.seconds = record.annotator, record.seconds
  return row
end

-- The value of an ask of this kind, and its name.
local function answer_of(record, kind)
  for _, one in ipairs(record.answers) do
    if one.kind == kind then return one.value, one.name end
  end
end

local function by_text(a, b)
  return (type(a) == "string" and a or core.json.encode(a))
    <= (type(b) == "string" and b or core.json.encode(b))
end

-- A record of two sides a and b of which `choice` is "a", "b", "tie" or "bad"; order: 1
-- where a was shown first.
local function pair(row, prompt, a, b, choice, models)
  local straight = by_text(a, b)
  local c = carry(row, { prompt = prompt, left = straight and a or b, right = straight and b or a })
  if models then
    c.left_model, c.right_model = models[straight and 1 or 2], models[straight and 2 or 1]
  end
  local order = is(row.order) and row.order or nil
  if order ~= nil and order ~= 1 and order ~= 2 then
    return nil, "order", ("%s (allowed: 1, 2)"):format(text.value(order))
  end
  -- Which side stood first: 1 the left, 2 the right.
  local first = order and ((order == 1) == straight and 1 or 2) or nil
  local shown = choice
  if choice == "a" or choice == "b" then
    local left = (choice == "a") == straight
    shown = (left == (first ~= 2)) and "first" or "second"
  end
  local margin = math.tointeger(row.margin)
  if (choice == "a" or choice == "b") and margin and margin >= 1 and margin <= 9 then
    shown, c.margin = { choice = shown, strength = margin }, nil
  end
  return { { content = c, order = first and (first == 1 and { 1, 2 } or { 2, 1 }) or nil,
             answers = { { kind = "preference", value = shown } },
             annotator = row.annotator, seconds = row.seconds } }
end

-- Of a record: which of left and right was chosen ("left", "right", "tie", "bad"), its
-- strength, and whether left was shown first (nil: not known).
local function choice_of(record, value)
  local choice, strength = value, nil
  if type(value) == "table" then choice, strength = value.choice, value.strength end
  local first = is(record.order) and content.places(record.order, 2)[1] == 1
  local known = is(record.order)
  if choice == "first" or choice == "second" then
    local left_first = not known or first
    choice = ((choice == "first") == left_first) and "left" or "right"
  end
  if not known then return choice, strength, nil end
  return choice, strength, first
end

local preference_ask = { { kind = "preference", ties = true, bad = true, strength = 9 } }

-- ---- prompt, chosen, rejected ----

local function chosen_sides(row)
  for _, key in ipairs { "chosen", "rejected" } do
    if type(row[key]) ~= "string" and not (type(row[key]) == "table" and #row[key] > 0) then
      return nil, key, ("expected a text or messages, got %s"):format(text.value(row[key]))
    end
  end
  if is(row.prompt) then return row.prompt, row.chosen, row.rejected end
  if type(row.chosen) == "table" and type(row.rejected) == "table" then
    local prompt, a, b = forms.common(row.chosen, row.rejected)
    return prompt, a, b
  end
  return nil, "prompt", "is missing, and chosen and rejected are not both messages"
end

formats.preference = {
  asks = preference_ask,
  fits = function(row) return is(row.chosen) and is(row.rejected) end,
  read = function(row)
    local prompt, a, b = chosen_sides(row)
    if not prompt then return nil, a, b end
    local choice = "a"
    if row.tie == true then choice = row.bad == true and "bad" or "tie" end
    return pair(row, prompt, a, b, choice)
  end,
  write = function(record)
    local value = answer_of(record, "preference")
    local c = record.content
    if not is(value) then return nil, "no preference" end
    local choice, strength, left_first = choice_of(record, value)
    local right = choice == "right"
    local row = { prompt = c.prompt, chosen = right and c.right or c.left,
                  rejected = right and c.left or c.right, margin = strength }
    if choice == "tie" or choice == "bad" then row.tie = true end
    if choice == "bad" then row.bad = true end
    if left_first ~= nil then row.order = (left_first ~= right) and 1 or 2 end
    return carry_back(row, record)
  end,
}

-- ---- prompt, completion, label ----

local verdicts = { [true] = "positive", [false] = "negative" }

formats.completion = {
  asks = { { kind = "verdict" } },
  fits = function(row) return is(row.completion) and type(row.label) == "boolean" end,
  read = function(row)
    if type(row.label) ~= "boolean" then
      return nil, "label", ("expected true or false, got %s"):format(text.value(row.label))
    end
    local prompt, completion = row.prompt, row.completion
    if type(completion) ~= "string" and not (type(completion) == "table" and #completion > 0) then
      return nil, "completion",
        ("expected a text or messages, got %s"):format(text.value(completion))
    end
    return { { content = carry(row, { prompt = prompt, response = completion }),
               answers = { { kind = "verdict", value = verdicts[row.label] } },
               annotator = row.annotator, seconds = row.seconds } }
  end,
  write = function(record)
    local value = answer_of(record, "verdict")
    local word = type(value) == "table" and value.verdict or value
    if word ~= "positive" and word ~= "negative" then
      return nil, word == nil and "no verdict" or "needs improvement is neither true nor false"
    end
    return carry_back({ prompt = record.content.prompt, completion = record.content.response,
                        label = word == "positive" }, record)
  end,
}

-- ---- HH-RLHF ----

formats.hh = {
  asks = preference_ask,
  fits = function(row)
    return type(row.chosen) == "string" and not is(row.prompt) and row.chosen:find("\n\nHuman:", 1,
      true)
  end,
  read = function(row)
    local prompts, last = {}, {}
    for _, key in ipairs { "chosen", "rejected" } do
      if type(row[key]) ~= "string" then
        return nil, key, ("expected a transcript, got %s"):format(text.value(row[key]))
      end
      local messages, problem = forms.from_transcript(row[key])
      if not messages then return nil, key, problem end
      last[#last + 1] = table.remove(messages).content
      prompts[#prompts + 1] = messages
    end
    if core.json.encode(prompts[1]) ~= core.json.encode(prompts[2]) then
      return nil, "rejected", "its prompt is another than that of chosen"
    end
    return pair(row, prompts[1], last[1], last[2], row.tie == true and "tie" or "a")
  end,
  write = function(record, lost)
    local row, why = formats.preference.write(record)
    if not row then return nil, why end
    for _, m in ipairs(type(row.prompt) == "table" and row.prompt or {}) do
      if m.role ~= "user" and m.role ~= "assistant" then lost("turns of " .. tostring(m.role)) end
    end
    row.chosen = forms.to_transcript(row.prompt, row.chosen)
    row.rejected = forms.to_transcript(row.prompt, row.rejected)
    row.prompt = nil
    return row
  end,
}

-- ---- HelpSteer ----

local attributes = { "helpfulness", "correctness", "coherence", "complexity", "verbosity" }

local function helpsteer_asks()
  local list = {}
  for i, name in ipairs(attributes) do
    list[i] = { kind = "rating", name = name, scale = { level = "ordinal", min = 0, max = 4 },
                optional = true }
  end
  return list
end

formats.helpsteer = {
  asks = helpsteer_asks(),
  fits = function(row) return is(row.response) and is(row.helpfulness) end,
  read = function(row)
    if type(row.response) ~= "string" then
      return nil, "response", ("expected a text, got %s"):format(text.value(row.response))
    end
    local answers = {}
    for _, name in ipairs(attributes) do
      local value = row[name]
      if is(value) then
        local n = math.tointeger(value)
        if not n or n < 0 or n > 4 then
          return nil, name, ("%s (allowed: 0 to 4)"):format(text.value(value))
        end
        answers[#answers + 1] = { kind = "rating", name = name, value = n }
      end
    end
    if #answers == 0 then return nil, "helpfulness", "there is no attribute" end
    return { { content = carry(row, { prompt = row.prompt, response = row.response }),
               answers = answers, annotator = row.annotator, seconds = row.seconds } }
  end,
  write = function(record, lost)
    local row, any = { prompt = record.content.prompt, response = record.content.response }, false
    for _, one in ipairs(record.answers) do
      if one.kind ~= "rating" then
        lost(one.name)
      elseif one.value == "na" then
        lost("na of " .. one.name)
      elseif is(one.value) then
        row[one.name], any = one.value, true
      end
    end
    if not any then return nil, "no rating" end
    if not is(row.response) then return nil, "ratings of several responses" end
    return carry_back(row, record)
  end,
}

-- ---- Arena ----

local winners = { model_a = "a", model_b = "b", tie = "tie", ["tie (bothbad)"] = "bad",
                  both_bad = "bad" }

local function arena_sides(row)
  local a = is(row.conversation_a) and row.conversation_a or row.response_a
  local b = is(row.conversation_b) and row.conversation_b or row.response_b
  if type(a) == "table" and type(b) == "table" and #a > 0 and #b > 0 then
    return forms.common(a, b)
  end
  if type(a) == "string" and type(b) == "string" then return row.prompt or "", a, b end
end

formats.arena = {
  asks = preference_ask,
  fits = function(row) return is(row.winner) and is(row.model_a) end,
  read = function(row)
    local choice = winners[row.winner]
    if not choice then
      return nil, "winner", ("%s (allowed: model_a, model_b, tie, tie (bothbad))"):format(
        text.value(row.winner))
    end
    local prompt, a, b = arena_sides(row)
    if not prompt then
      return nil, "conversation_a", "expected conversations, or response_a and response_b"
    end
    local given = { annotator = row.annotator or row.judge, order = row.order or 1,
                    seconds = row.seconds, margin = row.margin, weight = row.weight,
                    posterior = row.posterior, id = row.id or row.question_id }
    return pair(given, prompt, a, b, choice, { row.model_a, row.model_b })
  end,
  write = function(record)
    local value = answer_of(record, "preference")
    if not is(value) then return nil, "no preference" end
    local c = record.content
    local choice, strength, left_first = choice_of(record, value)
    -- a is what was shown first.
    local swap = left_first == false
    local left, right = "model_a", "model_b"
    if swap then left, right = right, left end
    local words = { left = left, right = right, tie = "tie", bad = "tie (bothbad)" }
    local row = { winner = words[choice], margin = strength,
                  model_a = swap and c.right_model or not swap and c.left_model or core.null,
                  model_b = swap and c.left_model or not swap and c.right_model or core.null,
                  conversation_a = forms.conversation(c.prompt, swap and c.right or c.left),
                  conversation_b = forms.conversation(c.prompt, swap and c.left or c.right) }
    if row.model_a == nil then row.model_a = core.null end
    if row.model_b == nil then row.model_b = core.null end
    return carry_back(row, record)
  end,
}

return formats
