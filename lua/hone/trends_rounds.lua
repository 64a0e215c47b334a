-- trends_rounds: figures of all rounds in a folder of runs, round by round:
-- { name, status, problem, rounds = { { number, figures, seconds, stopped } } }, the oldest first.
--
-- Figures: what round:log and gates kept, rewards at the first and last step of its runs,
-- the accuracy of its reward models on held-out pairs. stopped: what a gate said.
local lineage = require "hone.lineage"
local runs = require "hone.run"

-- The last reward of a run, and what its reward model came to on held-out data.
local function add_run(figures, name)
  local ok, run = pcall(runs.read, name)
  if not ok then return end
  local first, last
  for _, line in ipairs(run:history()) do
    if type(line.reward) == "number" then first, last = first or line.reward, line.reward end
  end
  if last then
    figures["reward, first step"], figures["reward, last step"] = first, last
  end
  local validated = run.record.validated
  for key, value in pairs(type(validated) == "table" and validated or {}) do
    if key == "accuracy" and type(value) == "number" then
      figures[("%s, accuracy"):format(run.record.kind)] = value
    end
  end
end

return function(root)
  local out = {}
  for _, one in ipairs(lineage.series(root or runs.root())) do
    local series = { name = one.name, status = one.record.status, problem = one.record.problem,
                     rounds = {} }
    for number, round in ipairs(one.rounds) do
      local figures = {}
      for name, value in pairs(round.record.figures) do figures[name] = value end
      for name, gate in pairs(round.record.gates) do figures[name] = gate.value end
      local seconds = 0
      for _, stage in ipairs(round.stages) do
        seconds = seconds + stage.record.seconds
        for _, run in ipairs(stage.record.runs) do add_run(figures, run) end
      end
      series.rounds[number] = { number = number, figures = figures, seconds = seconds,
                                stopped = round.record.stopped }
    end
    out[#out + 1] = series
  end
  return out
end
