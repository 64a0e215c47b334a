-- doctor_rules: what the doctor knows. Each rule is
--   { name, cause, remedy, curves, find = function(doctor) return evidence end }
-- find returns nil where all is well; it may return a cause and a remedy of its own.
-- curves: it looks at whole curves, not at the last steps alone. docs/algorithms.md,
-- "Doctor", lists them with their bounds.
local text = require "hone.text"

local number = text.number
local rules = {}

local function rule(given) rules[#rules + 1] = given end

local function percent(x) return ("%.0f %%"):format(100 * x) end

-- ---- nothing is learned ----

rule { name = "equal_rewards",
  cause = "all rewards are equal, or absent, so that there is nothing to learn",
  remedy = "Score a few answers by hand; then more samples a prompt, a higher temperature, or a " ..
    "reward that tells them apart",
  find = function(d)
    local seen = d.recent
    if #seen < 20 or not d.curves.generating then return nil end
    local first = seen[1].reward
    for _, line in ipairs(seen) do
      local spread = line.reward_sd
      if type(spread) == "number" and spread > 0 then return nil end
      if type(spread) ~= "number" and line.reward ~= first then return nil end
    end
    local last = seen[#seen].reward
    return ("20 steps without two rewards that differ; the last were %s"):format(
      type(last) == "number" and number(last) or "absent")
  end }

rule { name = "nothing_learned",
  cause = "steps learn from no token: a mask, or what is left out, leaves nothing",
  remedy = "Look at kept and differ, at what the reward leaves without a score, and at own " ..
    "tokens of answers",
  find = function(d)
    local skipped = d:last("updates_skipped", 5, 0)
    if not skipped then return nil end
    local n = 0
    for _, x in ipairs(skipped) do n = n + (x > 0 and 1 or 0) end
    if n < 3 then return nil end
    local kept = d:late("kept", 5)
    return ("no update in %d of the last 5 steps%s"):format(n,
      kept and (", %s of the answers kept"):format(percent(kept)) or "")
  end }

rule { name = "no_gradient",
  cause = "the gradient is 0: nothing that trains has a part in the loss",
  remedy = "Look at the strategy's targets and at the mask of what is learned",
  find = function(d)
    local norms = d:last("norm", 5)
    if not norms then return nil end
    for _, x in ipairs(norms) do
      if x ~= 0 then return nil end
    end
    return "norm 0 in the last 5 steps"
  end }

rule { name = "agreeing_groups",
  cause = "most groups of answers have equal rewards and teach nothing",
  remedy = "Prompts of middling difficulty, a finer reward, larger groups, or resample",
  find = function(d)
    local differ = d:late("differ", 5)
    if not differ or differ >= 0.25 then return nil end
    local reward = d:late("reward", 5)
    return ("rewards differ in %s of the groups over the last 5 steps%s"):format(percent(differ),
      reward and (", at a mean reward of %s"):format(number(reward)) or "")
  end }

-- ---- the reward itself ----

-- The part of the reward whose share of samples with `what` is largest, and that share.
local function worst(d, what)
  local most, name = 0, nil
  for _, key in ipairs(d:named("/" .. what .. "$")) do
    local n, of = d:late(key, 5, 0), d:late("samples", 5)
    local part = key:sub(1, -#what - 2)
    if part ~= "reward" and n and of and of > 0 and n / of > most then
      most, name = n / of, part
    end
  end
  return most, name
end

rule { name = "failing_reward", cause = "a part of the reward fails",
  remedy = "Its messages are among the warnings; failures = \"stop\" ends the run at the first",
  find = function(d)
    local share, name = worst(d, "failed")
    return share > 0.1 and
      ("%s failed for %s of the answers of the last 5 steps"):format(name, percent(share)) or nil
  end }

rule { name = "absent_reward", cause = "a part of the reward seldom applies",
  remedy = "Ask only prompts that it is for, or say with na what stands in for it",
  find = function(d)
    local share, name = worst(d, "na")
    return share > 0.5 and ("%s does not apply to %s of the answers of the last 5 steps"):format(
      name, percent(share)) or nil
  end }

rule { name = "falling_reward", curves = true, cause = "the reward falls",
  remedy = "A lower learning rate, fewer epochs, or a larger batch; look at kl and clipped, too",
  find = function(d)
    local from, to = d:moved "reward"
    if not from or d.steps < 20 or to >= from then return nil end
    return ("reward %s in the first steps, %s in the last"):format(number(from), number(to))
  end }

-- ---- reward hacking ----

-- Metrics of evaluations that are neither what is minimised nor a length.
local function held_out(d)
  local out = {}
  for _, key in ipairs(d:named "^validation_") do
    if key ~= "validation_loss" and key ~= "validation_reward" and key ~= "validation_length" then
      out[#out + 1] = key
    end
  end
  for _, name in ipairs(d.o.watched or {}) do out[#out + 1] = name end
  return out
end

local function drift(d)
  local from, to = d:moved "length"
  if not from or from <= 0 then return nil end
  if to > 1.3 * from or to < from / 1.3 then return from, to end
end

rule { name = "reward_hacking", curves = true,
  cause = "reward hacking: the reward rises by something that a held-out metric does not like",
  remedy = "Stop at the best evaluation, raise kl, or make what falls a part of the reward",
  find = function(d)
    local low, high = d:moved "reward"
    if not low or high <= low then return nil end
    for _, key in ipairs(held_out(d)) do
      local best, now = d:worsened(key, 1)
      if best then
        local said = ("reward %s to %s, while %s fell from %s to %s"):format(number(low),
          number(high), key, number(best), number(now))
        local from, to = drift(d)
        if not from then return said end
        return ("%s; length %s to %s tokens"):format(said, number(from), number(to)),
          "reward hacking by length: answers get " .. (to > from and "longer" or "shorter") ..
          ", the reward rises, a held-out metric falls",
          "Judge at equal length: normalise the reward by length or put a price on it " ..
          "(a part of negative weight), raise kl, or stop at the best evaluation"
      end
    end
  end }

rule { name = "length_drift", curves = true,
  cause = "the reward rises with the length of answers, and nothing held out says whether they " ..
    "are better",
  remedy = "Give eval.data and eval.metrics something that length does not please",
  find = function(d)
    if #held_out(d) > 0 or d.steps < 10 then return nil end
    local low, high = d:moved "reward"
    local from, to = d:moved "length"
    if not low or high <= low or not from or from <= 0 then return nil end
    if to < 2 * from and to > from / 2 then return nil end
    return ("length %s to %s tokens, reward %s to %s"):format(number(from), number(to),
      number(low), number(high))
  end }

rule { name = "overfitting", curves = true,
  cause = "what is learned no longer holds for data that were not learned from",
  remedy = "The best weights are kept; fewer epochs, a lower rate, more data, eval.patience",
  find = function(d)
    for key, sign in pairs { loss = -1, reward = 1 } do
      local held = "validation_" .. key
      local best, now = d:worsened(held, sign)
      local from, to = d:moved(key)
      if best and from and sign * to > sign * from then
        return ("%s %s to %s, while %s went from %s at best to %s"):format(key, number(from),
          number(to), held, number(best), number(now))
      end
    end
  end }

-- ---- how far the policy went ----

-- KL in nats a token of the last n steps.
local function kl_late(d, n)
  local kl, length = d:late("kl", n), d:late("length", n)
  return kl and length and length > 0 and kl / length or nil
end

rule { name = "kl_runaway", cause = "the policy runs away from its reference",
  remedy = "Raise kl (or give ppo adaptive), lower the learning rate",
  find = function(d)
    local late = kl_late(d, 5)
    if not late then return nil end
    local curve, before = d.curves.kl, nil
    if #curve >= 20 then
      local sum = 0
      for k = #curve - 19, #curve - 15 do sum = sum + curve[k] end
      before = sum / 5 / d:late("length", 5)
    end
    local runs = before and before > 0 and late > 0.3 and late > 4 * before
    if late <= 1 and not runs then return nil end
    return ("kl %s nats a token over the last 5 steps%s"):format(number(late),
      before and (", %s 15 steps before"):format(number(before)) or "")
  end }

rule { name = "negative_kl",
  cause = "KL is negative, which a distance cannot be: answers are sampled from another " ..
    "distribution than the one that learns",
  remedy = "Look for top_k, top_p or another temperature in a generate of your own, for a " ..
    "reference that is not what the policy began as, and for a mask that is off by a token",
  find = function(d)
    local late, all = kl_late(d, 5), d:last("kl", 5)
    if not late or late >= -0.02 then return nil end
    for _, x in ipairs(all) do
      if x >= 0 then return nil end
    end
    return ("kl %s nats a token over the last 5 steps, negative in each"):format(number(late))
  end }

rule { name = "entropy_collapse",
  cause = "the policy has nearly stopped to explore: its answers to a prompt are all alike",
  remedy = "An entropy bonus, a higher upper clip, a higher temperature, or kl",
  find = function(d)
    local first, late = d:early("entropy", 5), d:late("entropy", 5)
    if not first or not late or d.steps < 10 then return nil end
    if first < 0.2 or late > 0.1 * first then return nil end
    return ("entropy %s nats a token in the first 5 steps, %s in the last"):format(number(first),
      number(late))
  end }

rule { name = "clipped",
  cause = "updates are so large that much of them is clipped away",
  remedy = "A lower learning rate, fewer epochs or minibatches on each batch of answers",
  find = function(d)
    local late = d:late("clipped", 5)
    return late and late > 0.3 and
      ("%s of tokens clipped over the last 5 steps"):format(percent(late)) or nil
  end }

-- ---- answers, values ----

rule { name = "truncated",
  cause = "most answers are cut off before their end, and judged as they stand",
  remedy = "Raise sampling.max_tokens, or give answers without an end a lower reward " ..
    "(ppo: missing_eos)",
  find = function(d)
    local late = not d.o.ignore_eos and d:late("truncated", 5)
    if not late or late <= 0.5 then return nil end
    return ("%s of answers over the last 5 steps reach the limit%s"):format(percent(late),
      d.o.max_tokens and (" of %s"):format(text.count(d.o.max_tokens, "token")) or "")
  end }

rule { name = "value_loss",
  cause = "the critic predicts returns worse than their mean does",
  remedy = "Raise value_weight or the critic's rate, normalise the reward, more samples a step",
  find = function(d)
    local late = d.steps >= 20 and d:late("explained", 10)
    if not late or late >= 0 then return nil end
    return ("explained variance %s over the last 10 steps"):format(number(late))
  end }

return rules
