-- run: a folder that says what was done and how it went.
--
--   <run_folder>/<name>/run.json        script, options, plugins, hashes, seed, machine, status
--                       metrics.jsonl   one object a step or evaluation
--                       checkpoints/    see checkpoint.lua
--                       samples-*.json  answers before and after
--                       report.html     see report.lua
--
-- A session is one call of the program. `hone run --resume` goes on with the
-- newest session of this script and these arguments that did not come to the
-- script's end: its finished runs return what they had, the others go on.
local core = require "hone.core"
local doctors = require "hone.doctor"
local files = require "hone.files"
local invocation = require "hone.invocation"

local runs = { methods = {} }
local methods = runs.methods

local function root() return core.settings().run_folder or "runs" end

local function same(a, b)
  if #a ~= #b then return false end
  for i = 1, #a do
    if a[i] ~= b[i] then return false end
  end
  return true
end

local function record_of(name)
  local path = files.join(root(), name, "run.json")
  if not files.exists(path) then return nil end
  local ok, record = pcall(core.json.read, path)
  return ok and type(record) == "table" and type(record.session) == "string" and record or nil
end

-- This program's session: the one to go on with, or a new one.
local function session()
  if invocation.session then return invocation.session end
  local newest
  if invocation.resume then
    for _, name in ipairs(files.list(root())) do
      local r = record_of(name)
      if r and not r.complete and r.script == core.system.absolute(invocation.script) and
         same(r.arguments, invocation.words) and (not newest or r.session > newest) then
        newest = r.session
      end
    end
    if not newest then
      core.fail(("--resume: no unfinished run of %s with these arguments in %s"):format(
        invocation.script, root()))
    end
  end
  invocation.session = newest or ("%s-%08x"):format(os.date("!%Y%m%dT%H%M%S"),
    core.seed(os.time(), ("%s %.9f"):format(tostring(runs), core.system.clock())) & 0xffffffff)
  return invocation.session
end

-- The run of this session that stands at this place in the script, or nil.
local function find(place)
  for _, name in ipairs(files.list(root())) do
    local r = record_of(name)
    if r and r.session == session() and r.place == place then return name, r end
  end
end

local function free_name(wanted, kind)
  local scope = invocation.scope
  local base = wanted or scope and ("%s-%s"):format(scope.name:gsub("/", "-"), kind) or
    ("%s-%s"):format(invocation.name(), os.date("%Y%m%d-%H%M%S"))
  local name, n = base, 1
  while files.exists(files.join(root(), name)) do
    n = n + 1
    name = ("%s-%d"):format(base, n)
  end
  return name
end

--- The random seed of what has this name in this run.
function methods:seed(name) return core.seed(self.record.seed, tostring(name)) end

function methods:path(...) return files.join(self.folder, ...) end

--- Append a line of metrics; what the doctor newly finds in it.
function methods:log(values)
  if not self.metrics then self.metrics = assert(io.open(self:path("metrics.jsonl"), "a")) end
  local ok, problem = self.metrics:write(core.json.encode(values), "\n")
  if ok then ok, problem = self.metrics:flush() end
  if not ok then core.fail(("%s: cannot write: %s"):format(self:path("metrics.jsonl"), problem)) end
  return doctors.watch(self, values)
end

--- All lines of metrics, in order; one that was cut off has no end.
function methods:history()
  local lines = {}
  for line in (files.read(self:path("metrics.jsonl")) or ""):gmatch("([^\n]+)\n") do
    lines[#lines + 1] = core.json.decode(line, "metrics.jsonl")
  end
  return lines
end

--- Drop the lines after a step: it is done again.
function methods:rewind(step)
  local kept = {}
  for _, line in ipairs(self:history()) do
    if line.step <= step then kept[#kept + 1] = core.json.encode(line) .. "\n" end
  end
  core.system.write(self:path("metrics.jsonl"), table.concat(kept))
end

--- Write run.json with these fields changed.
function methods:note(fields)
  for key, value in pairs(fields) do self.record[key] = value end
  core.json.write(self:path("run.json"), self.record)
end

--- The run ends: "finished", "interrupted", "failed".
function methods:close(status, problem)
  if self.metrics then self.metrics:close() end
  self.metrics = nil
  self.record.problem = problem
  self:note { status = status, ended = os.date("!%Y-%m-%dT%H:%M:%SZ") }
end

-- A run that goes on must be the same run. What was read from a file has other
-- orders of keys than what was not.
local function check_same(self, o)
  local before = core.json.encode(self.record.options)
  local now = core.json.encode(core.json.decode(core.json.encode(o.options)))
  if before ~= now then
    core.fail(("--resume: %s was started with other options\n  then: %s\n  now:  %s"):format(
      self.folder, before, now))
  end
end

--- Open a run: kind ("sft"), name (nil: by script and time), seed, options (for
--- run.json), methods (nil: those of runs). run.resumed says whether it goes on.
function runs.open(o)
  local place = invocation.place()
  local self = setmetatable({ state = { step = 0 } }, { __index = o.methods or methods })
  local name, record
  session()
  if invocation.resume then name, record = find(place) end
  self.resumed = name ~= nil
  self.name = name or free_name(o.name, o.kind)
  self.folder = files.join(root(), self.name)
  self.record = record or {
    hone = core.version, kind = o.kind, script = core.system.absolute(invocation.script),
    arguments = core.json.list { table.unpack(invocation.words) }, session = session(),
    place = place, started = os.date("!%Y-%m-%dT%H:%M:%SZ"), seed = o.seed,
    machine = core.system.machine(),
  }
  if self.resumed then check_same(self, o) end
  core.system.make_folder(self.folder)
  invocation.opened[#invocation.opened + 1] = self
  self:note { status = "running", options = o.options, threads = core.threads() }
  return self
end

runs.record = record_of

--- A run of the past, by name: its record, history and paths.
function runs.read(name)
  local record = record_of(name)
  if not record then core.fail(("%s has no run '%s'"):format(root(), tostring(name))) end
  return setmetatable({ name = name, folder = files.join(root(), name), record = record,
                        state = {} }, { __index = methods })
end

--- A run's place in the script is free: what stands there from now on is another.
function runs.forget(name)
  local record = record_of(name)
  if not record then return end
  record.place = 0
  core.json.write(files.join(root(), name, "run.json"), record)
end

--- The folder of all runs.
runs.root = root

--- The script came to its end: nothing is left to resume. It may have removed runs.
function runs.complete()
  for _, run in ipairs(invocation.opened) do
    if files.exists(run:path "run.json") then run:note { complete = true } end
  end
end

return runs
