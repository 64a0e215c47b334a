-- ask: what people are asked of an item.
--
--   store:task { name = "answers", ask = {
--     hone.ask.preference { ties = true, strength = 3 },
--     hone.ask.rating(concise),
--     hone.ask.correction {} } }
--
-- Kinds, a file each in ask/: preference, ranking, rating, labels, spans, verdict,
-- correction, conversation, regions. An ask is data (it goes into the store as `spec`)
-- with these methods; `content` and `order` as ask/content.lua has them:
--
--   ask.kind, ask.name, ask.optional
--   ask:spec()                              a table for JSON; ask.of(spec) is the ask again
--   ask:validate(value, content, order)     nil, or what is wrong, in words
--   ask:pack(value, content, order)         the value as it is stored (a corrected text: a diff)
--   ask:fields(content, order)              what a terminal puts, one after another
--   ask:table(), ask:rows(value, content, order)   columns and rows of hone.judgements
--
-- Values are in shown places: "first" is what this annotator saw first. rows() undoes
-- the order. A kind that judges one text (`each`) takes a list of values, one a text
-- in shown places, where the item shows several.
--
-- A field: { title, kind = "key" | "keys" | "order" | "line" | "edit", put } and, by kind,
--   key, keys    choices = { { value, label, key } }     one of them; any of them
--   order        count, ties, partial                    places, best first
--   line         parse(text) -> value, or nil and why; many: lines until an empty one
--   edit         text: to begin with
--   optional     Enter alone leaves it out
--   put(value, answer)   the ask's value with the field's answer in it
--   after(answer)        more fields that this answer asks for, or nil
local content = require "hone.ask.content"
local core = require "hone.core"
local options = require "hone.options"
local text = require "hone.text"

local ask = {}
local kinds = { "conversation", "correction", "labels", "preference", "ranking", "rating",
                "regions", "spans", "verdict" }

local Ask = { __name = "hone.ask" }

local function kind_of(name)
  for _, known in ipairs(kinds) do
    if name == known then return require("hone.ask." .. name) end
  end
end

function Ask:__index(key) return Ask[key] or rawget(self, "is")[key] end
function Ask:__tostring() return ("ask %s (%s)"):format(self.name, self.kind) end

local function is(value) return value ~= nil and value ~= core.null end

local common = {
  { "name", "string", doc = "of what is asked; default: the kind" },
  { "question", "string", doc = "put to people; default: by the kind" },
  { "optional", "boolean", doc = "may be left out" },
}

