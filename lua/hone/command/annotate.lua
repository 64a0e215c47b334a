-- hone annotate STORE TASK --as NAME: judge at the terminal.
local annotate = require "hone.annotate"
local core = require "hone.core"
local files = require "hone.files"
local stores = require "hone.store"
local terminal = require "hone.terminal"
local text = require "hone.text"

return {
  summary = "Judge the items of a task at the terminal, with single keys.",
  words = { "STORE", "TASK" },
  flags = { { "as", "string", "NAME", doc = "who judges; reports show a number in its place" } },
  run = function(o)
    if not o.as or not o.as:find("%S") then
      core.fail "annotate: --as NAME is missing: who judges"
    end
    if not files.exists(o.store) then core.fail(("%s: there is no such store"):format(o.store)) end
    local task = stores.open(o.store):task(o.task)
    local status, judged, finished
    do
      local screen <close> = terminal.open "annotate"
      status, judged, finished = annotate.run(screen, task, task.store:annotator(o.as))
    end
    print(("%s saved.%s"):format(text.count(judged, "judgement"),
      finished and " There is nothing more for you in this task." or ""))
    return status
  end,
}
