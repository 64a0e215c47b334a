-- ppo: proximal policy optimisation with a critic and a KL penalty in the reward.
--
-- Schulman et al. 2017, arXiv:1707.06347; for language models Ziegler et al. 2019,
-- arXiv:1909.08593, and Ouyang et al. 2022, arXiv:2203.02155. Rewards of a token:
--   r_t = -kl_weight * k_t, and the score on the answer's last token;
-- with kl_in = "loss" the KL term is in the loss instead.
-- The critic is a head on the policy, or a model of its own.
local hone = require "hone"
local T = hone.tensor

-- What an answer without an end is worth: another number, or less.
local function missing_eos(reward, truncated, o)
  if o.missing_eos.replace then
    return T.where(truncated, reward * 0 + o.missing_eos.replace, reward)
  end
  return reward - o.missing_eos.subtract * truncated
end

-- Ziegler et al. 2019, section 2.2: a controller in proportion to the error.
local function adapt(state, kl, answers, o)
  local off = math.max(-0.2, math.min(0.2, kl / o.adaptive.target - 1))
  state.kl_weight = state.kl_weight * (1 + off * answers / o.adaptive.horizon)
end

-- 1 - Var(returns - values) / Var(returns) over what is learned from: below 0, the mean of
-- the returns would predict them better.
local function explained(roll, returns, values)
  local mask = roll:mask()
  local n = mask:sum():item()
  local function variance(x)
    local mean = (x * mask):sum():item() / n
    return ((x - mean):square() * mask):sum():item() / n
  end
  local all = variance(returns)
  return all > 0 and 1 - variance(returns - values) / all or nil
end

return hone.algorithm("ppo", {
  { "policy", "model", required = true, doc = "the model that learns" },
  { "prompts", "data", required = true, doc = "what it answers" },
  { "reward", "reward", required = true, doc = "a metric, a reward model, a sum of these, a function" },
  { "reference", "model",
    doc = "what KL is taken against; unset: the policy as it was, adapter off where there is one" },
  { "critic", "model", doc = "that values answers; unset: a head on the policy" },
  { "samples", "integer", default = 1, min = 1, doc = "of each prompt" },
  { "kl", "number", default = 0.05, min = 0, doc = "weight of KL" },
  { "kl_in", "choice", default = "reward", choices = { "reward", "loss" }, doc = "where KL counts" },
  { "estimator", "choice", choices = { "k1", "k2", "k3" },
    doc = "of KL; unset: k1 in the reward, k2 in the loss" },
  { "adaptive", "table", optional = true, options = {
    { "target", "number", required = true, min = 0, open_min = true, doc = "nats an answer" },
    { "horizon", "number", default = 10000, min = 1, doc = "answers" } } },
  { "missing_eos", "table", options = {
    { "replace", "number", doc = "the score of an answer that the limit cut off" },
    { "subtract", "number", default = 0, doc = "from its score" } } },
  { "gamma", "number", default = 1, min = 0, max = 1, doc = "discount" },
  { "lambda", "number", default = 0.95, min = 0, max = 1, doc = "of generalised advantages" },
  { "whiten_rewards", "boolean", default = false, doc = "by their sd; the mean stays" },
  { "variance", "choice", default = "unbiased", choices = { "biased", "unbiased" }, doc = "of whitening" },
  { "clip", "range", default = { 0.2, 0.2 }, min = 0, doc = "how far the ratio may fall and rise" },
  { "dual_clip", "number", min = 1, open_min = true, doc = "bound of the ratio where A < 0" },
  { "value_clip", "number", default = 0.2, min = 0, doc = "how far a value may move; 0: any" },
  { "value_weight", "number", default = 0.1, min = 0, doc = "of the critic's loss" },
  { "entropy", "number", default = 0, min = 0, doc = "weight of an entropy bonus" },
  { "epochs", "integer", default = 4, min = 1, doc = "passes over each batch of rollouts" },
  { "minibatches", "integer", default = 1, min = 1, doc = "updates a pass" },
}, function(o, run)
  local low, high = 1 - o.clip[1], 1 + o.clip[2]
  local in_loss = o.kl_in == "loss"
  local estimator = o.estimator or (in_loss and "k2" or "k1")
  local critic = o.critic and run:learn(o.critic, "critic") or o.policy
  critic.model:add_head("value", { outputs = 1, bias = true, sd = 0 })
  run.state.kl_weight = o.kl

  for step, prompts in run:batches(o.prompts) do
    local state = run.state
    local roll <close> = o.policy:generate { prompts = prompts, samples = o.samples,
                                             seed = run:seed("rollout/" .. step) }
    local score, _, dense = o.reward(roll)                              -- [samples], [tokens]
    local paid = missing_eos(score, roll.truncated, o)
    roll:keep(paid:eq(paid))                                            -- where there is one

    local reference = run.reference:logp(roll)                          -- [tokens]
    local penalty = T.kl(roll.logp, reference, estimator)
    local reward = T.score_at_end(paid, roll.lengths)
    if not in_loss then reward = reward - state.kl_weight * penalty end
    if dense then                                                       -- beside the score
      reward = reward + T.where(dense:eq(dense), dense, T.zeros { roll.tokens })
    end
    if o.whiten_rewards then
      reward = T.whiten(reward, { mean = false, variance = o.variance, mask = roll:mask() })
    end
    local before = roll:each_token(function(part) return critic:value(part, "value") end)
    local advantage, returns = T.gae(reward, before, roll.lengths, o.gamma, o.lambda)
    advantage = T.whiten(advantage, { variance = o.variance, mask = roll:mask() })

    for epoch = 1, o.epochs do
      for mini in roll:minibatches(o.minibatches, run:seed(("order/%d/%d"):format(step, epoch))) do
        for part in mini:parts() do
          local logp, entropy, value = o.policy:logp(part, { entropy = true,
                                                             value = not o.critic and "value" })
          value = value or critic:value(part, "value")
          local change = logp - part.logp
          local ratio, a = change:exp(), part:spread(advantage)
          local plain, clipped = -(ratio * a), -(ratio:clamp(low, high) * a)
          local loss = T.max(plain, clipped)
          if o.dual_clip then                                           -- Ye et al. 2020
            loss = T.where(a:lt(0), T.min(loss, -o.dual_clip * a), loss)
          end
          local goal, old = part:spread(returns), part:spread(before)
          local missed = (value - goal):square()
          if o.value_clip > 0 then
            local near = old + (value - old):clamp(-o.value_clip, o.value_clip)
            missed = T.max(missed, (near - goal):square())
          end
          loss = loss + 0.5 * o.value_weight * missed - o.entropy * entropy
          if in_loss then
            loss = loss + state.kl_weight * T.kl(logp, part:spread(reference), estimator)
          end
          run:accumulate(loss, {
            ratio = ratio, entropy = entropy, value = value, value_loss = 0.5 * missed,
            old_kl = T.kl(logp, part.logp, "k3"), clipped = clipped:gt(plain) })
        end
        run:update()
      end
    end
    local kl = roll:an_answer(roll.logp - reference)                    -- nats an answer
    run:log(step, { reward = score, length = roll.lengths, kl = kl, kl_weight = state.kl_weight,
                    paid = paid, returns = returns,
                    explained = explained(roll, returns, before) })
    if o.adaptive then adapt(state, roll:an_answer(penalty), roll.kept, o) end
  end
end)
