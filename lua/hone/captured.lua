-- captured: what a function takes from around it, so that what it did to that can be told,
-- kept and done again without running it.
--
--   captured.code(fn)               its text in the script
--   captured.variables(fn)          { { name, value(), set(value) }, ... }: local variables of
--                                   the script that fn, and functions it calls, take from outside
--   captured.print(value, known)    a digest that differs where values do; known(value) gives that
--                                   of results kept elsewhere, or nil
--   captured.plain(t)               whether a table is no object of some class
--   captured.models(variables)      { { name, model }, ... }: models there, also in tables
--
-- Of a model, data and plain values the content counts; of a function of the script its text;
-- of other objects only what kind they are. Globals are not looked at.
local core = require "hone.core"
local files = require "hone.files"
local object = require "hone.object"

local captured = {}

local list_meta = getmetatable(core.json.list {})

--- Whether a table is no object of some class.
function captured.plain(t)
  local meta = getmetatable(t)
  return meta == nil or meta == list_meta
end

local root = package.searchpath("hone", package.path):gsub("init%.lua$", "")

-- Whether a function is the script's, not the library's.
local function is_users(fn)
  local info = debug.getinfo(fn, "S")
  return info.what ~= "C" and info.source:sub(2, #root + 1) ~= root
end

local texts = {}

--- The lines on which a function stands.
function captured.code(fn)
  local info = debug.getinfo(fn, "S")
  local source = info.source
  if not texts[source] then
    texts[source] = source:sub(1, 1) == "@" and files.read(source:sub(2)) or source
  end
  local lines, n = {}, 0
  for line in (texts[source] .. "\n"):gmatch("(.-)\r?\n") do
    n = n + 1
    if n > info.lastlinedefined then break end
    if n >= info.linedefined then lines[#lines + 1] = line end
  end
  return table.concat(lines, "\n")
end

function captured.variables(fn)
  local list, names, seen, functions = {}, {}, {}, {}
  local function walk(f)
    if functions[f] then return end
    functions[f] = true
    for i = 1, 255 do
      local name, value = debug.getupvalue(f, i)
      if not name then break end
      local id = debug.upvalueid(f, i)
      local skip = seen[id] or name == "_ENV" or type(value) == "function" and not is_users(value)
      seen[id] = true
      if not skip then
        names[name] = (names[name] or 0) + 1
        list[#list + 1] = {
          name = names[name] > 1 and ("%s/%d"):format(name, names[name]) or name,
          value = function() return (select(2, debug.getupvalue(f, i))) end,
          set = function(new) debug.setupvalue(f, i, new) end,
        }
        if type(value) == "function" then walk(value) end
      end
    end
  end
  walk(fn)
  return list
end

-- ---- prints ----

local function is_module(value)
  for _, module in pairs(package.loaded) do
    if rawequal(module, value) then return true end
  end
  return false
end

local print_of

-- Keys in one order, whatever they are.
local function sorted(t)
  local keys = {}
  for key in next, t do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if math.type(a) and math.type(b) then return a < b end
    local x, y = type(a) .. tostring(a), type(b) .. tostring(b)
    return x < y
  end)
  return keys
end

local function table_print(value, known, above)
  if above[value] then return "cycle" end
  above[value] = true
  local words = {}
  for i, key in ipairs(sorted(value)) do
    words[i] = print_of(key, known, above) .. "=" .. print_of(value[key], known, above)
  end
  above[value] = nil
  return "{" .. table.concat(words, ",") .. "}"
end

local of = {
  ["hone.model"] = function(m) return "model " .. m:hash() end,
  ["hone.data"] = function(d) return "data " .. d.hash end,
  ["hone.plugin"] = function(p)
    local ok, d = pcall(function() return p:definition() end)
    return ("%s/%s %s %s %s"):format(p.kind, p.name, tostring(p.version),
      core.json.encode(p.options), ok and d and d:hash() or "")
  end,
  ["hone.parts"] = function(parts)
    local words = {}
    for i, name in ipairs(parts.names) do words[i] = name .. " " .. parts[name].hash end
    return table.concat(words, ", ")
  end,
}

function print_of(value, known, above)
  local found = known(value)
  if found then return found end
  local kind = type(value) == "table" and captured.plain(value) and "table" or object(value)
  if of[kind] then return of[kind](value) end
  if kind == "string" then return ("%q"):format(value) end
  if kind == "number" then return math.type(value) == "float" and ("%a"):format(value) or
    tostring(value) end
  if kind == "nil" or kind == "boolean" then return tostring(value) end
  if kind == "function" then return is_users(value) and captured.code(value) or "function" end
  if kind ~= "table" then return kind end
  if not captured.plain(value) or is_module(value) then return "object" end
  return table_print(value, known, above)
end

--- 64 hex digits; they differ where values do.
function captured.print(value, known)
  return core.digest(print_of(value, known, {}))
end

-- ---- models ----

--- Models among the variables, and in plain tables that they hold, each once.
function captured.models(variables)
  local list, seen = {}, {}
  local function look(name, value, depth)
    if value == nil or seen[value] then return end
    if object(value) == "hone.model" then
      seen[value] = true
      list[#list + 1] = { name = name, model = value }
    elseif type(value) == "table" and captured.plain(value) and depth < 4 and
           not is_module(value) then
      seen[value] = true
      for _, key in ipairs(sorted(value)) do
        look(("%s.%s"):format(name, tostring(key)), value[key], depth + 1)
      end
    end
  end
  for _, variable in ipairs(variables) do look(variable.name, variable.value(), 0) end
  return list
end

return captured
