-- correction: a response, put right.
--   { text = "..." }; of several responses { of = 2, text = "..." }, as shown. Stored as
--   { of = 2, diff = { ... } }, a difference of words (words.lua). It becomes a sample to
--   learn from, and one that prefers it to what it corrects (collected.lua). Rows say
--   whether a response was changed.
local content = require "hone.ask.content"
local core = require "hone.core"
local text = require "hone.text"
local words = require "hone.ask.words"

local correction = {
  optional = true,
  question = "What should it say?",
  schema = {},
}

function correction.free_text() return true end

--- The corrected text; nil and why where there is none.
function correction.text(value, before)
  if value.text ~= nil then return value.text end
  return words.apply(before, value.diff)
end

--- What is wrong with { text } or { diff } of a text.
function correction.check_text(value, before)
  if type(value) ~= "table" then
    return ("expected { text = ... }, got %s"):format(text.value(value))
  end
  if (value.text == nil) == (value.diff == nil) then return "expected a text, or a diff" end
  if value.text ~= nil and type(value.text) ~= "string" then
    return ("text: expected a text, got %s"):format(text.value(value.text))
  end
  if value.diff ~= nil then
    if type(value.diff) ~= "table" then
      return ("diff: expected a list, got %s"):format(text.value(value.diff))
    end
    for i, run in ipairs(value.diff) do
      if type(run) ~= "table" then return ("diff: run %d is no list"):format(i) end
    end
  end
  local after, problem = correction.text(value, before)
  if not after then return "diff: " .. problem end
  if not utf8.len(after) then return "text: it is not UTF-8" end
  if not after:find("%S") then return "text: it is empty" end
end

function correction.pack_text(value, before)
  return { diff = core.json.list(value.diff or words.diff(before, value.text)) }
end

local function shown_of(value, c, order)
  local shown = content.shown(c, order)
  local of = type(value) == "table" and value.of
  if of == nil and #shown == 1 then of = 1 end
  return shown[math.tointeger(of)], shown, of
end

function correction.check(_, value, c, order)
  if type(value) ~= "table" then
    return ("expected { text = ... }, got %s"):format(text.value(value))
  end
  local target, shown, of = shown_of(value, c, order)
  if #shown == 0 then return "the item has no response to correct" end
  if not target then
    return ("of: %s is none of the responses (allowed: 1 to %d)"):format(text.value(of), #shown)
  end
  return correction.check_text(value, target.text)
end

function correction.pack(_, value, c, order)
  local target, shown, of = shown_of(value, c, order)
  local out = correction.pack_text(value, target.text)
  out.of = #shown > 1 and of or nil
  return out
end

local function edit(self, target, of)
  return { title = self.question, kind = "edit", text = target.text,
           put = function(_, said) return { of = of, text = said } end }
end

function correction.fields(self, c, order)
  local shown = content.shown(c, order)
  local choices = {}
  for i = 1, math.min(9, #shown) do
    choices[i] = { value = i, label = #shown == 1 and "correct it" or "correct response " .. i,
                   key = tostring(i) }
  end
  return { { title = "Correct a response?", kind = "key", optional = self.optional,
             choices = choices, put = function() return nil end,
             after = function(i)
    return i and { edit(self, shown[i], #shown > 1 and i or nil) } or nil
  end } }
end

function correction.table() return { level = "nominal", labels = { "unchanged", "changed" } } end

function correction.rows(_, value, c, order)
  local target, shown = shown_of(value, c, order)
  local after = correction.text(value, target.text)
  return { { place = #shown > 1 and target.place or nil,
             value = after == target.text and "unchanged" or "changed",
             corrected = { text = after, place = target.place } } }
end

return correction
