-- best_of: of several answers the one that scores best.
--
--   local samples, rewards = hone.best_of { model = model, prompts = data, reward = liked, samples = 8 }
--
-- samples has one a prompt, in their order; an answer without a score is never chosen
-- while another has one. rewards: { chosen, mean } of all prompts.
local core = require "hone.core"
local options = require "hone.options"
local policy = require "hone.policy"
local rewards = require "hone.reward"

local schema = {
  { "model", "model", required = true, doc = "that answers" },
  { "prompts", "any", required = true, doc = "as of model:generate" },
  { "reward", "reward", required = true, doc = "what scores" },
  { "samples", "integer", default = 8, min = 1, doc = "of each prompt" },
  { "sampling", "table", options = policy.sampling },
  { "seed", "integer", default = 0, doc = "of sampling" },
}

return function(given)
  local o = options.check("best_of", schema, given)
  local asked = { prompts = o.prompts, samples = o.samples, seed = o.seed }
  for key, value in pairs(o.sampling) do asked[key] = value end
  local samples = o.model:generate(asked)
  local values = rewards.of(o.reward)(samples):values()
  local out, chosen, sum, n = core.samples_new(), 0, 0, 0
  for first = 1, #samples, o.samples do
    local best = first
    for i = first, first + o.samples - 1 do
      if values[i] == values[i] then
        sum, n = sum + values[i], n + 1
        if not (values[best] == values[best] and values[best] >= values[i]) then best = i end
      end
    end
    out:add(samples[best])
    if values[best] == values[best] then chosen = chosen + values[best] end
  end
  local prompts = #samples // o.samples
  return out, { chosen = chosen / math.max(1, prompts), mean = n > 0 and sum / n or nil }
end
