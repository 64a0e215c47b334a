-- tensor: hone.tensor { 1, 2, 3 }, and every operation as hone.tensor.NAME.
-- What each does is said in docs/lua.md; lua/bind/ops.c and lua/bind/advantage.c bind
-- them. Here are those that are composed of others, and the options of two.
--
--   local advantage = T.group_normalise(reward, 8, 1e-4, { variance = "biased" })
--   local loss = (ratio * a + 0.1 * T.kl(logp, reference, "k2")):mean()
local core = require "hone.core"
local options = require "hone.options"
local text = require "hone.text"

local tensor = core.tensor
local VARIANCE = { "variance", "choice", default = "unbiased", choices = { "unbiased", "biased" },
  doc = "divide by n - 1 or by n" }

--- Rewards within their groups of `group`, with mean 0 and sd 1; without gradient.
local bound_normalise = tensor.group_normalise
local normalise_schema = {
  { "scale", "choice", default = "sd", choices = { "sd", "none" }, doc = "none: the mean alone is taken off" },
  VARIANCE,
}
function tensor.group_normalise(reward, group, eps, o)
  o = options.check("group_normalise", normalise_schema, o or {})
  return bound_normalise(reward, group, eps or 1e-4, o.scale == "sd", o.variance)
end

--- Values with mean 0 and variance 1; without gradient.
local bound_whiten = tensor.whiten
local whiten_schema = {
  { "mean", "boolean", default = true, doc = "take the mean off; false: it stays" },
  VARIANCE,
  { "mask", "any", doc = "a tensor; where it is 0, a value does not count, and becomes 0" },
}
function tensor.whiten(x, o)
  o = options.check("whiten", whiten_schema, o or {})
  return bound_whiten(x, o.mask, not o.mean, o.variance)
end

--- Means of runs of values, 0 of none; with gradient.
function tensor.segment_mean(t, lengths)
  local counts = type(lengths) == "table" and tensor.new(lengths) or lengths
  return tensor.segment_sum(t, lengths) / tensor.max(counts, 1)
end

--- An estimate of KL(policy, reference) a token, r = logp - reference, with gradient:
--- k1 = r, k2 = r^2 / 2, k3 = exp(-r) - 1 + r. Schulman 2020, "Approximating KL divergence".
local estimators = {
  k1 = function(r) return r end,
  k2 = function(r) return r * r * 0.5 end,
  k3 = function(r) return (-r):exp() - 1 + r end,
}
function tensor.kl(logp, reference, estimator)
  local of = estimators[estimator]
  if not of then core.fail(("kl: '%s' is no estimator (allowed: k1, k2, k3)"):format(tostring(estimator))) end
  return of(logp - reference)
end

return setmetatable(tensor, {
  __call = function(_, ...) return tensor.new(...) end,
  __index = function(_, name)
    core.fail(("hone.tensor has no '%s'%s"):format(tostring(name), text.suggest(tostring(name), (function()
      local known = {}
      for key in pairs(tensor) do known[#known + 1] = key end
      return known
    end)())))
  end,
})
