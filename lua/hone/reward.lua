-- reward: one number a sample, from anything that scores.
--
--   local reward = hone.reward { normalise = true, clip = { -4, 4 },
--     { liked, weight = 0.8 },                            -- a reward model
--     { concise, weight = 0.2 },                          -- a metric
--     { function(s) return #s.response end, name = "chars", clip = { 0, 400 }, weight = 0.1 },
--     { safe, gate = { floor = 0.5, reward = -3 } } }     -- below 0.5: -3, whatever the others say
--
--   local values, components, tokens = reward(roll)
--
-- values: [samples], NaN where it does not apply, or failed; tokens: [tokens], or nil.
--
-- components[k] is a part's { name, weight, values = [samples], tokens = [tokens] or
-- nil, summary, failures = { { sample, message }, ... } }; components.total the
-- reward's own, with how many samples a gate shut and clip cut; components.tokens
-- [tokens] the weighted sum of token scores, nil where no part has any.
-- The order of work is that of <hone/reward.h>.
local core = require "hone.core"
require "hone.metric"
local object = require "hone.object"
local options = require "hone.options"
local text = require "hone.text"

local reward = {}
local Reward = { __name = "hone.reward" }

local schema = {
  { "normalise", "any", default = "none",
    doc = "to mean 0 and sd 1: none, before (each part; also true), after (the sum)" },
  { "clip", "any", doc = "{ low, high } of the reward" },
  { "na", "choice", default = "skip", choices = { "skip", "zero", "rescale" },
    doc = "a part that does not apply: no reward, the rest, the rest scaled up" },
  { "failures", "choice", default = "count", choices = { "count", "stop" },
    doc = "of a part: the sample has no reward, or the run stops" },
  { "reference", "any", doc = "samples whose mean and sd normalise; unset: all seen so far" },
  { "timeout", "number", default = 60, min = 0, doc = "seconds a Lua function may take; 0: any" },
}
local part_schema = {
  { "name", "string", doc = "of its curve" },
  { "weight", "number", doc = "in the sum; 1, of a gate 0" },
  { "clip", "any", doc = "{ low, high } of its score" },
  { "gate", "any", doc = "{ floor = , reward = }: a score below floor makes the reward this" },
  { "shrink", "any", doc = "head with the variance of its scores; true: variance" },
}

local function range(where, value)
  if value == nil then return -math.huge, math.huge end
  local low, high = type(value) == "table" and value[1], type(value) == "table" and value[2]
  if math.type(low) == nil or math.type(high) == nil or not (low <= high) then
    core.fail(("%s: clip: expected { low, high }, got %s"):format(where, text.value(value)))
  end
  return low, high
end

-- floor and what the reward is below it. A bare number leaves 0, which is the mean
-- where rewards are normalised: so it must be said there.
local function gate(where, value, normalised)
  if value == nil then return nil, 0 end
  if type(value) == "number" and not normalised then return value, 0 end
  local given = type(value) == "table" and value or {}
  local floor, shut = given.floor, given.reward
  if math.type(floor) == nil or math.type(shut) == nil then
    core.fail(("%s: gate: expected { floor = , reward = }%s"):format(where,
      normalised and ", as rewards are normalised" or " or a floor"))
  end
  return floor, shut
end

-- ---- what scores ----

local function is_callable(x)
  local meta = getmetatable(x)
  return type(meta) == "table" and meta.__call ~= nil
end

-- Whatever a callable object returned, as scores; heads: { name = [samples] }.
local function as_scores(samples, value, heads)
  if object(value) == "hone.scores" then return value end
  return core.scores_of(samples, value, type(heads) == "table" and heads or nil)
end

-- A function of samples that returns scores, and a name.
local function scorer(where, x, timeout)
  local kind = object(x)
  if kind == "hone.plugin" and x.kind == "metric" then
    local d = x:definition()
    return function(samples) return x:score(samples) end, d and d.name or x.name
  elseif kind == "function" then
    local how = { name = where, timeout = timeout }
    return function(samples) return core.score(samples, x, how) end
  elseif kind ~= "hone.tensor" and kind ~= "hone.plugin" and is_callable(x) then
    return function(samples) return as_scores(samples, x(samples)) end,
      (kind:gsub("^hone%.", ""))
  end
  core.fail(("%s: expected a metric, a reward model, a function or a reward, got %s"):format(
    where, kind == "hone.plugin" and x.kind .. "/" .. x.name or "a " .. kind))
