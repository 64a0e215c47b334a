-- hone version.
local core = require "hone.core"

return {
  summary = "Print the version.",
  run = function(o)
    print(o.json and core.json.encode { version = core.version } or "hone " .. core.version)
  end,
}
