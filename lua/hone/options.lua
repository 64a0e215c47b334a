-- options: tables of options for what is written in Lua, checked as plugins' are.
--
--   local schema = { { "epochs", "integer", default = 1, min = 1, doc = "passes over the data" },
--                    { "batch", "table", options = { ... } } }
--   local o = options.check("sft", schema, given)
--
-- Types: boolean, integer, number, string, path, choice (choices = { ... }),
-- table (options = { ... }), list (of = type), range ({ low, high }), function, any;
-- objects: model, data, plugin (kind = "optimizer"), reward (what scores samples).
-- open_min, open_max: the end is left out.
local core = require "hone.core"
local text = require "hone.text"

local options = {}

--- What a value is, for messages: "an integer", "a hone.model".
local function kind_of(value)
  local meta = type(value) == "userdata" and getmetatable(value)
  if meta and meta.__name then
    return meta.__name == "hone.plugin" and value.kind .. "/" .. value.name
      or meta.__name:gsub("^hone%.", "a ")
  end
  return type(value) == "string" and ("'%s'"):format(value) or ("a %s"):format(type(value))
end

local function is_object(value, name)
  local meta = type(value) == "userdata" and getmetatable(value)
  return meta and meta.__name == name
end

local function fail(where, message, ...)
  core.fail(("%s: " .. message):format(where, ...))
end

local function expect(where, value, good, what)
  if not good then fail(where, "expected %s, got %s", what, kind_of(value)) end
  return value
end

local function range_text(spec)
  local low = spec.min and ((spec.open_min and "> " or ">= ") .. text.number(spec.min))
  local high = spec.max and ((spec.open_max and "< " or "<= ") .. text.number(spec.max))
  return low and high and low .. " and " .. high or low or high
end

local function in_range(where, value, spec)
  local low = not spec.min or value > spec.min or (value == spec.min and not spec.open_min)
  local high = not spec.max or value < spec.max or (value == spec.max and not spec.open_max)
  if not (low and high) then
    fail(where, "%s is out of range (allowed: %s)", text.number(value), range_text(spec))
  end
  return value
end

local check = {}

function check.any(_, value) return value end
function check.boolean(where, v) return expect(where, v, type(v) == "boolean", "true or false") end
function check.string(where, v) return expect(where, v, type(v) == "string", "a text") end
check.path = check.string
check["function"] = function(where, v)
  return expect(where, v, type(v) == "function", "a function")
end

function check.integer(where, v, spec)
  local n = type(v) == "number" and math.tointeger(v)
  expect(where, v, n, "an integer")
  return in_range(where, n, spec)
end

function check.number(where, v, spec)
  expect(where, v, type(v) == "number", "a number")
  expect(where, v, v == v and v ~= math.huge and v ~= -math.huge, "a finite number")
  return in_range(where, v, spec)
end

function check.choice(where, v, spec)
  expect(where, v, type(v) == "string", "a text")
  for _, word in ipairs(spec.choices) do
    if v == word then return v end
  end
  fail(where, "'%s' is not one of %s%s", v, table.concat(spec.choices, ", "),
       text.suggest(v, { table.unpack(spec.choices) }))
end

function check.table(where, v, spec)
  expect(where, v, type(v) == "table", "a table")
  return options.check(where, spec.options, v)
end

function check.list(where, v, spec)
  expect(where, v, type(v) == "table", "a list")
  local out = {}
  for i, item in ipairs(v) do
    out[i] = check[spec.of](("%s: item %d"):format(where, i), item, spec)
  end
  return out
end

function check.range(where, v, spec)
  expect(where, v, type(v) == "table" and #v == 2, "{ low, high }")
  return { check.number(where .. ": low", v[1], spec), check.number(where .. ": high", v[2], spec) }
end

--- Anything that scores samples: see hone.reward.
function check.reward(where, v)
  local ok, reward = pcall(require("hone.reward").of, v)
  if not ok then fail(where, "%s", require("hone.object").plain(reward)) end
  return reward
end

function check.model(where, v) return expect(where, v, is_object(v, "hone.model"), "a model") end

-- A dataset, or the parts that data:split gives.
function check.data(where, v)
  local parts = type(v) == "table" and is_object(v.train, "hone.data")
  return expect(where, v, parts or is_object(v, "hone.data"), "data, or its parts")
end

function check.plugin(where, v, spec)
  return expect(where, v, is_object(v, "hone.plugin") and v.kind == spec.kind,
                ("a plugin of kind %s"):format(spec.kind))
end

local function unknown(where, schema, key)
  local known = {}
  for i, spec in ipairs(schema) do known[i] = spec[1] end
  fail(where, "unknown option '%s'%s", tostring(key), text.suggest(tostring(key), known))
end

--- The options in force: what was given, checked, over the defaults.
function options.check(where, schema, given)
  if given == nil then given = {} end
  if type(given) ~= "table" then
    fail(where, "options are a table { name = value }, not %s", kind_of(given))
  end
  local out, specs = {}, {}
  for _, spec in ipairs(schema) do specs[spec[1]] = spec end
  for key in pairs(given) do
    if not specs[key] then unknown(where, schema, key) end
  end
  for _, spec in ipairs(schema) do
    local name, value = spec[1], given[spec[1]]
    if value == nil then value = spec.default end
    if value == nil and spec.required then fail(where, "%s is missing (%s)", name, spec.doc) end
    if value == nil and spec[2] == "table" and not spec.optional then value = {} end
    if value ~= nil then
      out[name] = check[spec[2]](("%s: %s"):format(where, name), value, spec)
    end
  end
  return out
end

return options
