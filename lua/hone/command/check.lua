-- hone check FILE: load one plugin, with every check there is.
local core = require "hone.core"
local describe = require "hone.command.describe"

return {
  summary = "Load a plugin's file, check it, and run its self-test.",
  words = { "FILE.so" },
  run = function(o)
    local plugin = core.check(core.system.absolute(o.file_so))
    describe.print(plugin, o.json)
    if not o.json then
      print(plugin.self_test and "all checks passed, the self-test too"
            or "all checks passed; it has no self-test")
    end
  end,
}
