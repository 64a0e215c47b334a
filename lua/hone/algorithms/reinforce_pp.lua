-- reinforce_pp: REINFORCE++: PPO's clipped objective without a critic.
--
-- Hu 2025, arXiv:2501.03262. A token's return is the score at the end less kl times
-- the KL from there on; advantages are returns whitened over the whole batch. With
-- baseline = "group" the mean of a prompt's answers is taken off first.
local hone = require "hone"
local T = hone.tensor

return hone.algorithm("reinforce_pp", {
  { "policy", "model", required = true, doc = "the model that learns" },
  { "prompts", "data", required = true, doc = "what it answers" },
  { "reward", "reward", required = true, doc = "a metric, a reward model, a sum of these, a function" },
  { "reference", "model",
    doc = "what KL is taken against; unset: the policy as it was, adapter off where there is one" },
  { "samples", "integer", default = 1, min = 1, doc = "of each prompt" },
  { "baseline", "choice", default = "none", choices = { "none", "group" }, doc = "taken off the score" },
  { "kl", "number", default = 0.01, min = 0, doc = "weight of KL" },
  { "kl_in", "choice", default = "reward", choices = { "reward", "loss" }, doc = "where KL counts" },
  { "estimator", "choice", choices = { "k1", "k2", "k3" },
    doc = "of KL; unset: k1 in the reward, k2 in the loss" },
  { "gamma", "number", default = 1, min = 0, max = 1, doc = "discount" },
  { "clip", "range", default = { 0.2, 0.2 }, min = 0, doc = "how far the ratio may fall and rise" },
  { "epochs", "integer", default = 1, min = 1, doc = "passes over each batch of rollouts" },
  { "minibatches", "integer", default = 1, min = 1, doc = "updates a pass" },
}, function(o, run)
  local in_loss = o.kl_in == "loss"
  local estimator = o.estimator or (in_loss and "k2" or "k1")
  for step, prompts in run:batches(o.prompts) do
    local roll <close> = o.policy:generate { prompts = prompts, samples = o.samples,
                                             seed = run:seed("rollout/" .. step) }
    local score = o.reward(roll)                                        -- [samples]
    roll:keep(score:eq(score))
    local paid = score
    if o.baseline == "group" then
      paid = T.group_normalise(score, o.samples, 0, { scale = "none" })
    end
    local reward = T.score_at_end(paid, roll.lengths)                   -- [tokens]
    local reference = o.kl > 0 and run.reference:logp(roll)             -- [tokens]
    if reference and not in_loss then
      reward = reward - o.kl * T.kl(roll.logp, reference, estimator)
    end
    local advantage = T.whiten(T.discounted(reward, roll.lengths, o.gamma),
                               { mask = roll:mask() })

    for epoch = 1, o.epochs do
      for mini in roll:minibatches(o.minibatches, run:seed(("order/%d/%d"):format(step, epoch))) do
        for part in mini:parts() do
          local logp = o.policy:logp(part)
          local ratio, a = (logp - part.logp):exp(), part:spread(advantage)
          local clipped = ratio:clamp(1 - o.clip[1], 1 + o.clip[2]) * a
          local loss = -T.min(ratio * a, clipped)
          if reference and in_loss then
            loss = loss + o.kl * T.kl(logp, part:spread(reference), estimator)
          end
          run:accumulate(loss, {
            ratio = ratio, clipped = (ratio * a):gt(clipped),
            old_kl = T.kl(logp, part.logp, "k3") })
        end
        run:update()
      end
    end
    run:log(step, { reward = score, length = roll.lengths,
                    kl = reference and roll:an_answer(roll.logp - reference) })
  end
end)
