-- rloo: REINFORCE with the mean of the other answers as the baseline.
--
-- Ahmadian et al. 2024, arXiv:2402.14740; Kool et al. 2019. An answer is one action:
-- its reward is the score less kl times its KL from the reference, its advantage
-- what it gets above the mean of the others of its prompt.
local hone = require "hone"
local T = hone.tensor

return hone.algorithm("rloo", {
  { "policy", "model", required = true, doc = "the model that learns" },
  { "prompts", "data", required = true, doc = "what it answers" },
  { "reward", "reward", required = true, doc = "a metric, a reward model, a sum of these, a function" },
  { "reference", "model",
    doc = "what KL is taken against; unset: the policy as it was, adapter off where there is one" },
  { "group", "integer", default = 4, min = 2, doc = "samples a prompt" },
  { "kl", "number", default = 0.05, min = 0, doc = "weight of KL in the reward" },
  { "clip", "range", default = { 0.2, 0.2 }, min = 0, doc = "how far the ratio of answers may move" },
  { "epochs", "integer", default = 1, min = 1, doc = "passes over each batch of rollouts" },
  { "minibatches", "integer", default = 1, min = 1, doc = "updates a pass" },
}, function(o, run)
  for step, prompts in run:batches(o.prompts) do
    local roll <close> = o.policy:generate { prompts = prompts, samples = o.group,
                                             seed = run:seed("rollout/" .. step) }
    local score, kl = o.reward(roll), nil                               -- [samples]
    local paid = score
    if o.kl > 0 then
      kl = (roll.logp - run.reference:logp(roll)):segment_sum(roll.lengths:values())
      paid = score - o.kl * kl
    end
    local advantage = T.leave_one_out(paid, o.group)
    roll:keep(paid:eq(paid))

    for epoch = 1, o.epochs do
      for mini in roll:minibatches(o.minibatches, run:seed(("order/%d/%d"):format(step, epoch))) do
        for part in mini:parts() do
          local change = (o.policy:logp(part) - part.logp):segment_sum(part.lengths)
          local ratio, a = change:exp(), part:gather(advantage)         -- [samples of the part]
          local clipped = ratio:clamp(1 - o.clip[1], 1 + o.clip[2]) * a
          run:accumulate(-T.min(ratio * a, clipped), { ratio = ratio,
                                                       clipped = (ratio * a):gt(clipped) })
        end
        run:update()
      end
    end
    run:log(step, { reward = score, length = roll.lengths, kl = kl })
  end
end)
