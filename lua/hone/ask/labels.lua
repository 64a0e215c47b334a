-- labels: one of a list, or with many = true any of it.
--   "insult", or { "insult", "spam" }. Of many, each label is a yes or a no of its own.
local ask = require "hone.ask"
local core = require "hone.core"
local text = require "hone.text"

local labels = {
  each = true,
  question = "Which label fits?",
  schema = {
    { "labels", "list", of = "string", required = true, doc = "all that there are" },
    { "many", "boolean", default = false, doc = "any number of them fit" },
    { "least", "integer", default = 0, min = 0, doc = "of many" },
    { "ordered", "boolean", default = false, doc = "the list goes from less to more" },
  },
}

function labels.init(self)
  local seen = {}
  for _, label in ipairs(self.labels) do
    if seen[label] then core.fail(("ask.labels: '%s' is there twice"):format(label)) end
    seen[label] = true
  end
  if #self.labels < (self.many and 1 or 2) then core.fail("ask.labels: labels: too few") end
end

function labels.check(self, value)
  if not self.many then return ask.none_of(value, self.labels) end
  if type(value) ~= "table" then
    return ("expected a list of labels, got %s"):format(text.value(value))
  end
  local seen = {}
  for _, label in ipairs(value) do
    local problem = ask.none_of(label, self.labels)
    if problem then return problem end
    if seen[label] then return ("'%s' is there twice"):format(label) end
    seen[label] = true
  end
  if #value < self.least then
    return ("%s (allowed: %d or more)"):format(text.count(#value, "label"), self.least)
  end
end

function labels.fields(self)
  return { { title = self.question, kind = self.many and "keys" or "key", least = self.least,
             choices = ask.choices(self.labels) } }
end

function labels.table(self)
  if self.many then return { level = "nominal", labels = { "no", "yes" } } end
  return { level = self.ordered and "ordinal" or "nominal", labels = self.labels }
end

function labels.rows(self, value)
  if not self.many then return { { value = value } } end
  local has, rows = {}, {}
  for _, label in ipairs(value) do has[label] = true end
  for i, label in ipairs(self.labels) do
    rows[i] = { part = label, value = has[label] and "yes" or "no" }
  end
  return rows
end

return labels
