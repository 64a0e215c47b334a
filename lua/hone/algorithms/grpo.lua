-- grpo: group-relative policy optimisation.
--
-- Shao et al. 2024, arXiv:2402.03300, eq. 3. Its kin are options:
--   DAPO      reduction = "token", clip = { 0.2, 0.28 }, resample = 3
--                                                         Yu et al. 2025, arXiv:2503.14476
--   Dr. GRPO  reduction = "constant", scale = "none"      Liu et al. 2025, arXiv:2503.20783
--   GSPO      ratio = "sequence", reduction = "sequence", clip = { 3e-4, 4e-4 }
--                                                         Zheng et al. 2025, arXiv:2507.18071
--   CISPO     objective = "cispo"                         MiniMax 2025, arXiv:2506.13585
local hone = require "hone"
local T = hone.tensor

-- How many groups have no two rewards that differ.
local function agreeing(reward, group)
  local differs, n = T.group_differs(reward, group):values(), 0
  for first = 1, #differs, group do
    local most = 0
    for i = first, first + group - 1 do most = math.max(most, differs[i]) end
    n = n + 1 - most
  end
  return math.tointeger(n)
end

-- The answers to learn from and their rewards. DAPO's dynamic sampling: a new prompt for
-- each group whose rewards agree, again where those agree, too.
local function answer(o, run, step, prompts)
  local roll = o.policy:generate { prompts = prompts, samples = o.group,
                                   seed = run:seed("rollout/" .. step) }
  local reward, asked = o.reward(roll), 0
  local missing = agreeing(reward, o.group)
  for try = 1, o.resample do
    if missing == 0 then break end
    local name = ("resample/%d/%d"):format(step, try)
    local more = o.policy:generate { prompts = run:more(missing, name), samples = o.group,
                                     seed = run:seed(name) }
    local theirs = o.reward(more)
    asked, missing = asked + missing, agreeing(theirs, o.group)
    roll, reward = roll:join(more), T.concat { reward, theirs }
  end
  return roll, reward, asked
end

return hone.algorithm("grpo", {
  { "policy", "model", required = true, doc = "the model that learns" },
  { "prompts", "data", required = true, doc = "what it answers" },
  { "reward", "reward", required = true, doc = "a metric, a reward model, a sum of these, a function" },
  { "reference", "model",
    doc = "what KL is taken against; unset: the policy as it was, adapter off where there is one" },
  { "group", "integer", default = 8, min = 2, doc = "samples a prompt" },
  { "skip", "boolean", default = true,
    doc = "leave out groups whose rewards are equal, where the loss has no KL" },
  { "resample", "integer", default = 0, min = 0,
    doc = "times that new prompts stand in for such groups" },
  { "scale", "choice", default = "sd", choices = { "sd", "none" }, doc = "what advantages are divided by" },
  { "kl", "number", default = 0, min = 0, doc = "weight of KL" },
  { "kl_in", "choice", default = "loss", choices = { "loss", "reward" }, doc = "where KL counts" },
  { "estimator", "choice", choices = { "k1", "k2", "k3" },
    doc = "of KL; unset: k2 in the loss, k1 in the reward" },
  { "unbiased", "boolean", default = false,
    doc = "KL in the loss times the ratio: the gradient of k3 is then KL's, arXiv:2512.02556" },
  { "entropy", "number", default = 0, min = 0, doc = "weight of an entropy bonus" },
  { "ratio", "choice", default = "token", choices = { "token", "sequence" }, doc = "whose probability" },
  { "objective", "choice", default = "clip", choices = { "clip", "cispo" }, doc = "of the policy" },
  { "clip", "range", default = { 0.2, 0.28 }, min = 0, doc = "how far the ratio may fall and rise" },
  { "reduction", "choice", default = "token", choices = { "token", "sequence", "constant" },
    doc = "mean over tokens, over answers of their means, or of sums by max_tokens" },
  { "epochs", "integer", default = 1, min = 1, doc = "passes over each batch of rollouts" },
  { "minibatches", "integer", default = 1, min = 1, doc = "updates a pass" },
}, function(o, run)
  local low, high = 1 - o.clip[1], 1 + o.clip[2]
  local in_loss = o.kl > 0 and o.kl_in == "loss"
  local estimator = o.estimator or (in_loss and "k2" or "k1")
  for step, prompts in run:batches(o.prompts) do
    local roll <close>, reward, asked = answer(o, run, step, prompts)   -- reward [samples]
    local reference = o.kl > 0 and run.reference:logp(roll)             -- [tokens]
    local paid = reward
    if reference and not in_loss then
      paid = reward - o.kl * roll:sum(T.kl(roll.logp, reference, estimator))
    end
    local advantage = T.group_normalise(paid, o.group, 1e-4, { scale = o.scale })
    local differs = T.group_differs(paid, o.group)
    local kl = reference and roll:an_answer(roll.logp - reference)      -- nats an answer
    -- An answer without a reward teaches nothing; without KL, nor does a group that agrees.
    roll:keep(o.skip and not in_loss and differs or paid:eq(paid))

    for epoch = 1, o.epochs do
      for mini in roll:minibatches(o.minibatches, run:seed(("order/%d/%d"):format(step, epoch))) do
        for part in mini:parts() do
          local logp, entropy = o.policy:logp(part, { entropy = o.entropy > 0 })
          local change, a = logp - part.logp, part:spread(advantage)    -- [tokens], with gradient
          local ratio = change:exp()
          local stats = { ratio = ratio, old_kl = T.kl(logp, part.logp, "k3") }
          if o.ratio == "sequence" then
            ratio = T.spread(part:mean(change), part.lengths):exp()
          end
          local clipped = ratio:clamp(low, high)
          local loss
          if o.objective == "cispo" then
            loss = -(T.min(ratio, high):detach() * a * logp)
          else
            loss = -T.min(ratio * a, clipped * a)
          end
          stats.clipped = (ratio * a):gt(clipped * a)
          if in_loss then
            local penalty = T.kl(logp, part:spread(reference), estimator)
            if o.unbiased then penalty = penalty * ratio end
            loss, stats.kl_loss = loss + o.kl * penalty, penalty
          end
          if o.entropy > 0 then
            loss, stats.entropy = loss - o.entropy * entropy, entropy
          end
          run:accumulate(loss, stats, o.reduction, o.sampling.max_tokens)
        end
        run:update()
      end
    end
    run:log(step, { reward = reward, length = roll.lengths, kept = roll.kept_share, kl = kl,
                    differ = differs, resampled = o.resample > 0 and asked or nil })
  end
end)
