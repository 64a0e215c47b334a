-- verdict: positive, needs improvement, or negative.
--   "positive", or with correction = true { verdict = "needs improvement",
--   correction = { text = "..." } }: what it should have said instead (correction.lua).
local ask = require "hone.ask"
local correction = require "hone.ask.correction"
local text = require "hone.text"

local words = { "negative", "needs improvement", "positive" }

local verdict = {
  each = true,
  question = "What do you think of it?",
  schema = {
    { "correction", "boolean", default = false, doc = "needs improvement asks for one" },
  },
}

function verdict.free_text(self) return self.correction end

local function parts(value)
  if type(value) == "table" then return value.verdict, value.correction end
  return value, nil
end

function verdict.check(self, value, c, order, target)
  local word, fixed = parts(value)
  local problem = ask.none_of(word, words)
  if problem then return problem end
  if fixed ~= nil and not self.correction then return "correction: is not asked" end
  if word ~= "needs improvement" then
    return fixed ~= nil and ("correction: '%s' has none"):format(word) or nil
  end
  if fixed == nil then
    return self.correction and "correction: is missing ('needs improvement' asks for one)" or nil
  end
  problem = correction.check_text(fixed, target.text)
  return problem and "correction: " .. problem
end

function verdict.pack(_, value, _, _, target)
  local word, fixed = parts(value)
  if fixed == nil then return word end
  return { verdict = word, correction = correction.pack_text(fixed, target.text) }
end

function verdict.fields(self, _, _, target)
  local field = { title = self.question, kind = "key", choices = {
    { value = "positive", label = "positive", key = "1" },
    { value = "needs improvement", label = "needs improvement", key = "2" },
    { value = "negative", label = "negative", key = "3" } } }
  if self.correction then
    field.after = function(answer)
      if answer ~= "needs improvement" then return nil end
      return { { title = "What should it say?", kind = "edit", text = target.text,
                 put = function(value, said)
        return { verdict = value, correction = { text = said } }
      end } }
    end
  end
  return { field }
end

function verdict.table() return { level = "ordinal", labels = words } end

function verdict.rows(_, value, _, _, target)
  local word, fixed = parts(value)
  local corrected = fixed and { text = correction.text(fixed, target.text), place = target.place }
  return { { value = word, corrected = corrected } }
end

return verdict
