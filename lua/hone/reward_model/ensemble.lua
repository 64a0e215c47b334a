-- ensemble: several reward models as one that is careful where they disagree.
--
--   local liked = hone.reward_model.ensemble { a, b, c, k = 1 }
--   local values, heads = liked(samples)     heads.mean, heads.disagreement
--
-- The score is mean - k * sd over the members, the disagreement their sd (n - 1). Members
-- should be normalised on the same samples, or the one with the widest scores decides.
-- Coste et al. 2023, arXiv:2310.02743 (there: mean - k * variance).
local core = require "hone.core"
local hone = require "hone"
local object = require "hone.object"
local options = require "hone.options"
local T = require "hone.tensor"

local Ensemble = { __name = "hone.reward_model.ensemble" }
Ensemble.__index = Ensemble

local schema = {
  { "k", "number", default = 1, min = 0, doc = "how many sd are taken off the mean" },
}

--- Scores, means and disagreements as lists; NaN where a member has no score.
function Ensemble:scores(samples)
  local by, scores, means, sds = {}, {}, {}, {}
  for m, member in ipairs(self.members) do by[m] = member:scores(samples) end
  for i = 1, #by[1] do
    local sum, squares, n = 0, 0, #by
    for m = 1, n do sum = sum + by[m][i] end
    means[i] = sum / n
    for m = 1, n do squares = squares + (by[m][i] - means[i]) ^ 2 end
    sds[i] = math.sqrt(squares / (n - 1))
    scores[i] = means[i] - self.k * sds[i]
  end
  return scores, means, sds
end

function Ensemble:__call(samples)
  local scores, means, sds = self:scores(samples)
  return T(scores), { mean = T(means), disagreement = T(sds) }
end

--- Every member on the same samples.
function Ensemble:normalise(samples)
  for _, member in ipairs(self.members) do member:normalise(samples) end
  return self
end

--- A metric with the heads mean and disagreement, and the curve disagreement.
function Ensemble:metric(given)
  local o = options.check("reward_model.metric", {
    { "name", "string", default = "reward_ensemble", doc = "of the metric" } }, given)
  return hone.metric.define { name = o.name, summary = "mean of reward models less their sd",
    score_batch = function(samples)
      local scores, means, sds = self:scores(samples)
      local out = {}
      for i, score in ipairs(scores) do
        local heads = means[i] == means[i] and { mean = means[i], disagreement = sds[i] } or nil
        out[i] = { score = score, heads = heads }
      end
      return out
    end }
end

function Ensemble:__tostring()
  return ("ensemble of %d reward models, mean - %g sd"):format(#self.members, self.k)
end

return function(given)
  if type(given) ~= "table" then core.fail("reward_model.ensemble: takes { a, b, ..., k = 1 }") end
  local rest, members = {}, {}
  for key, value in pairs(given) do
    if math.type(key) == "integer" then members[key] = value else rest[key] = value end
  end
  local o = options.check("reward_model.ensemble", schema, rest)
  if #members < 2 then
    core.fail(("reward_model.ensemble: %d members; at least 2 are needed"):format(#members))
  end
  for m, member in ipairs(members) do
    if object(member) ~= "hone.reward_model" then
      core.fail(("reward_model.ensemble: member %d is no reward model but a %s"):format(m,
        object(member)))
    end
  end
  return setmetatable({ members = members, k = o.k }, Ensemble)
end