local function schema_of(kind)
  local list = { table.unpack(common) }
  for _, spec in ipairs(kind.schema) do list[#list + 1] = spec end
  return list
end

local function new(name, given)
  local kind = kind_of(name)
  if kind.take then given = kind.take(given) end
  local o = options.check("ask." .. name, schema_of(kind), given)
  o.name = o.name or name
  if not o.name:find("^[%w_][%w_.-]*$") then
    core.fail(("ask.%s: name: '%s' (allowed: letters, digits, _ . -)"):format(name, o.name))
  end
  if o.optional == nil then o.optional = kind.optional or false end
  o.kind, o.is = name, kind
  if kind.init then kind.init(o) end
  o.question = o.question or kind.question
  return setmetatable(o, Ask)
end

-- ---- one ask ----

function Ask:spec()
  local out = { kind = self.kind }
  for _, spec in ipairs(schema_of(self.is)) do
    local value = rawget(self, spec[1])
    if value ~= nil and type(value) ~= "function" then out[spec[1]] = value end
  end
  -- The store may be asked to forget free text.
  if self.is.free_text and self.is.free_text(self) then out.text = true end
  return out
end

--- What values are about: the texts of the item in shown places, { text, place }; one
--- nameless where the whole item is judged.
function Ask:targets(c, order)
  if not self.is.each then return nil end
  local shown = content.shown(c, order)
  return #shown > 0 and shown or { { text = "" } }
end

local function list_problem(value, n)
  if type(value) ~= "table" or #value ~= n then
    return ("expected a list of %d, one a response, got %s"):format(n, text.value(value))
  end
end

function Ask:validate(value, c, order)
  if not is(value) then
    return not self.optional and ("%s: an answer is missing"):format(self.name) or nil
  end
  local function said(where, problem)
    return problem and ("%s: %s%s"):format(self.name, where, problem) or nil
  end
  local targets = self:targets(c, order)
  if not targets or #targets == 1 then
    return said("", self.is.check(self, value, c, order, targets and targets[1]))
  end
  local problem = list_problem(value, #targets)
  if problem then return said("", problem) end
  for i, target in ipairs(targets) do
    problem = is(value[i]) and self.is.check(self, value[i], c, order, target)
      or not is(value[i]) and not self.optional and "an answer is missing"
    if problem then return said(("response %d: "):format(i), problem) end
  end
end

function Ask:pack(value, c, order)
  local pack = self.is.pack
  if not pack or not is(value) then return value end
  local targets = self:targets(c, order)
  if not targets or #targets == 1 then
    return pack(self, value, c, order, targets and targets[1])
  end
  local out = core.json.list {}
  for i, target in ipairs(targets) do
    out[i] = is(value[i]) and pack(self, value[i], c, order, target) or core.null
  end
  return out
end

-- A field whose answer goes to place i of a list of n.
local function placed(field, i, n)
  local put, after = field.put or function(_, answer) return answer end, field.after
  field.title = ("%s, response %d"):format(field.title, i)
  field.put = function(value, answer)
    value = value or core.json.list {}
    for k = #value + 1, n do value[k] = core.null end
    value[i] = put(is(value[i]) and value[i] or nil, answer)
    return value
  end
  field.after = after and function(answer)
    local more = after(answer) or {}
    for _, one in ipairs(more) do placed(one, i, n) end
    return more
  end
  return field
end

function Ask:fields(c, order)
  local targets, list = self:targets(c, order), {}
  if not targets or #targets == 1 then
    list = self.is.fields(self, c, order, targets and targets[1])
  else
    for i, target in ipairs(targets) do
      for _, field in ipairs(self.is.fields(self, c, order, target)) do
        list[#list + 1] = placed(field, i, #targets)
      end
    end
  end
  for _, field in ipairs(list) do
    field.optional = field.optional or self.optional
    field.put = field.put or function(_, answer) return answer end
  end
  return list
end

function Ask:table() return self.is.table(self) end

--- Rows of one stored value: { place, left, right, value, ranking, region, strength, order,
--- part }, places as the item has them; part: what of the item, where several rows are
--- about parts.
function Ask:rows(value, c, order)
  if not is(value) then return {} end
  local targets, out = self:targets(c, order), {}
  if not targets then return self.is.rows(self, value, c, order) end
  for i, target in ipairs(targets) do
    local one = value
    if #targets > 1 then one = value[i] end
    for _, row in ipairs(is(one) and self.is.rows(self, one, c, order, target) or {}) do
      row.place = #targets > 1 and target.place or nil
      out[#out + 1] = row
    end
  end
  return out
end

-- ---- several ----

--- The ask that a spec is of, as a store has it.
function ask.of(spec)
  if type(spec) ~= "table" or not kind_of(spec.kind) then
    core.fail(("ask: kind: %s is none (allowed: %s)%s"):format(
      text.value(type(spec) == "table" and spec.kind or spec), table.concat(kinds, ", "),
      type(spec) == "table" and type(spec.kind) == "string"
        and text.suggest(spec.kind, { table.unpack(kinds) }) or ""))
  end
  local given = {}
  for key, value in pairs(spec) do
    if key ~= "kind" and key ~= "text" then given[key] = value end
  end
  return new(spec.kind, given)
end

--- A list of asks, of asks or specs: names differ.
function ask.list(given)
  if type(given) ~= "table" then core.fail("ask: takes a list of asks") end
  if getmetatable(given) == Ask or given.kind then given = { given } end
  local list, seen = {}, {}
  for i, one in ipairs(given) do
    list[i] = getmetatable(one) == Ask and one or ask.of(one)
    if seen[list[i].name] then
      core.fail(("ask: two are named '%s'; give one another name = "):format(list[i].name))
    end
    seen[list[i].name] = list[i]
  end
  if #list == 0 then core.fail("ask: the list is empty") end
  return list, seen
end

function ask.specs(list)
  local out = core.json.list {}
  for i, one in ipairs(ask.list(list)) do out[i] = one:spec() end
  return out
end

--- What is wrong with the answers { name = value } to all asks; nil: nothing.
function ask.problem(list, answers, c, order)
  if type(answers) ~= "table" then
    return ("answers: expected { ask = value }, got %s"):format(text.value(answers))
  end
  local known, names = {}, {}
  for i, one in ipairs(list) do known[one.name], names[i] = one, one.name end
  for name in pairs(answers) do
    if not known[name] then
      return ("answers: '%s' is not asked%s"):format(tostring(name),
        text.suggest(tostring(name), names))
    end
  end
  for _, one in ipairs(list) do
    local problem = one:validate(answers[one.name], c, order)
    if problem then return problem end
  end
end

--- All answers as they are stored.
function ask.pack(list, answers, c, order)
  local out = {}
  for _, one in ipairs(list) do out[one.name] = one:pack(answers[one.name], c, order) end
  return out
end

-- ---- shared by kinds ----

local keys = "123456789abcdehijklmnoprtvwxyz"

--- Choices with a key each: digits, then letters that no command of the terminal has.
function ask.choices(values, labels)
  local list = {}
  for i, value in ipairs(values) do
    list[i] = { value = value, label = labels and labels[i] or tostring(value),
                key = keys:sub(i, i) ~= "" and keys:sub(i, i) or nil }
  end
  return list
end

--- "a, b, c" for messages.
function ask.words(list)
  local out = {}
  for i, value in ipairs(list) do out[i] = tostring(value) end
  return table.concat(out, ", ")
end

--- What is wrong with a value that should be one of a list.
function ask.none_of(value, list)
  for _, known in ipairs(list) do
    if value == known then return nil end
  end
  return ("%s is none of these (allowed: %s)"):format(
    type(value) == "string" and ("'%s'"):format(value) or text.value(value), ask.words(list))
end

ask.content = content

return setmetatable(ask, { __index = function(_, name)
  if not kind_of(name) then
    core.fail(("ask has no '%s'%s"):format(tostring(name),
      text.suggest(tostring(name), { table.unpack(kinds) })))
  end
  return function(given) return new(name, given) end
end })
