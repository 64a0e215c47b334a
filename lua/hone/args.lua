-- args: the script's arguments, key=value, typed by their defaults.
--
--   local args = hone.args { model = hone.required.path, epochs = 3 }
--   hone run script.lua model=models/small epochs=5
local core = require "hone.core"
local invocation = require "hone.invocation"
local text = require "hone.text"

local args = { required = {} }

local types = { path = "a path", string = "a text", integer = "an integer", number = "a number",
                boolean = "true or false" }
for name in pairs(types) do args.required[name] = { required = true, type = name } end
setmetatable(args.required, { __index = function(_, name)
  core.fail(("hone.required has no '%s' (there are: boolean, integer, number, path, string)")
    :format(name))
end })

local function type_of(name, default)
  if type(default) == "table" and default.required then return default.type end
  if math.type(default) == "integer" then return "integer" end
  if math.type(default) == "float" then return "number" end
  if type(default) == "boolean" or type(default) == "string" then return type(default) end
  core.fail(("args: %s: a default is a text, a number, true or false, or hone.required.TYPE")
    :format(name))
end

local convert = {
  path = function(s) return s ~= "" and s or nil end,
  string = function(s) return s end,
  integer = function(s) return math.tointeger(tonumber(s)) end,
  number = function(s)
    local n = tonumber(s)
    return n and n == n and math.abs(n) ~= math.huge and n + 0.0 or nil
  end,
  boolean = function(s) return ({ ["true"] = true, yes = true, on = true, ["false"] = false,
                                  no = false, off = false })[s] end,
}

-- "model=PATH data=PATH [epochs=3] [seed=7]", what must be given first.
local function usage(spec)
  local needed, optional = {}, {}
  for name, default in pairs(spec) do
    if type(default) == "table" then
      needed[#needed + 1] = ("%s=%s"):format(name, default.type:upper())
    else
      optional[#optional + 1] = ("[%s=%s]"):format(name, tostring(default))
    end
  end
  table.sort(needed)
  table.sort(optional)
  table.move(optional, 1, #optional, #needed + 1, needed)
  return table.concat(needed, " ")
end

local function fail(spec, message, ...)
  core.fail(("args: " .. message):format(...) .. "\n  usage: " ..
            invocation.script .. " " .. usage(spec))
end

--- The arguments of this script, by name.
function args.parse(spec)
  if type(spec) ~= "table" then core.fail("args: takes a table { name = default }") end
  local out, known = {}, {}
  for name, default in pairs(spec) do
    known[#known + 1] = name
    type_of(name, default)
    if type(default) ~= "table" then out[name] = default end
  end
  for _, word in ipairs(invocation.words) do
    local name, value = word:match("^([%w_%-]+)=(.*)$")
    if not name then fail(spec, "'%s' is not name=value", word) end
    if spec[name] == nil then
      fail(spec, "unknown argument '%s'%s", name, text.suggest(name, known))
    end
    local kind = type_of(name, spec[name])
    out[name] = convert[kind](value)
    if out[name] == nil then fail(spec, "%s: expected %s, got '%s'", name, types[kind], value) end
  end
  table.sort(known)
  for _, name in ipairs(known) do
    if out[name] == nil then fail(spec, "%s is missing", name) end
  end
  return out
end

return args
