-- kinds: hone.<kind>.<name> { options } for every kind and plugin there is.
local core = require "hone.core"

local kinds = {}

-- Kinds of the core are there even where no plugin of theirs is installed.
local known = { "tokenizer", "model", "strategy", "optimizer", "quality", "bias", "metric", "store" }

--- The names of all kinds.
function kinds.names()
  local names, seen = {}, {}
  for _, name in ipairs(known) do names[#names + 1], seen[name] = name, true end
  for _, entry in ipairs(core.plugins()) do
    if not seen[entry.kind] then names[#names + 1], seen[entry.kind] = entry.kind, true end
  end
  return names
end

-- What a kind's table has besides constructors.
local more = {
  bias = function(kind)
    kind.audit = require "hone.audit"
    kind.tables = require "hone.bias_tables"
  end,
  metric = function(kind)
    kind.define = require "hone.define"
    require "hone.metric"
    require "hone.metric.settings".define(kind.define)
  end,
  tokenizer = function(kind) kind.load = core.tokenizer_load end,
}

local function constructor(kind, name)
  core.describe(kind, name) -- an unknown name is told here
  return function(...)
    if select("#", ...) > 1 then
      core.fail(("%s/%s takes one table of options"):format(kind, name))
    end
    return core.instance(kind, name, (...))
  end
end

--- The table of a kind's constructors; nil where there is no such kind.
function kinds.find(kind)
  local found = false
  for _, name in ipairs(kinds.names()) do found = found or name == kind end
  if not found then return nil end
  local self = setmetatable({}, {
    __name = "hone." .. kind,
    __index = function(self, name)
      local new = constructor(kind, tostring(name))
      rawset(self, name, new)
      return new
    end,
  })
  if more[kind] then more[kind](self) end
  return self
end

return kinds
