-- raft: rejection sampling: of each prompt's answers the best are learned by heart.
--
-- Dong et al. 2023, arXiv:2304.06767. The loss is that of supervised fine-tuning, on
-- the `keep` best answers of a prompt, where they are better than its others.
local hone = require "hone"

-- 1 at the `keep` best of each group that has two rewards that differ, else 0.
local function best_of(rewards, group, keep)
  local values, mask = rewards:values(), {}
  for first = 1, #values, group do
    local order, least, most = {}, math.huge, -math.huge
    for i = first, first + group - 1 do
      mask[i] = 0
      if values[i] == values[i] then
        order[#order + 1] = i
        least, most = math.min(least, values[i]), math.max(most, values[i])
      end
    end
    table.sort(order, function(a, b)
      if values[a] ~= values[b] then return values[a] > values[b] end
      return a < b
    end)
    for k = 1, most > least and math.min(keep, #order) or 0 do mask[order[k]] = 1 end
  end
  return hone.tensor(mask)
end

return hone.algorithm("raft", {
  { "policy", "model", required = true, doc = "the model that learns" },
  { "prompts", "data", required = true, doc = "what it answers" },
  { "reward", "reward", required = true, doc = "a metric, a reward model, a sum of these, a function" },
  { "group", "integer", default = 8, min = 2, doc = "samples a prompt" },
  { "keep", "integer", default = 1, min = 1, doc = "of them that are learned" },
}, function(o, run)
  for step, prompts in run:batches(o.prompts) do
    local roll <close> = o.policy:generate { prompts = prompts, samples = o.group,
                                             seed = run:seed("rollout/" .. step) }
    local reward = o.reward(roll)                                       -- [samples]
    local best = best_of(reward, o.group, o.keep)
    roll:keep(best)
    for part in roll:parts() do run:accumulate(-o.policy:logp(part)) end
    run:update()
    run:log(step, { reward = reward, length = roll.lengths, kept = roll.kept_share })
  end
end)
