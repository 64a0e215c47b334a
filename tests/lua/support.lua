-- support: what the Lua tests share. A test is a sentence and a function that raises.
local support = {}

local source = os.getenv "HONE_SOURCE"
local data = os.getenv "HONE_TEST_DATA"
if data == "" then data = nil end

--- Run a test, print its line.
function support.test(name, fn)
  local ok, problem = xpcall(fn, debug.traceback)
  if ok then
    print("ok " .. name)
  elseif type(problem) == "string" and problem:find("SKIP:", 1, true) then
    print(("skip %s: %s"):format(name, problem:match("SKIP:([^\n]*)")))
  else
    print("not ok " .. name)
    print(problem)
    support.failed = true
  end
end

function support.skip(why) error("SKIP:" .. why, 0) end

function support.file(name) return source .. "/tests/" .. name end
function support.data(name)
  if not data then support.skip "no test data" end
  return data .. "/" .. name
end

local function show(v)
  if type(v) ~= "table" then return type(v) == "string" and ("%q"):format(v) or tostring(v) end
  local parts = {}
  for k, x in pairs(v) do parts[#parts + 1] = ("[%s] = %s"):format(show(k), show(x)) end
  table.sort(parts)
  return "{ " .. table.concat(parts, ", ") .. " }"
end

function support.equal(seen, expected)
  if show(seen) ~= show(expected) then
    error(("seen     %s\nexpected %s"):format(show(seen), show(expected)), 2)
  end
end

function support.near(seen, expected, tolerance)
  if not (math.abs(seen - expected) <= tolerance) then
    error(("seen %.17g, expected %.17g +- %g"):format(seen, expected, tolerance), 2)
  end
end

--- The message of a function that must raise.
function support.fails(fn, ...)
  local ok, problem = pcall(fn, ...)
  if ok then error("it did not raise", 2) end
  return problem
end

--- max |a - b| / max |b| of two lists.
function support.deviation(seen, expected)
  local worst, scale = 0, 0
  assert(#seen == #expected, "lengths differ")
  for i = 1, #seen do
    worst = math.max(worst, math.abs(seen[i] - expected[i]))
    scale = math.max(scale, math.abs(expected[i]))
    assert(seen[i] == seen[i], "not a number")
  end
  return worst / scale
end

function support.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

function support.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function plain(text, from, to)
  return (text:gsub(from:gsub("%p", "%%%0"), (to:gsub("%%", "%%%%"))))
end

--- Compare with tests/golden/NAME.txt; HONE_GOLDEN=write records.
function support.golden(name, message)
  local path = support.file("golden/" .. name .. ".txt")
  local seen = plain(message, source, "SOURCE")
  if data then seen = plain(seen, data, "DATA") end
  -- Lua cuts long names of scripts short; lines move.
  seen = seen:gsub("[^%s:]*/tests/lua", "SOURCE/tests/lua"):gsub("%.lua:%d+:", ".lua:LINE:") .. "\n"
  if os.getenv "HONE_GOLDEN" == "write" then return support.write(path, seen) end
  support.equal(seen, support.read(path))
end

--- Run the program: its output, its errors, its status.
function support.hone(arguments)
  local command = ("'%s/hone' %s >out.txt 2>err.txt </dev/null"):format(os.getenv "HONE_BUILD",
    arguments)
  local _, _, status = os.execute(command)
  return support.read("out.txt"), support.read("err.txt"), status
end

--- Run the program at a pseudo-terminal, under a script of tests/pty.c.
function support.pty(script, columns, rows, arguments, env)
  local build = os.getenv "HONE_BUILD"
  support.write("script", script)
  local ok, _, status = os.execute(("%s '%s/tests/pty' script %d %d '%s/hone' %s >pty.txt 2>&1")
    :format(env or "TERM=xterm", build, columns, rows, build, arguments))
  if status == 77 then support.skip "no pseudo-terminals" end
  if not ok then error(support.read "pty.txt", 2) end
end

return support