end

-- What a metric's definition says of it as a part.
local function defined(x)
  local definition = object(x) == "hone.plugin" and x.kind == "metric" and x:definition()
  return definition and definition.reward or {}
end

local function new_part(k, given, o)
  local where = ("reward: part %d"):format(k)
  if type(given) ~= "table" or getmetatable(given) then given = { given } end
  local x, rest = given[1], {}
  if x == nil then core.fail(where .. ": what scores is missing: { metric, weight = }") end
  for key, value in pairs(defined(x)) do rest[key] = value end
  for key, value in pairs(given) do if key ~= 1 then rest[key] = value end end
  local p = options.check(where, part_schema, rest)
  local part = { inner = object(x) == "hone.reward" and x or nil,
                 moments = { count = 0, mean = 0, squares = 0 } }
  local name
  if not part.inner then part.score, name = scorer(where, x, o.timeout) end
  part.name = p.name or name or ("part" .. k)
  if part.name == "reward" then core.fail(where .. ": 'reward' is the name of the sum") end
  part.low, part.high = range(where, p.clip)
  part.floor, part.shut = gate(where, p.gate, o.normalise ~= "none")
  part.weight = p.weight or (part.floor and 0 or 1)
  part.shrink = p.shrink == true and "variance" or p.shrink or nil
  part.normalise = o.normalise == "before"
  return part
end

--- A reward of parts, each { what scores, weight = , gate = , clip = , name = }.
function reward.new(given)
  if type(given) ~= "table" then core.fail("reward: takes a table of parts and options") end
  local rest, parts, seen = {}, {}, {}
  for key, value in pairs(given) do
    if math.type(key) ~= "integer" then rest[key] = value end
  end
  local o = options.check("reward", schema, rest)
  if o.normalise == true then o.normalise = "before" end
  if not o.normalise then o.normalise = "none" end
  if o.normalise ~= "before" and o.normalise ~= "after" and o.normalise ~= "none" then
    core.fail(("reward: normalise: %s is not one of none, before, after"):format(
      text.value(o.normalise)))
  end
  if #given == 0 then core.fail("reward: has no parts: { { metric, weight = 1 }, ... }") end
  for k, part in ipairs(given) do
    parts[k] = new_part(k, part, o)
    if seen[parts[k].name] then
      core.fail(("reward: parts %d and %d are both named '%s': give one name = "):format(
        seen[parts[k].name], k, parts[k].name))
    end
    seen[parts[k].name] = k
  end
  local low, high = range("reward", o.clip)
  return setmetatable({ parts = parts, o = o, low = low, high = high,
                        moments = { count = 0, mean = 0, squares = 0 } }, Reward)
end

--- Anything that scores, as a reward; a reward as it is.
function reward.of(x)
  if object(x) == "hone.reward" then return x end
  if type(x) == "table" and not getmetatable(x) then return reward.new(x) end
  return reward.new { { x } }
end

-- ---- scoring ----

Reward.__index = Reward

local function samples_of(x)
  if object(x) == "hone.samples" then return x end
  local inside = (type(x) == "table" or type(x) == "userdata") and x.samples
  if object(inside) ~= "hone.samples" then
    core.fail(("reward: takes samples, not a %s"):format(object(x)))
  end
  return inside
end

-- A part that fails as a whole fails for every sample: the run goes on, and says so.
local function part_scores(part, samples, update)
  local ok, scores
  if part.inner then
    ok, scores = pcall(Reward.scores, part.inner, samples, update)
  else
    ok, scores = pcall(part.score, samples)
  end
  if ok then return scores end
  if core.interrupted() then error(scores, 0) end
  return core.scores_failed(samples, object.plain(scores))
end

