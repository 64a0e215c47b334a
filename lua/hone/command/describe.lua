-- hone describe KIND/NAME: a plugin and its options.
local core = require "hone.core"
local text = require "hone.text"

local describe = {
  summary = "Say what a plugin does, and list its options.",
  words = { "KIND/NAME" },
}

local function default_of(option)
  local value = option.default
  if option.required then return "required" end
  if value == nil or value == core.null then return "unset" end
  return text.value(value)
end

local function print_options(list, indent)
  for _, option in ipairs(list) do
    local allowed = type(option.allowed) == "string" and option.allowed ~= "" and
      (" (%s)"):format(option.allowed) or ""
    print(("%s%-16s %-10s %-14s %s%s"):format(indent, option.name, option.type, default_of(option),
                                              option.doc or "", allowed))
    if type(option.options) == "table" then print_options(option.options, indent .. "  ") end
  end
end

--- Print what core.describe or core.check returned.
function describe.print(p, json)
  if json then
    print(core.json.encode(p))
    return
  end
  print(("%s/%s %s -- %s"):format(p.kind, p.name, p.version or "", p.summary or ""))
  if p.source then print("source: " .. p.source) end
  if #p.options > 0 then
    print("options:")
    print_options(p.options, "  ")
  end
end

function describe.run(o)
  local kind, name = o.kind_name:match("^([^/]+)/([^/]+)$")
  if not kind then
    core.fail(("describe: '%s' is not KIND/NAME, as optimizer/adamw"):format(o.kind_name))
  end
  describe.print(core.describe(kind, name), o.json)
end

return describe
