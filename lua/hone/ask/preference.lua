-- preference: which of two responses is better.
--   "first", "second" (as shown), "tie", "bad" (both); with strength = 3 also
--   { choice = "first", strength = 2 }: 1 slightly, 3 much.
local ask = require "hone.ask"
local content = require "hone.ask.content"
local core = require "hone.core"
local text = require "hone.text"

local preference = {
  question = "Which response is better?",
  schema = {
    { "ties", "boolean", default = true, doc = "as good as each other is an answer" },
    { "bad", "boolean", default = false, doc = "both are bad is an answer" },
    { "strength", "integer", default = 0, min = 0, max = 9,
      doc = "steps from slightly to much better; 0: is not asked" },
  },
}

local function allowed(self)
  local list = { "first", "second" }
  if self.ties then list[#list + 1] = "tie" end
  if self.bad then list[#list + 1] = "bad" end
  return list
end

function preference.check(self, value, c)
  local n = #content.options(c)
  if n ~= 2 then return ("the item has %s; a preference is between 2"):format(
    text.count(n, "response")) end
  local choice, strength = value, nil
  if type(value) == "table" then choice, strength = value.choice, value.strength end
  local problem = ask.none_of(choice, allowed(self))
  if problem or strength == nil then return problem end
  if choice == "tie" or choice == "bad" then return "strength: a tie has none" end
  local n = math.tointeger(strength)
  if self.strength == 0 then return "strength: is not asked" end
  if not n or n < 1 or n > self.strength then
    return ("strength: %s is out of range (allowed: 1 to %d)"):format(text.value(strength),
      self.strength)
  end
end

local function strengths(self)
  local values, labels = {}, {}
  for i = 1, self.strength do
    values[i] = i
    labels[i] = i == 1 and "slightly" or i == self.strength and "much" or tostring(i)
  end
  return ask.choices(values, labels)
end

function preference.fields(self)
  local choices = { { value = "first", label = "the first", key = "1" },
                    { value = "second", label = "the second", key = "2" } }
  if self.ties then choices[#choices + 1] = { value = "tie", label = "as good", key = "3" } end
  if self.bad then choices[#choices + 1] = { value = "bad", label = "both bad", key = "4" } end
  local field = { title = self.question, kind = "key", choices = choices }
  if self.strength > 0 then
    field.after = function(answer)
      if answer ~= "first" and answer ~= "second" then return nil end
      return { { title = "How much better?", kind = "key", choices = strengths(self),
                 put = function(value, n) return { choice = value, strength = n } end } }
    end
  end
  return { field }
end

function preference.table()
  return { level = "pair", value = "value", left = "left", right = "right",
           strength = "strength", order = "order", labels = { "left", "right", "tie", "bad" } }
end

function preference.rows(_, value, c, order)
  local choice, strength = value, nil
  if type(value) == "table" then choice, strength = value.choice, value.strength end
  local places = content.places(order, #content.options(c))
  local first = places[1] == 1
  if choice == "first" then choice = first and "left" or "right"
  elseif choice == "second" then choice = first and "right" or "left" end
  -- Judgements made elsewhere may not say what was shown first.
  local shown = order ~= nil and order ~= core.null and (first and 1 or 2) or nil
  return { { left = 1, right = 2, value = choice, strength = strength, order = shown } }
end

return preference
