-- stage: one stage of a round: what went into it, what came of it, and doing that again.
--
--   stage.inputs(round, fn, variables)                   digests: see stage.json in rounds.lua
--   stage.kept(round, place, name, inputs, changed)      folder, record; nil: it is to be made
--   stage.make(round, place, name, fn, variables, inputs)    value, record
--   stage.replay(round, folder, record, variables)       value
--   stage.remember(round, value, said)                   later stages know it as { stage, digest }
--
-- variables are those of captured.lua; a value is what fn returned, { n = , ... }.
local captured = require "hone.captured"
local core = require "hone.core"
local files = require "hone.files"
local invocation = require "hone.invocation"
local object = require "hone.object"
local runs = require "hone.run"
local stages = require "hone.stages"
local text = require "hone.text"
local weights = require "hone.weights"

local stage = {}

-- ---- what a stage used ----

--- Results of stages, by identity: what they are known as when a later stage uses them.
function stage.remember(self, value, said, depth)
  depth = depth or 0
  if type(value) ~= "table" and type(value) ~= "userdata" or value == core.null then return end
  -- A model is known by its weights, which change.
  if self.series.known[value] or object(value) == "hone.model" then return end
  self.series.known[value] = said
  if type(value) ~= "table" or depth > 4 then return end
  for _, item in next, value do stage.remember(self, item, said, depth + 1) end
end

-- A function of a value: what it is known as where a stage gave it; those go into `used`.
local function knower(self, used)
  local seen = {}
  return function(value)
    local said = type(value) ~= "string" and value ~= nil and self.series.known[value]
    if said and used and not seen[said.stage] then
      seen[said.stage] = true
      used[#used + 1] = said.stage
    end
    return said and ("%s %s"):format(said.stage, said.digest)
  end
end

--- Digests of what goes into a stage, and which earlier stages' results are among it.
function stage.inputs(self, fn, variables)
  local used = core.json.list {}
  local known = knower(self, used)
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
local function keep_variables(self, path, stage_name, variables, before, known, trained)
  local names, folder = core.json.list {}, files.join(path, "variables")
  for _, variable in ipairs(variables) do
    local value = variable.value()
    local was = before.variables[variable.name]
    if was and not trained[variable.name] and captured.print(value, knower(self)) ~= was then
      local inner = files.join(folder, tostring(#names + 1))
      core.system.make_folder(inner)
      local ok, problem = pcall(stages.write, inner, value,
        { where = variable.name, known = known })
      if ok then
        names[#names + 1] = variable.name
      else
        files.remove(inner)
        core.log("warn", ("stage '%s' changed a variable that a replay will not have changed: %s")
          :format(stage_name, tostring(problem)))
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

-- What the function returns; runs that it opens belong to the stage.
local function call(self, name, fn)
  core.log("info", ("%s: %s"):format(self, name))
  invocation.scope = { name = ("%s/%d/%s"):format(self.series.name, self.number, name), runs = 0 }
  self.within = name
  local results = table.pack(pcall(fn))
  invocation.scope, self.within = nil, nil
  if not results[1] then error(results[2], 0) end
  return { n = results.n - 1, table.unpack(results, 2, results.n) }
end

--- Run the function, keep all that came of it, and give what was kept.
function stage.make(self, place, name, fn, variables, inputs)
  local models, opened, began = captured.models(variables), #invocation.opened, core.system.clock()
  local before, known, by_name = hashes(models), {}, {}
  for _, entry in ipairs(models) do
    known[entry.model], by_name[entry.name] = entry.name, entry.model
  end
  local record = { stage = name, round = self.number, inputs = inputs, runs = core.json.list {},
                   started = os.date "!%Y-%m-%dT%H:%M:%SZ" }
  local value = call(self, name, fn)
  for i = opened + 1, #invocation.opened do record.runs[i - opened] = invocation.opened[i].name end
  files.folder(folder_of(self, place, name), function(path)
    core.system.make_folder(files.join(path, "result"))
    stages.write(files.join(path, "result"), value, {
      where = ("stage '%s': its result"):format(name), known = known })
    record.models = keep_models(path, models, before)
    local trained = {}
    for _, m in ipairs(record.models) do trained[m.name:match "^[^.]+"] = true end
    record.variables = keep_variables(self, path, name, variables, inputs, known, trained)
    record.judgements, record.summary = judged(value), said_of(value)
    record.result = stages.digest(files.join(path, "result"))
    record.seconds = core.system.clock() - began
    record.ended = os.date "!%Y-%m-%dT%H:%M:%SZ"
    core.json.write(files.join(path, "stage.json"), record)
  end)
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

--- Give what the stage gave, and do to the script's variables what it did.
function stage.replay(self, folder, record, variables)
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

--- The stage that was kept at this place; nil where there is none, or it is not to count.
function stage.kept(self, place, name, inputs, changed)
  local prefix = ("%02d-"):format(place)
  for _, found in ipairs(files.list(self.folder)) do
    local path = files.join(self.folder, found, "stage.json")
    -- What was being written when a program was killed ends in .tmp.
    if found:sub(1, #prefix) == prefix and not found:find "%.tmp$" and files.exists(path) then
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

return stage
