-- hone run SCRIPT [name=value ...]
local core = require "hone.core"
local invocation = require "hone.invocation"
local runs = require "hone.run"

return {
  summary = "Run an experiment. Arguments name=value are the script's (hone.args).",
  words = { "SCRIPT", "..." },
  flags = { { "resume", "boolean", doc = "go on with the newest unfinished run of these words" } },
  run = function(o)
    local chunk, problem = loadfile(o.script, "t")
    if not chunk then core.fail((problem:gsub("^cannot open ", "", 1))) end
    invocation.script, invocation.words, invocation.resume = o.script, o.rest, o.resume or false
    arg = { [0] = o.script, table.unpack(o.rest) }
    chunk(table.unpack(o.rest))
    runs.complete()
    return 0
  end,
}
