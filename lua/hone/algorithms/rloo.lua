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
  { "kl", "number", default = 0.05, min = 0, doc = "weight of KL" },
  { "kl_in", "choice", default = "reward", choices = { "reward", "loss" }, doc = "where KL counts" },
  { "estimator", "choice", choices = { "k1", "k2", "k3" },
    doc = "of KL; unset: k1 in the reward, k2 in the loss" },
  { "clip", "range", default = { 0.2, 0.2 }, min = 0, doc = "how far the ratio of answers may move" },
  { "epochs", "integer", default = 1, min = 1, doc = "passes over each batch of rollouts" },
  { "minibatches", "integer", default = 1, min = 1, doc = "updates a pass" },
}, function(o, run)
  local in_loss = o.kl_in == "loss"
  local estimator = o.estimator or (in_loss and "k2" or "k1")
  for step, prompts in run:batches(o.prompts) do
    local roll <close> = o.policy:generate { prompts = prompts, samples = o.group,
                                             seed = run:seed("rollout/" .. step) }
    local score = o.reward(roll)                                        -- [samples]
    roll:keep(score:eq(score))                                          -- where there is one
    local reference = o.kl > 0 and run.reference:logp(roll)             -- [tokens]
    local paid = score
    if reference and not in_loss then
      paid = score - o.kl * roll:sum(T.kl(roll.logp, reference, estimator))
    end
    local advantage = T.leave_one_out(paid, o.group)

    for epoch = 1, o.epochs do
      for mini in roll:minibatches(o.minibatches, run:seed(("order/%d/%d"):format(step, epoch))) do
        for part in mini:parts() do
          local logp = o.policy:logp(part)                              -- [tokens], with gradient
          local change = (logp - part.logp):segment_sum(part.lengths)
          local ratio, a = change:exp(), part:gather(advantage)         -- [samples of the part]
          local clipped = ratio:clamp(1 - o.clip[1], 1 + o.clip[2]) * a
          local loss = -T.min(ratio * a, clipped)
          if reference and in_loss then
            local kl = T.kl(logp, part:spread(reference), estimator)
            loss = loss + o.kl * kl:segment_sum(part.lengths)
          end
          run:accumulate(loss, { ratio = ratio, clipped = (ratio * a):gt(clipped) })
        end
        run:update()
      end
    end
    run:log(step, { reward = score, length = roll.lengths,
                    kl = reference and roll:an_answer(roll.logp - reference) })
  end
end)
