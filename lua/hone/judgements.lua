-- judgements: the table that quality and bias plugins take.
--
--   hone.judgements.load("labels.csv", { item = "question", annotator = "who", value = "label" })
--   hone.judgements(rows, { ... })            rows: a list of tables, or data
--   hone.judgements { level = "nominal" }     to add to
--   hone.judgements.set { preference = a, concise = b }    several, of one task
--
-- A table, or a set, checks and aggregates: see checked.lua and labels.lua.
local core = require "hone.core"
local object = require "hone.object"
local options = require "hone.options"

local levels = { "nominal", "ordinal", "interval", "ratio", "pair", "ranking", "region" }

local new_schema = {
  { "level", "choice", default = "nominal", choices = levels, doc = "of measurement" },
}
local schema = {
  { "item", "string", default = "item",
    doc = "column; false: pairs are named after their options" },
  { "annotator", "string", default = "annotator", doc = "column" },
  { "value", "string", default = "value", doc = "column" },
  { "left", "string", default = "left", doc = "column of a pair" },
  { "right", "string", default = "right", doc = "column of a pair" },
  { "strength", "string", doc = "column of a pair, >= 0" },
  { "ranking", "string", default = "ranking", doc = "column: a list of options, ties as lists" },
  { "region", "string", default = "region",
    doc = "column: { start, end } or { x, y, width, height }" },
  { "weight", "string", doc = "column" },
  { "time", "string", doc = "column, seconds" },
  { "order", "string", doc = "column: which side was shown first, 1 or 2" },
  { "labels", "any",
    doc = "all that are allowed, in order; of pairs: the words for left, right, tie, bad" },
  { "range", "any", doc = "{ low, high } of numbers" },
  { "duplicates", "choice", default = "error", choices = { "error", "latest", "first", "both" },
    doc = "what to do with a second value of an annotator for an item" },
  new_schema[1],
}
local load_schema = {
  { "attributes", "list", of = "string", doc = "columns that describe annotators" },
  { "item_attributes", "list", of = "string", doc = "columns that describe items" },
  table.unpack(schema),
}

-- item = false is for pairs only: both orders of two options are one item then.
local function map(where, with, given)
  local unnamed = type(given) == "table" and given.item == false
  if unnamed then
    local copy = {}
    for key, value in pairs(given) do copy[key] = value end
    copy.item, given = nil, copy
  end
  local o = options.check(where, with, given)
  if o.range and (type(o.range) ~= "table" or #o.range ~= 2) then
    core.fail(("%s: range: expected { low, high }"):format(where))
  end
  if unnamed then
    if o.level ~= "pair" then core.fail(("%s: item: only pairs may go without"):format(where)) end
    o.item = nil
  end
  return o
end

local judgements = {}

--- CSV, TSV, JSON or JSONL, plain or .gz.
function judgements.load(path, given)
  if type(path) ~= "string" then core.fail("judgements.load: takes the path of a file") end
  return core.judgements_load(path, map("judgements.load", load_schema, given))
end

local methods = core.judgements

--- Run quality plugins: see hone.checked.
function methods:check(given) return require "hone.checked".new({ [""] = self }, given) end

--- Aggregate without a check first.
function methods:aggregate(by) return self:check({}):aggregate(by) end

local Set = { __name = "hone.judgements.set" }
Set.__index = Set

--- Tables by the name of what was asked.
function judgements.set(tables)
  if type(tables) ~= "table" or not next(tables) then
    core.fail("judgements.set: takes a table { name = judgements }")
  end
  for name, table_ in pairs(tables) do
    if type(name) ~= "string" or object(table_) ~= "hone.judgements" then
      core.fail(("judgements.set: %s: expected judgements"):format(name))
    end
  end
  return setmetatable({ tables = tables }, Set)
end

function Set:check(given) return require "hone.checked".new(self.tables, given) end
function Set:aggregate(by) return self:check({}):aggregate(by) end
function Set:__tostring()
  local words = {}
  for name, table_ in pairs(self.tables) do words[#words + 1] = ("%s: %s"):format(name, table_) end
  table.sort(words)
  return table.concat(words, "\n")
end

return setmetatable(judgements, { __call = function(_, rows, columns)
  if columns == nil and type(rows) == "table" and #rows == 0 then
    return core.judgements_new(options.check("judgements", new_schema, rows))
  end
  if type(rows) == "userdata" then
    local list = {}
    for i = 1, #rows do list[i] = rows[i] end
    rows = list
  end
  return core.judgements_from(rows, map("judgements", schema, columns))
end })
