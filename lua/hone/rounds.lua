-- rounds: a loop of stages that are remembered.
--
--   hone.rounds { name = "assistant", count = 3, function(round)
--     local choices = round:stage("answer", function() return policy:generate { ... }:pair {} end)
--     local answers = round:stage("judge", function() return task:add(choices):wait() end)
--     round:stage("learn", function() hone.grpo { policy = policy, ... } end)
--     round:gate { evaluation = { by = concise, policy = policy, prompts = held_out } }
--     round:log { win_rate = 0.6 }                    -- figures for `hone report`
--   end }
--
-- A stage runs once (stage.lua). What it returns is kept, and so is what it did to local
-- variables around it: weights of models that it trained, plain values that it set. When the
-- script is replayed (`hone run --resume`) the stage's function is not called: its results come
-- from the disk and the models get the weights they had, in place. The script always goes on
-- with what was read back, so that a replay sees the same bits. Gates: gate.lua.
--
--   <run_folder>/<name>/run.json             kind "rounds"; status: running, waiting, finished ...
--     round-2/round.json                     figures of the round, its gates
--     round-2/03-trust/stage.json            inputs, result and weights by their hashes, runs, time
--                     result/                stages.lua
--                     weights/policy/        weights.lua
--                     variables/             what else it changed
--
-- A stage whose inputs changed since (its text, variables that it uses, results of earlier
-- stages) is refused, or with changed = "again" made again. Waiting for people ends the program
-- with status 75; nothing has to run while they judge.
local captured = require "hone.captured"
local core = require "hone.core"
local files = require "hone.files"
local invocation = require "hone.invocation"
local options = require "hone.options"
local runs = require "hone.run"
local stage = require "hone.stage"
local text = require "hone.text"

local schema = {
  { "name", "string", required = true, doc = "of the folder, and of tasks" },
  { "count", "integer", default = 1, min = 1, doc = "rounds" },
  { "changed", "choice", default = "refuse", choices = { "refuse", "again" },
    doc = "what becomes of a stage whose inputs changed" },
  { "gates", "choice", default = "stop", choices = { "stop", "warn" },
    doc = "what a gate that fails does" },
}
local stage_schema = { { "changed", "choice", choices = { "refuse", "again" },
                         doc = "as that of hone.rounds" } }

local Round = { __name = "hone.round", gate = require "hone.gate" }
Round.__index = Round

function Round:__tostring() return ("round %d of %s"):format(self.number, self.series.name) end

-- ---- stages ----

--- What fn returns: called once, remembered from then on.
function Round:stage(name, fn, given)
  if type(name) ~= "string" or not name:find "^[%w_][%w_-]*$" then
    core.fail(("round:stage: name: %s (allowed: letters, digits, _ and -)"):format(
      text.value(name)))
  end
  if type(fn) ~= "function" then core.fail("round:stage: takes a name and a function") end
  local o = options.check("round:stage", stage_schema, given)
  if self.within then
    core.fail(("stage '%s' begins within stage '%s'"):format(name, self.within))
  end
  if self.stages[name] then core.fail(("%s has two stages '%s'"):format(self, name)) end
  self.place, self.stages[name] = self.place + 1, true
  local variables = captured.variables(fn)
  local inputs = stage.inputs(self, fn, variables)
  local folder, record = stage.kept(self, self.place, name, inputs,
                                    o.changed or self.series.changed)
  local value
  if folder then
    value = stage.replay(self, folder, record, variables)
  else
    value, record = stage.make(self, self.place, name, fn, variables, inputs)
  end
  stage.remember(self, value, { stage = ("round-%d/%s"):format(self.number, name),
                                digest = record.result })
  return table.unpack(value, 1, value.n)
end

-- ---- rounds ----

function Round:save() core.json.write(files.join(self.folder, "round.json"), self.record) end

--- Figures of the round, by name: numbers.
function Round:log(figures)
  for name, value in pairs(figures) do
    if type(name) ~= "string" or type(value) ~= "number" then
      core.fail(("round:log: %s: expected a number, got %s"):format(tostring(name),
        text.value(value)))
    end
    self.record.figures[name] = value
  end
  self:save()
end

local function new_round(series, number)
  local self = setmetatable({ series = series, number = number, place = 0, stages = {},
    name = ("%s-%d"):format(series.name, number),
    folder = files.join(series.folder, ("round-%d"):format(number)) }, Round)
  core.system.make_folder(self.folder)
  local path = files.join(self.folder, "round.json")
  self.record = files.exists(path) and core.json.read(path) or
    { round = number, started = os.date "!%Y-%m-%dT%H:%M:%SZ", figures = {}, gates = {} }
  self.previous, self.record.stopped = series.rounds[number - 1], nil
  self:save()
  return self
end

-- One that was not finished, and is not gone on with.
local function tell_unfinished(name)
  local before = not invocation.resume and runs.record(name)
  if before and before.kind == "rounds" and not before.complete then
    core.log("warn", ("rounds '%s' did not come to their end: `hone run --resume` goes on with "
      .. "them; this is another beginning"):format(name))
  end
end

local function stopped(run, problem)
  local waiting = type(problem) == "table" and problem.status == 75
  run:close(waiting and "waiting" or invocation.interrupted and "interrupted" or "failed",
            waiting and problem.text or tostring(problem))
  error(problem, 0)
end

return function(given)
  if type(given) ~= "table" or type(given[1]) ~= "function" then
    core.fail("rounds: takes { name = , count = , function(round) ... end }")
  end
  local rest = {}
  for key, value in pairs(given) do if key ~= 1 then rest[key] = value end end
  local o = options.check("rounds", schema, rest)
  tell_unfinished(o.name)
  local run = runs.open { kind = "rounds", name = o.name, seed = 0, options = { name = o.name } }
  local series = { name = run.name, folder = run.folder, run = run, rounds = {},
                   changed = o.changed, gates = o.gates,
                   known = setmetatable({}, { __mode = "k" }) }
  local ok, problem = pcall(function()
    for number = 1, o.count do
      local round = new_round(series, number)
      series.rounds[number] = round
      given[1](round)
      round.record.ended = round.record.ended or os.date "!%Y-%m-%dT%H:%M:%SZ"
      round:save()
    end
  end)
  if not ok then stopped(run, problem) end
  run:close "finished"
  return series
end
