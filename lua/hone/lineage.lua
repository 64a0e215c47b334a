-- lineage: from a policy back to the judgements behind it.
--
--   print(hone.lineage(policy))             a model, or a folder that model:save wrote
--   print(hone.lineage "out/aligned")
--   hone.lineage("out/aligned").chain       { { series, round, stage, record, from }, ... }
--
-- Rounds keep of each stage what went in and came out, by hashes (rounds.lua). A policy is
-- found by its weights among what stages trained; from there the chain goes back over the
-- stages whose results that stage used, and to the weights that it began with, until these
-- are none that a stage made.
local core = require "hone.core"
local files = require "hone.files"
local hone = require "hone"
local object = require "hone.object"
local options = require "hone.options"
local runs = require "hone.run"
local text = require "hone.text"

local lineage = {}

--- All series of rounds in a folder of runs: { name, folder, record, rounds = { { number, record,
--- stages = { { name, folder, record } } } } }, the oldest first.
function lineage.series(root)
  local list = {}
  for _, name in ipairs(files.list(root)) do
    local path = files.join(root, name, "run.json")
    local ok, record = pcall(core.json.read, path)
    if ok and type(record) == "table" and record.kind == "rounds" then
      local one = { name = name, folder = files.join(root, name), record = record, rounds = {} }
      for number = 1, math.maxinteger do
        local folder = files.join(one.folder, ("round-%d"):format(number))
        if not files.exists(files.join(folder, "round.json")) then break end
        local round = { number = number, stages = {},
                        record = core.json.read(files.join(folder, "round.json")) }
        for _, inner in ipairs(files.list(folder)) do
          local stage = files.join(folder, inner, "stage.json")
          if files.exists(stage) and not inner:find "%.tmp$" then
            round.stages[#round.stages + 1] = { name = inner:match "^%d+%-(.*)$" or inner,
              folder = files.join(folder, inner), record = core.json.read(stage) }
          end
        end
        one.rounds[number] = round
      end
      list[#list + 1] = one
    end
  end
  table.sort(list, function(a, b)
    return tostring(a.record.started) < tostring(b.record.started)
  end)
  return list
end

-- The hashes that a model may be known by: its own, and what it had under each strategy that
-- stages trained with (what a strategy trains is hashed, too).
local function hashes_of(what)
  local model = what
  if type(what) == "string" then model = hone.model.load(what, { dtype = "stored" }) end
  if object(model) ~= "hone.model" then
    core.fail(("lineage: takes a model or a folder, not a %s"):format(object(model)))
  end
  local out = { [model:hash()] = true }
  if type(what) == "string" and not model.strategy then
    out[model:attach(hone.strategy.full {}):hash()] = true
  end
  return out, model
end

-- The stage that made weights, the newest of several: entry, and what stage.json says of them.
local function maker(all, hashes)
  for s = #all, 1, -1 do
    for r = #all[s].rounds, 1, -1 do
      local round = all[s].rounds[r]
      for k = #round.stages, 1, -1 do
        for _, m in ipairs(round.stages[k].record.models) do
          if hashes[m.after] then
            return { series = all[s], round = round, stage = round.stages[k] }, m
          end
        end
      end
    end
  end
end

-- The stages whose results a stage used, and theirs, the latest first.
local function before(entry, list, seen)
  for _, name in ipairs(entry.stage.record.inputs.stages) do
    local number, stage_name = name:match "^round%-(%d+)/(.*)$"
    local round = entry.series.rounds[tonumber(number)]
    for _, stage in ipairs(round and round.stages or {}) do
      if stage.name == stage_name and not seen[stage.folder] then
        seen[stage.folder] = true
        local one = { series = entry.series, round = round, stage = stage }
        list[#list + 1] = one
        before(one, list, seen)
      end
    end
  end
  return list
end

-- ---- words ----

-- Mean reward of a run's first and last step.
local function run_line(name)
  local ok, run = pcall(runs.read, name)
  if not ok then return name .. " (its folder is gone)" end
  local first, last
  for _, line in ipairs(run:history()) do
    if type(line.reward) == "number" then first, last = first or line.reward, line.reward end
  end
  return first and ("%s (reward %s to %s)"):format(name, text.number(first), text.number(last))
    or name
end

local function stage_lines(lines, entry)
  local record = entry.stage.record
  local said = ("  %s of round %d"):format(entry.stage.name, entry.round.number)
  for _, j in ipairs(record.judgements) do
    said = said .. (": %s by %s%s%s"):format(text.count(j.judgements, "judgement"),
      text.count(j.annotators, "annotator"), j.task and (", task %s"):format(j.task) or "",
      j.first and (", judgements %d to %d of the store"):format(j.first, j.last) or "")
  end
  lines[#lines + 1] = said .. (", result %s"):format(record.result:sub(1, 12))
  local summary = record.summary
  if type(summary) == "string" then
    for line in summary:gmatch "[^\n]+" do lines[#lines + 1] = "    " .. line end
  end
end

local Lineage = { __name = "hone.lineage" }
Lineage.__index = Lineage

function Lineage:__tostring()
  local lines = {}
  for _, link in ipairs(self.chain) do
    if link.stage then
      lines[#lines + 1] = ("%s %s: %s, round %d, %s, %s"):format(link.model.name,
        link.model.after:sub(1, 12), link.series.name, link.round.number, link.stage.name,
        link.stage.record.ended)
      for _, name in ipairs(link.stage.record.runs) do
        lines[#lines + 1] = "  run " .. run_line(name)
      end
      for _, entry in ipairs(link.from) do stage_lines(lines, entry) end
    else
      lines[#lines + 1] = ("%s: as it was before the rounds%s"):format(link.hash:sub(1, 12),
        link.unknown and " (no stage made it)" or "")
    end
  end
  return table.concat(lines, "\n")
end

--- The chain of a model, or of the one in a folder. o.runs: the folder of runs.
function lineage.of(what, given)
  local o = options.check("lineage", { { "runs", "path", doc = "folder of runs" } }, given)
  local all = lineage.series(o.runs or runs.root())
  local hashes, model = hashes_of(what)
  local self = setmetatable({ chain = {} }, Lineage)
  while true do
    local entry, m = maker(all, hashes)
    if not entry then
      self.chain[#self.chain + 1] = { hash = next(hashes) or model:hash(),
                                      unknown = #self.chain == 0 }
      return self
    end
    entry.model, entry.from = m, before(entry, {}, {})
    self.chain[#self.chain + 1] = entry
    hashes = { [m.before] = true }
  end
end

return setmetatable(lineage, {
  __call = function(_, what, given) return lineage.of(what, given) end,
})
