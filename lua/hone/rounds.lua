-- rounds: a loop of stages that are remembered.
--
--   hone.rounds { name = "assistant", count = 3, function(round)
--     local choices = round:stage("answer", function() return policy:generate { ... }:pair {} end)
--     local answers = round:stage("judge", function() return task:add(choices):wait() end)
--     round:stage("learn", function() hone.grpo { policy = policy, ... } end)
--     round:gate { evaluation = { by = concise, policy = policy, prompts = held_out } }   -- gate.lua
--     round:log { win_rate = 0.6 }                    -- figures for `hone report`
--   end }
--
-- A stage runs once. What it returns is kept, and so is what it did to local variables around
-- it: weights of models that it trained, plain values that it set. When the script is replayed
-- (`hone run --resume`) the stage's function is not called: its results come from the disk and
-- the models get the weights they had, in place. The script always goes on with what was read
-- back, so that a replay sees the same bits.
--
--   <run_folder>/<name>/run.json             kind "rounds"; status running, waiting, finished, failed
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
local stages = require "hone.stages"
local text = require "hone.text"
local weights = require "hone.weights"

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

-- ---- what a stage used ----

-- Results of stages, by identity: what they are known as when a later stage uses them.
local function remember(self, value, said, depth)
  if type(value) ~= "table" and type(value) ~= "userdata" or value == core.null then return end
  if self.series.known[value] then return end
  self.series.known[value] = said
  if type(value) ~= "table" or depth > 4 then return end
  for _, item in next, value do remember(self, item, said, depth + 1) end
end

