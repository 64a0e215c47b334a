-- invocation: how the script was called: its path, its words, whether to resume.
--
-- `hone run` fills it in; in a plain lua5.4 it is what the interpreter's `arg` says.
local invocation = { script = "script", words = {}, resume = false, runs = 0, opened = {} }

local given = rawget(_G, "arg")
if type(given) == "table" and type(given[0]) == "string" then
  invocation.script = given[0]
  for i = 1, #given do
    if given[i] == "--resume" then
      invocation.resume = true
    else
      invocation.words[#invocation.words + 1] = given[i]
    end
  end
end

--- The next run's place in the script: a number, or within a scope its name and a number.
function invocation.place()
  local scope = invocation.scope
  local counter = scope or invocation
  counter.runs = counter.runs + 1
  return scope and ("%s/%d"):format(scope.name, scope.runs) or invocation.runs
end

--- "1_sft" of "/home/me/1_sft.lua".
function invocation.name()
  return (invocation.script:match("([^/]+)$") or "script"):gsub("%.lua$", "")
end

return invocation
