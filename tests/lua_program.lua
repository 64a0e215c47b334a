-- metric/program: scores by a program of one's own, its limits, and its cache.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near, fails = s.test, s.equal, s.near, s.fails
local hone = require "hone"
local core = require "hone.core"

local function samples_of(list)
  local out = {}
  for i, text in ipairs(list) do out[i] = { prompt = "p", response = text, row = { n = i } } end
  return hone.samples(out)
end
local samples = samples_of { "a", "bbb", "cc" }

-- A program in awk: `each` runs for every line, with id, response and n (of the row).
local function program(each, before)
  return { "awk", (before or "") .. [[
    { print $0 >> "asked.txt"
      match($0, /"id":[0-9]+/); id = substr($0, RSTART + 5, RLENGTH - 5)
      match($0, /"response":"[^"]*"/); response = substr($0, RSTART + 12, RLENGTH - 13)
      match($0, /"n":[0-9]+/); n = substr($0, RSTART + 4, RLENGTH - 4)
      ]] .. each .. " }" }
end

local score = [[ printf "{\"id\": %d, \"score\": %d}\n", id, length(response) ]]

local function asked()
  local n = 0
  local file = io.open "asked.txt"
  if not file then return 0 end
  for _ in file:lines() do n = n + 1 end
  file:close()
  os.remove "asked.txt"
  return n
end

test("a_program_scores_in_batches", function()
  local metric = hone.metric.program { command = program(score), batch = 2 }
  local scores = metric(samples)
  equal({ scores[1], scores[2], scores[3] }, { 1.0, 3.0, 2.0 })
  equal(asked(), 3)
  equal(#metric(hone.samples {}), 0)
end)

test("answers_may_have_heads_be_na_or_be_errors", function()
  local scores = hone.metric.program { command = program [[
    if (n == 1) printf "{\"id\": %d, \"score\": 0.5, \"heads\": {\"tone\": 2}}\n", id
    if (n == 2) printf "\n{\"id\": %d, \"na\": true}\n", id
    if (n == 3) printf "{\"id\": %d, \"error\": \"no such language\"}\n", id ]] }(samples)
  equal({ scores[1], scores:head(1, "tone"), scores:state(2) }, { 0.5, 2.0, "na" })
  equal({ scores:state(3) }, { "failed", "no such language" })
  asked()
end)

test("answers_are_kept_and_nothing_is_asked_twice", function()
  local function made(version)
    return hone.metric.program { command = program(score), cache = "kept/answers",
                                 version = version }
  end
  made "1" (samples)
  equal(asked(), 3)
  equal(made "1" (samples_of { "a", "bbb", "cc", "dddd" })[4], 4.0)
  equal(asked(), 1)
  equal(made "1" (samples)[2], 3.0)
  equal(asked(), 0)
  made "2" (samples)
  equal(asked(), 3)
  -- A broken file is asked again.
  for _, path in ipairs(core.system.list "kept/answers") do
    for _, name in ipairs(core.system.list("kept/answers/" .. path)) do
      s.write("kept/answers/" .. path .. "/" .. name, "{")
    end
  end
  equal(made "1" (samples)[2], 3.0)
  equal(asked(), 3)
end)

test("errors_are_not_kept", function()
  local metric = hone.metric.program { cache = "errors", command = program [[
    printf "{\"id\": %d, \"error\": \"busy\"}\n", id ]] }
  metric(samples)
  metric(samples)
  equal(asked(), 6)
end)

test("what_was_left_unanswered_is_asked_again", function()
  local metric = hone.metric.program { retries = 1, command = program [[
    if (n != 2 || system("test -e second") == 0)
      printf "{\"id\": %d, \"score\": %d}\n", id, n
    else system("touch second") ]] }
  local scores = metric(samples)
  equal({ scores[1], scores[2], scores[3], asked() }, { 1.0, 2.0, 3.0, 4 })
end)

local function said(command, given)
  local options = { command = command, retries = 0 }
  for key, value in pairs(given or {}) do options[key] = value end
  local scores, lines = hone.metric.program(options)(samples), {}
  for i = 1, #scores do
    lines[i] = ("sample %d: %s"):format(i, select(2, scores:state(i)) or scores[i])
  end
  os.remove "asked.txt"
  return table.concat(lines, "\n")
end

test("a_program_that_fails_fails_its_samples", function()
  s.golden("program-missing", said { "no-such-program-here" })
  s.golden("program-status", said({ "sh", "-c", "exit 3" }, { retries = 2 }))
  s.golden("program-signal", said { "sh", "-c", "kill -9 $$" })
  s.golden("program-silent", said { "true" })
  s.golden("program-json", said { "echo", "fine" })
  s.golden("program-nan", said { "echo", '{"id": 0, "score": NaN}' })
  s.golden("program-text", said { "echo", '{"id": 0, "score": "good"}' })
  s.golden("program-id", said { "echo", '{"id": 3, "score": 1}' })
  s.golden("program-twice", said { "printf", '{"id": 0, "score": 1}\n{"id": 0, "score": 2}\n' })
  s.golden("program-tokens", said { "printf",
    '{"id": 0, "score": 1, "tokens": [1, 2]}\n{"id": 1, "score": 1}\n{"id": 2, "score": 1}\n' })
  s.golden("program-empty", fails(hone.metric.program, { command = {} }))
  s.golden("program-cache", (fails(hone.metric.program {
    command = program(score), cache = "/dev/null/x" }, samples)))
end)

test("a_program_that_hangs_is_killed_with_its_group", function()
  local before = core.system.clock()
  s.golden("program-hang", said({ "sh", "-c", "sleep 100 & echo $! >pid; wait" },
                                { timeout = 0.2 }))
  assert(core.system.clock() - before < 60)
  local pid = s.read("pid"):match "%d+"
  local alive = true
  for _ = 1, 100 do -- the kernel may take a moment
    local state = io.open("/proc/" .. pid .. "/stat")
    local text = state and state:read "a" or "0 (x) Z"
    if state then state:close() end
    alive = not text:find("%) Z") -- a zombie is dead
    if not alive then break end
    os.execute "sleep 0.02"
  end
  equal(alive, false)
  -- One that closes its output and stays is no better.
  s.golden("program-stay", said({ "sh", "-c", "exec >&-; sleep 100" }, { timeout = 0.2 }))
end)

test("much_goes_in_and_out_without_waiting_for_each_other", function()
  local texts = {}
  for i = 1, 200 do texts[i] = ("x"):rep(5000 + i) end
  local scores = hone.metric.program { command = program(score), batch = 200 }(samples_of(texts))
  equal({ scores[1], scores[200] }, { 5001.0, 5200.0 })
  os.remove "asked.txt"
end)

if s.failed then os.exit(1, true) end
