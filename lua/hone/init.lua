-- hone: the library that experiments require.
--
-- Modules are loaded when first named. What is no module is a kind of plugin:
-- hone.optimizer.adamw { lr = 1e-4 } makes an instance.
local core = require "hone.core"
core.library(debug.getinfo(1, "S").source:match("^(.*)init%.lua$"))

local kinds = require "hone.kinds"
local text = require "hone.text"

local hone = { version = core.version, null = core.null, json = core.json }

-- Names of modules, and what of them the name stands for.
local modules = {
  algorithm  = { "hone.algorithm" },
  ask        = { "hone.ask" },
  args       = { "hone.args", "parse" },
  batch      = { "hone.batch" },
  best_of    = { "hone.best_of" },
  data       = { "hone.data" },
  formats    = { "hone.formats" },
  grpo       = { "hone.algorithms.grpo" },
  judgements = { "hone.judgements" },
  likelihood = { "hone.likelihood" },
  lineage    = { "hone.lineage" },
  model      = { "hone.model" },
  online_dpo = { "hone.algorithms.online_dpo" },
  ppo        = { "hone.algorithms.ppo" },
  raft       = { "hone.algorithms.raft" },
  pairs      = { "hone.pairs" },
  preference = { "hone.preference" },
  random     = { "hone.random" },
  reinforce_pp = { "hone.algorithms.reinforce_pp" },
  remax      = { "hone.algorithms.remax" },
  required   = { "hone.args", "required" },
  rloo       = { "hone.algorithms.rloo" },
  reward     = { "hone.reward" },
  reward_model = { "hone.reward_model" },
  rounds     = { "hone.rounds" },
  samples    = { "hone.samples" },
  schedule   = { "hone.schedule" },
  select     = { "hone.select" },
  sft        = { "hone.sft" },
  simulate   = { "hone.simulate" },
  statistics = { "hone.statistics" },
  step       = { "hone.step" },
  store      = { "hone.store" },
  tensor     = { "hone.tensor" },
  tensors    = { "hone.tensors" },
  winrate    = { "hone.winrate" },
}

local function load(name)
  local module = modules[name]
  if module then
    local value = require(module[1])
    return module[2] and value[module[2]] or value
  end
  return kinds.find(name)
end

return setmetatable(hone, {
  __index = function(self, name)
    local value = load(name)
    if value == nil then
      local known = kinds.names()
      for key in pairs(modules) do known[#known + 1] = key end
      core.fail(("hone has no '%s'%s"):format(name, text.suggest(name, known)))
    end
    rawset(self, name, value)
    return value
  end,
  __newindex = function(_, name) core.fail(("hone.%s cannot be set"):format(name)) end,
})