local function report(self, component, count)
  local first = component.failures[1]
  if not first then return end
  local message = ("reward: %s failed for %d of %s; sample %d: %s"):format(component.name,
    #component.failures, text.count(count, "sample"), first.sample, first.message)
  if self.o.failures == "stop" then core.fail(message) end
  core.log("warn", message)
end

local function component_of(part, samples, scores)
  return { name = part.name, weight = part.weight, values = scores:tensor(),
           tokens = scores:tokens(samples), summary = scores:summary(),
           failures = scores:failures() }
end

--- Scores (hone.scores) and components; update: whether the samples count in what
--- normalises.
function Reward:scores(samples, update)
  local parts, components = {}, {}
  for k, part in ipairs(self.parts) do
    local scores = part_scores(part, samples, update)
    components[k] = component_of(part, samples, scores)
    report(self, components[k], #samples)
    parts[k] = { name = part.name, scores = scores, weight = part.weight, low = part.low,
                 high = part.high, floor = part.floor, shut = part.shut, shrink = part.shrink,
                 normalise = part.normalise, moments = part.moments }
  end
  local scores, counts = core.reward(samples, parts, {
    na = self.o.na, normalise = self.o.normalise == "after", moments = self.moments,
    low = self.low, high = self.high, update = update })
  components.total = scores:summary()
  components.total.shut, components.total.clipped = counts.shut, counts.clipped
  components.tokens = scores:tokens(samples)
  return scores, components
end

-- Moments of the reference samples, once; a restored state has them already.
local function refer(self)
  if self.o.reference and not self.referred then
    self.referred = true
    self:scores(samples_of(self.o.reference), true)
  end
end

--- Of samples, or what has .samples: [samples], components, and token scores. learn =
--- false leaves the means and deviations that normalise as they are: for evaluation.
function Reward:__call(what, given)
  local samples = samples_of(what)
  refer(self)
  local update = not self.o.reference and not (given and given.learn == false)
  local scores, components = self:scores(samples, update)
  return scores:tensor(), components, components.tokens
end

--- Figures to log of components, by name: means of parts, and counts.
function reward.curves(components)
  local out = {}
  local function add(name, summary)
    if summary.mean ~= core.null then out[name] = summary.mean end
    if summary.sd ~= core.null then out[name .. "/sd"] = summary.sd end
    if summary.na > 0 then out[name .. "/na"] = summary.na end
    if summary.failed > 0 then out[name .. "/failed"] = summary.failed end
    for head, figures in pairs(summary.heads) do
      if figures.mean ~= core.null then out[name .. "/" .. head] = figures.mean end
    end
    for curve, value in pairs(summary.logged) do out[name .. "/" .. curve] = value end
  end
  for _, component in ipairs(components) do add(component.name, component.summary) end
  add("reward", components.total)
  if components.total.shut > 0 then out["reward/shut"] = components.total.shut end
  if components.total.clipped > 0 then out["reward/clipped"] = components.total.clipped end
  return out
end

-- ---- state ----

local function copy(m) return { count = m.count, mean = m.mean, squares = m.squares } end

--- What it has learned of its parts: JSON for a checkpoint.
function Reward:state()
  local parts = core.json.list {}
  for k, part in ipairs(self.parts) do
    parts[k] = { name = part.name, moments = copy(part.moments),
                 inner = part.inner and part.inner:state() }
  end
  return { parts = parts, moments = copy(self.moments), referred = self.referred or false }
end

--- Go on from a state.
function Reward:restore(state)
  local names, saved = {}, {}
  for k, part in ipairs(self.parts) do names[k] = part.name end
  for k, part in ipairs(state.parts) do saved[k] = part.name end
  if table.concat(names, ", ") ~= table.concat(saved, ", ") then
    core.fail(("reward: the saved state is of %s; these parts are %s"):format(
      table.concat(saved, ", "), table.concat(names, ", ")))
  end
  for k, part in ipairs(self.parts) do
    part.moments = copy(state.parts[k].moments)
    if part.inner then part.inner:restore(state.parts[k].inner) end
  end
  self.moments, self.referred = copy(state.moments), state.referred
end

function Reward:__tostring()
  local words = {}
  for k, part in ipairs(self.parts) do
    words[k] = part.floor and ("%s >= %s"):format(part.name, text.number(part.floor))
      or ("%s * %s"):format(text.number(part.weight), part.name)
  end
  return "reward: " .. table.concat(words, ", ")
end

return setmetatable(reward, { __call = function(_, given) return reward.new(given) end })
