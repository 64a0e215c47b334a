-- hone help [COMMAND].
local arguments = require "hone.command.arguments"

local names = { "run", "generate", "chat", "eval", "tokenize", "plugins", "describe", "check",
                "annotate", "task", "version" }

return {
  summary = "List the commands, or explain one.",
  words = { "[COMMAND]" },
  run = function(o)
    for _, name in ipairs(names) do
      local command = require("hone.command." .. name)
      if o.command == name then
        io.stdout:write(arguments.help(name, command))
        return
      end
      if not o.command then print(("hone %-10s %s"):format(name, command.summary)) end
    end
    if o.command then
      require("hone.core").fail(("help: there is no command '%s'"):format(o.command))
    end
  end,
}