-- Digests of what goes into a stage, and which earlier stages' results are among it.
local function inputs_of(self, fn, variables)
  local used, seen = core.json.list {}, {}
  local function known(value)
    local said = type(value) ~= "string" and value ~= nil and self.series.known[value]
    if said and not seen[said.stage] then
      seen[said.stage] = true
      used[#used + 1] = said.stage
    end
    return said and ("%s %s"):format(said.stage, said.digest)
  end
  local prints = {}
  for _, variable in ipairs(variables) do
    local value = variable.value()
    if value ~= self then prints[variable.name] = captured.print(value, known) end
  end
  return { text = core.digest(captured.code(fn)), variables = prints, stages = used }
end

-- In words, what differs between the inputs then and now; nil where nothing does.
local function difference(then_, now)
  local words = {}
  if then_.text ~= now.text then words[1] = "its text changed" end
  local names = {}
  for name in pairs(now.variables) do names[#names + 1] = name end
  for name in pairs(then_.variables) do
    if not now.variables[name] then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    if then_.variables[name] ~= now.variables[name] then
      words[#words + 1] = ("'%s' %s"):format(name, not then_.variables[name] and "is used now" or
        not now.variables[name] and "is not used now" or "is another")
    end
  end
  return #words > 0 and table.concat(words, ", ") or nil
end

-- ---- keeping ----

local function folder_of(self, place, name)
  return files.join(self.folder, ("%02d-%s"):format(place, name))
end

-- Hashes of the models around a stage, by name.
local function hashes(models)
  local out = {}
  for i, entry in ipairs(models) do out[i] = entry.model:hash() end
  return out
end

-- Weights of the models that changed: what stage.json says of them.
local function keep_models(path, models, before)
  local list = core.json.list {}
  for i, entry in ipairs(models) do
    local after = entry.model:hash()
    if after ~= before[i] then
      local folder = files.join("weights", (entry.name:gsub("[^%w_.-]", "_")))
      core.system.make_folder(files.join(path, "weights"))
      weights.save(entry.model, files.join(path, folder))
      list[#list + 1] = { name = entry.name, folder = folder, before = before[i], after = after }
    end
  end
  return list
end

-- Variables that the stage set to something else, by name; what cannot be kept is said.
local function keep_variables(self, path, variables, before, known, trained)
  local names, folder = core.json.list {}, files.join(path, "variables")
  local function same(value) return self.series.known[value] and "known" end
  for _, variable in ipairs(variables) do
    local value = variable.value()
    local was = before.variables[variable.name]
    if was and not trained[variable.name] and captured.print(value, function(v)
         local said = v ~= nil and type(v) ~= "string" and same(v) and self.series.known[v]
         return said and ("%s %s"):format(said.stage, said.digest)
       end) ~= was then
      local inner = files.join(folder, tostring(#names + 1))
      core.system.make_folder(inner)
      local ok, problem = pcall(stages.write, inner, value, { where = variable.name, known = known })
      if ok then
        names[#names + 1] = variable.name
      else
        files.remove(inner)
        core.log("warn", ("stage '%s' changed a variable that a replay will not have changed: %s")
          :format(self.stage_name, tostring(problem)))
      end
    end
  end
  return names
end

-- Where judgements came from: for lineage.
local function judged(value)
  local out = core.json.list {}
  local function look(x, depth)
    local meta = getmetatable(x)
    if type(meta) == "table" and meta.__name == "hone.collected" then
      local first, last, who, tasks, n = nil, nil, {}, {}, 0
      for _, record in ipairs(x.records) do
        if record.id then
          first = first and math.min(first, record.id) or record.id
          last = last and math.max(last, record.id) or record.id
        end
        if record.task then tasks[record.task] = true end
        if not who[record.annotator] then who[record.annotator], n = true, n + 1 end
      end
      out[#out + 1] = { judgements = #x.records, first = first, last = last, annotators = n,
                        task = next(tasks) }
    elseif type(x) == "table" and captured.plain(x) and depth < 3 then
      for _, item in pairs(x) do look(item, depth + 1) end
    end
  end
  look(value, 0)
  return out
end

local function said_of(value)
  local words = {}
  for i = 1, value.n do
    local meta = getmetatable(value[i])
    if type(meta) == "table" and meta.__tostring then words[#words + 1] = tostring(value[i]) end
  end
  local said = table.concat(words, "\n")
  if #said == 0 or not utf8.len(said) then return nil end
  return #said > 4000 and said:sub(1, (utf8.offset(said, 0, 4000)) - 1) .. "..." or said
end

-- Run the function, keep all that came of it, and give what was kept.
local function make(self, place, name, fn, variables, inputs)
  local models, opened, began = captured.models(variables), #invocation.opened, core.system.clock()
  local before, known, by_name = hashes(models), {}, {}
  for _, entry in ipairs(models) do known[entry.model], by_name[entry.name] = entry.name, entry.model end
  local record = { stage = name, round = self.number, inputs = inputs,
                   started = os.date "!%Y-%m-%dT%H:%M:%SZ" }
  core.log("info", ("%s: %s"):format(self, name))
  invocation.scope = { name = ("%s/%d/%s"):format(self.series.name, self.number, name), runs = 0 }
  self.stage_name = name
  local results = table.pack(pcall(fn))
  invocation.scope, self.stage_name = nil, nil
  if not results[1] then error(results[2], 0) end
  local value = { n = results.n - 1, table.unpack(results, 2, results.n) }
  self.stage_name = name
  files.folder(folder_of(self, place, name), function(path)
    core.system.make_folder(files.join(path, "result"))
    stages.write(files.join(path, "result"), value, {
      where = ("stage '%s': its result"):format(name), known = known })
    record.models = keep_models(path, models, before)
    local trained = {}
    for _, m in ipairs(record.models) do trained[m.name:match "^[^.]+"] = true end
    record.variables = keep_variables(self, path, variables, inputs, known, trained)
    record.judgements, record.summary = judged(value), said_of(value)
    record.runs = core.json.list {}
    for i = opened + 1, #invocation.opened do record.runs[i - opened] = invocation.opened[i].name end
    record.result = stages.digest(files.join(path, "result"))
    record.seconds = core.system.clock() - began
    record.ended = os.date "!%Y-%m-%dT%H:%M:%SZ"
    core.json.write(files.join(path, "stage.json"), record)
  end)
  self.stage_name = nil
  return stages.read(files.join(folder_of(self, place, name), "result"), by_name), record
end

-- A table that the script holds stays the same table.
local function put_back(variable, value)
  local now = variable.value()
  if type(now) == "table" and type(value) == "table" and captured.plain(now) then
    for key in pairs(now) do now[key] = nil end
    for key, item in pairs(value) do now[key] = item end
  else
    variable.set(value)
  end
end

-- Give what the stage gave, and do to the script's variables what it did.
local function replay(self, folder, record, variables)
  local models, by_variable = {}, {}
  for _, entry in ipairs(captured.models(variables)) do models[entry.name] = entry.model end
  for _, variable in ipairs(variables) do by_variable[variable.name] = variable end
  for _, m in ipairs(record.models) do
    if not models[m.name] then
      core.fail(("%s: stage '%s' trained '%s', which is no model now"):format(self, record.stage,
        m.name))
    end
    weights.load(models[m.name], files.join(folder, m.folder))
  end
  for i, name in ipairs(record.variables) do
    put_back(by_variable[name], stages.read(files.join(folder, "variables", tostring(i)), models))
  end
  for _, name in ipairs(record.runs) do
    local ok, run = pcall(runs.read, name)
    if ok then invocation.opened[#invocation.opened + 1] = run end
  end
  core.log("info", ("%s: %s: as it was"):format(self, record.stage))
  return stages.read(files.join(folder, "result"), models)
end

-- ---- stages ----

-- The stage that was kept at this place; nil where there is none, or it is not to count.
local function kept(self, place, name, inputs, changed)
  local prefix = ("%02d-"):format(place)
  for _, found in ipairs(files.list(self.folder)) do
    local path = files.join(self.folder, found, "stage.json")
    if found:sub(1, #prefix) == prefix and files.exists(path) then
      local folder, record = files.join(self.folder, found), core.json.read(path)
      local why = record.stage ~= name and ("it was '%s'"):format(record.stage) or
        difference(record.inputs, inputs)
      if not why then return folder, record end
      if changed == "refuse" then
        core.fail(("%s: stage %d, '%s', is not what %s keeps: %s (changed = \"again\" makes it "
          .. "again)"):format(self, place, name, folder, why))
      end
      core.log("warn", ("%s: %s is made again: %s"):format(self, name, why))
      for _, run in ipairs(record.runs) do runs.forget(run) end
      files.remove(folder)
    end
  end
end

--- What fn returns: called once, remembered from then on.
function Round:stage(name, fn, given)
  if type(name) ~= "string" or not name:find "^[%w_][%w_-]*$" then
    core.fail(("round:stage: name: %s (allowed: letters, digits, _ and -)"):format(text.value(name)))
  end
  if type(fn) ~= "function" then core.fail("round:stage: takes a name and a function") end
  local o = options.check("round:stage", stage_schema, given)
  if self.stage_name then
    core.fail(("stage '%s' begins within stage '%s'"):format(name, self.stage_name))
  end
  if self.stages[name] then core.fail(("%s has two stages '%s'"):format(self, name)) end
  self.place, self.stages[name] = self.place + 1, true
  local variables = captured.variables(fn)
  local inputs = inputs_of(self, fn, variables)
  local folder, record = kept(self, self.place, name, inputs, o.changed or self.series.changed)
  local value
  if folder then
    value = replay(self, folder, record, variables)
  else
    value, record = make(self, self.place, name, fn, variables, inputs)
  end
  remember(self, value, { stage = ("round-%d/%s"):format(self.number, name),
                          digest = record.result }, 0)
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
  self.previous = series.rounds[number - 1]
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
