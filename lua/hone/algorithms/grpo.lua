-- grpo: group-relative policy optimisation.
--
-- Shao et al. 2024, arXiv:2402.03300, eq. 3. Its kin are options:
--   DAPO      reduction = "token", clip = { 0.2, 0.28 }   Yu et al. 2025, arXiv:2503.14476
--   Dr. GRPO  reduction = "constant", scale = "none"      Liu et al. 2025, arXiv:2503.20783
--   GSPO      ratio = "sequence", clip = { 3e-4, 4e-4 }   Zheng et al. 2025, arXiv:2507.18071
--   CISPO     objective = "cispo"                         MiniMax 2025, arXiv:2506.13585
local hone = require "hone"
local T = hone.tensor

return hone.algorithm("grpo", {
  { "policy", "model", required = true, doc = "the model that learns" },
  { "prompts", "data", required = true, doc = "what it answers" },
  { "reward", "reward", required = true, doc = "a metric, a reward model, a sum of these, a function" },
  { "reference", "model",
    doc = "what KL is taken against; unset: the policy as it was, adapter off where there is one" },
  { "group", "integer", default = 8, min = 2, doc = "samples a prompt" },
  { "scale", "choice", default = "sd", choices = { "sd", "none" }, doc = "what advantages are divided by" },
  { "kl", "number", default = 0, min = 0, doc = "weight of the KL term in the loss" },
  { "estimator", "choice", default = "k2", choices = { "k1", "k2", "k3" }, doc = "of KL" },
  { "ratio", "choice", default = "token", choices = { "token", "sequence" }, doc = "whose probability" },
  { "objective", "choice", default = "clip", choices = { "clip", "cispo" }, doc = "of the policy" },
  { "clip", "range", default = { 0.2, 0.28 }, min = 0, doc = "how far the ratio may fall and rise" },
  { "reduction", "choice", default = "token", choices = { "token", "sequence", "constant" },
    doc = "mean over tokens, over answers of their means, or of sums by max_tokens" },
  { "epochs", "integer", default = 1, min = 1, doc = "passes over each batch of rollouts" },
  { "minibatches", "integer", default = 1, min = 1, doc = "updates a pass" },
}, function(o, run)
  local low, high = 1 - o.clip[1], 1 + o.clip[2]
  for step, prompts in run:batches(o.prompts) do
    local roll <close> = o.policy:generate { prompts = prompts, samples = o.group,
                                             seed = run:seed("rollout/" .. step) }
    local reward = o.reward(roll)                                       -- [samples]
    local advantage = T.group_normalise(reward, o.group, 1e-4, { scale = o.scale })
    if o.kl == 0 then roll:keep(T.group_differs(reward, o.group)) end   -- others teach nothing
    local reference = o.kl > 0 and run.reference:logp(roll)             -- [tokens]

    for epoch = 1, o.epochs do
      for mini in roll:minibatches(o.minibatches, run:seed(("order/%d/%d"):format(step, epoch))) do
        for part in mini:parts() do
          local logp = o.policy:logp(part)                              -- [tokens], with gradient
          local change = logp - part.logp
          local a = part:spread(advantage)
          local ratio = change:exp()
          local stats = { ratio = ratio, old_kl = T.kl(logp, part.logp, "k3") }
          local loss
          if o.ratio == "sequence" then
            ratio, a = part:mean(change):exp(), part:gather(advantage)  -- [samples of the part]
          end
          local clipped = ratio:clamp(low, high)
          if o.objective == "cispo" then
            loss = -(T.min(ratio, high):detach() * a * logp)
          else
            loss = -T.min(ratio * a, clipped * a)
          end
          stats.clipped = (ratio * a):gt(clipped * a)
          if reference then
            local kl = T.kl(logp, part:spread(reference), o.estimator)
            stats.kl = kl
            loss = loss + o.kl * (o.ratio == "sequence" and part:mean(kl) or kl)
          end
          run:accumulate(loss, stats, o.reduction, o.sampling.max_tokens)
        end
        run:update()
      end
    end
    run:log(step, { reward = reward, length = roll.lengths, kept = roll.kept_share })
  end
end)
