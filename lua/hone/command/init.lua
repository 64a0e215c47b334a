-- command: the program's command line. Each command is a module beside this
-- one: { summary = , usage = , flags = , run = function(o) ... return status }.
local hone = require "hone"
local core = require "hone.core"
local arguments = require "hone.command.arguments"
local invocation = require "hone.invocation"
local text = require "hone.text"

local names = { "run", "generate", "chat", "eval", "tokenize", "plugins", "describe", "check",
                "bench", "annotate", "task", "report", "version", "help" }

local function command(name)
  for _, known in ipairs(names) do
    if name == known then return require("hone.command." .. name) end
  end
  core.fail(("unknown command '%s'%s; `hone help` lists them"):format(name,
    text.suggest(name, { table.unpack(names) })))
end

-- Errors raised in scripts begin with their line; others with the program's name.
local function message(problem)
  if type(problem) == "table" and problem.status then return problem end
  local said = type(problem) == "string" and problem or tostring(problem)
  -- A line of the library is a mistake of ours: where it came from helps.
  local root = package.searchpath("hone", package.path):gsub("init%.lua$", "")
  if said:find(root, 1, true) == 1 or type(problem) ~= "string" then
    said = debug.traceback(said, 2)
  end
  return { status = invocation.interrupted and 130 or 1, text = said }
end

local function main(word, ...)
  local name = word or "help"
  if name == "--help" or name == "-h" then name = "help" end
  if name == "--version" then name = "version" end
  local it = command(name)
  local o = arguments.parse(name, it, { ... })
  if o.help then
    io.stdout:write(arguments.help(name, it))
    return 0
  end
  if o.config or o.threads then core.configure { config = o.config, threads = o.threads } end
  return it.run(o, hone) or 0
end

return function(...)
  local ok, result = xpcall(main, message, ...)
  io.stdout:flush()
  if ok then return result end
  if result.text then
    local said = result.text
    if not said:find("^[^\n]-%.lua:%d+:") then said = "hone: " .. said end
    io.stderr:write(said, "\n")
  end
  return result.status
end
