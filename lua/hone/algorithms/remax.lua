-- remax: REINFORCE with the reward of the likeliest answer as the baseline.
--
-- Li et al. 2023, arXiv:2310.10505: each prompt is answered once more without chance;
-- what that answer gets is taken off. A token's return is that difference less kl times
-- the KL from there on. One update a batch: there is no ratio to clip.
local hone = require "hone"
local T = hone.tensor

-- [samples]: each value of x [prompts] for all samples of its prompt.
local function for_samples(x, samples)
  local places = {}
  for i = 1, #x * samples do places[i] = (i - 1) // samples + 1 end
  return x:rows(places)
end

return hone.algorithm("remax", {
  { "policy", "model", required = true, doc = "the model that learns" },
  { "prompts", "data", required = true, doc = "what it answers" },
  { "reward", "reward", required = true, doc = "a metric, a reward model, a sum of these, a function" },
  { "reference", "model",
    doc = "what KL is taken against; unset: the policy as it was, adapter off where there is one" },
  { "samples", "integer", default = 1, min = 1, doc = "of each prompt" },
  { "kl", "number", default = 0.01, min = 0, doc = "weight of KL" },
  { "estimator", "choice", default = "k1", choices = { "k1", "k2", "k3" }, doc = "of KL" },
  { "gamma", "number", default = 1, min = 0, max = 1, doc = "discount" },
}, function(o, run)
  for step, prompts in run:batches(o.prompts) do
    local greedy = o.reward(o.policy:greedy(prompts), { learn = false })  -- [prompts]
    local roll <close> = o.policy:generate { prompts = prompts, samples = o.samples,
                                             seed = run:seed("rollout/" .. step) }
    local score = o.reward(roll)                                        -- [samples]
    local paid = score - for_samples(greedy, o.samples)
    roll:keep(paid:eq(paid))                                            -- where there are both
    local reference = o.kl > 0 and run.reference:logp(roll)             -- [tokens]
    local reward = T.score_at_end(paid, roll.lengths)
    if reference then reward = reward - o.kl * T.kl(roll.logp, reference, o.estimator) end
    local advantage = T.discounted(reward, roll.lengths, o.gamma)

    for part in roll:parts() do
      run:accumulate(-(part:spread(advantage) * o.policy:logp(part)))
    end
    run:update()
    run:log(step, { reward = score, length = roll.lengths, kept = roll.kept_share, greedy = greedy,
                    kl = reference and roll:an_answer(roll.logp - reference) })
  end
end)
