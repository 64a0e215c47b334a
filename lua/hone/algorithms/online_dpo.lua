-- online_dpo: DPO on the policy's own answers, paired by the reward.
--
-- Guo et al. 2024, arXiv:2402.04792: of each prompt's answers the best and the worst
-- are a pair; the loss is any of hone.preference's on log-probabilities. With
-- `refresh` it is iterative DPO (Xu et al. 2023, arXiv:2312.16682): every so many steps
-- the reference becomes what the policy is.
local core = require "hone.core"
local hone = require "hone"
local losses = require "hone.losses"
local text = require "hone.text"
local T = hone.tensor

-- A loss of pairs by name, with its own options at their defaults.
local function loss_of(o)
  if type(o.loss) == "function" then return o.loss end
  local known, given = {}, { beta = o.beta, margin_scale = 0 }
  for name, entry in pairs(losses) do
    if not entry.unpaired and not entry.whole then known[#known + 1] = name end
  end
  local entry = losses[o.loss]
  if not entry or entry.unpaired or entry.whole then
    core.fail(("online_dpo: loss: '%s' is no loss of pairs%s"):format(tostring(o.loss),
      text.suggest(tostring(o.loss), known)))
  end
  for key, value in pairs(entry.options or {}) do given[key] = value end
  return function(b) return entry.fn(b, given) end
end

-- Best and worst answer of each group that has two rewards that differ.
local function pairs_of(rewards, group)
  local values, chosen, rejected = rewards:values(), {}, {}
  for first = 1, #values, group do
    local best, worst
    for i = first, first + group - 1 do
      local x = values[i]
      if x == x and (not best or x > values[best]) then best = i end
      if x == x and (not worst or x < values[worst]) then worst = i end
    end
    if best and values[best] > values[worst] then
      chosen[#chosen + 1], rejected[#rejected + 1] = best, worst
    end
  end
  return chosen, rejected
end

return hone.algorithm("online_dpo", {
  { "policy", "model", required = true, doc = "the model that learns" },
  { "prompts", "data", required = true, doc = "what it answers" },
  { "reward", "reward", required = true, doc = "a metric, a reward model, a sum of these, a function" },
  { "reference", "model",
    doc = "of the loss; unset: the policy as it was, adapter off where there is one" },
  { "group", "integer", default = 2, min = 2, doc = "samples a prompt" },
  { "refresh", "integer", min = 1, doc = "steps after which the reference is made anew; unset: never" },
  { "beta", "number", default = 0.1, min = 0, open_min = true, doc = "of the loss" },
  { "loss", "any", default = "sigmoid", doc = "by name, or a function of b" },
}, function(o, run)
  local loss = loss_of(o)
  for step, prompts in run:batches(o.prompts) do
    if o.refresh and step > 1 and (step - 1) % o.refresh == 0 then run:refresh() end
    local roll <close> = o.policy:generate { prompts = prompts, samples = o.group,
                                             seed = run:seed("rollout/" .. step) }
    local reward = o.reward(roll)                                       -- [samples]
    local chosen, rejected = pairs_of(reward, o.group)
    roll:pair(chosen, rejected)
    local reference = run.reference:logp(roll)                          -- [tokens]
    local kl = roll:an_answer(roll.logp - reference)                    -- nats an answer
    reference = roll:sum(reference)                                     -- [samples]

    for part in roll:parts() do
      local logp = o.policy:logp(part):segment_sum(part.lengths)        -- [samples of the part]
      local b = part:pairs { policy = logp, reference = part:gather(reference),
                             lengths = T.new(part.lengths) }            -- [pairs] each
      b.noise = 0
      local margin = b.policy.chosen - b.policy.rejected
        - (b.reference.chosen - b.reference.rejected)
      run:accumulate(loss(b), { accuracy = margin:gt(0), margin = margin })
    end
    run:update()
    run:log(step, { reward = reward, length = roll.lengths, kept = roll.kept_share, kl = kl })
  end
end)
