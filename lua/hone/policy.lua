-- policy: a model as an algorithm sees it: it answers and tells the log-probabilities
-- of answers under one temperature, that of the run's sampling.
--
--   policy:generate { prompts = prompts, samples = 8, seed = seed }      a roll
--   policy:logp(part)                        [part.tokens], nats, with gradient
--   policy:logp(part, { entropy = true })    and the entropy of each distribution
--   policy:logp(part, { value = "value" })   and what that head says, before each token
--   policy:logp(roll)                        [tokens], without gradient
--   policy:value(part, "value")              [part.tokens]: that alone
--   policy:greedy(prompts)                   samples of the likeliest tokens
--   policy.model
local core = require "hone.core"
local options = require "hone.options"
local roll = require "hone.roll"

local policy = {}

--- Options of sampling. The whole distribution, unless asked otherwise: the
--- log-probabilities of a truncated one are not those that learning computes.
policy.sampling = {
  { "max_tokens", "integer", default = 128, min = 1, doc = "of a response" },
  { "temperature", "number", default = 1, min = 0, open_min = true, doc = "also of learning" },
  { "top_k", "integer", default = 0, min = 0, doc = "0: all" },
  { "top_p", "number", default = 1, min = 0, max = 1, open_min = true, doc = "1: all" },
  { "min_p", "number", default = 0, min = 0, max = 1, doc = "0: all" },
  { "repetition_penalty", "number", default = 1, min = 0, open_min = true,
    doc = "of tokens that prompt or response has; 1: none" },
  { "batch", "integer", default = 0, min = 0, doc = "sequences decoded together; 0: 16" },
  { "stop", "list", of = "string", doc = "texts that end a response" },
  { "stop_tokens", "any", doc = "ids that end a response, besides the model's" },
  { "ignore_eos", "boolean", default = false, doc = "go on after the end of a text" },
  { "environment", "function",
    doc = "answers the model's turns: see model:generate; its tokens are not learned from" },
  { "turns", "integer", default = 0, min = 0, doc = "of the model, at most; 0: any" },
}

local Policy = { __name = "hone.policy" }
Policy.__index = Policy
policy.methods = Policy

-- One forward pass: log-probabilities, and what else was asked for.
local function forward(self, part, o)
  local before = self.adapters == false and core.graph.adapters(false)
  local hidden = self.model:hidden(part.batch)
  local logp, entropy = self.model:logp(part.batch, { hidden = hidden, entropy = o.entropy,
                                                      temperature = self.sampling.temperature })
  if before then core.graph.adapters(true) end
  local value = o.value and self.model:head(hidden, o.value)
  if o.entropy then return logp, entropy, value end
  return logp, value or nil
end

--- See above. Of a roll: all own tokens of what is kept, 0 elsewhere.
function Policy:logp(part, given)
  if part.batch then return forward(self, part, given or {}) end
  return part:each_token(function(p) return (forward(self, p, {})) end)
end

--- What a head says before each token of a part.
function Policy:value(part, name)
  return self.model:head(self.model:hidden(part.batch), name)
end

--- given: prompts (as model:generate takes them), samples, seed, and options of
--- sampling that differ from the run's.
function Policy:generate(given)
  local o = {}
  for key, value in pairs(self.sampling) do o[key] = value end
  for key, value in pairs(given) do o[key] = value end
  local out = roll.new(self.model:generate(o), self.tokens)
  -- What truncation left out of the sum must be in it again, and no penalty.
  if o.top_k > 0 or o.top_p < 1 or o.min_p > 0 or o.repetition_penalty ~= 1
    or o.temperature ~= self.sampling.temperature then
    out.logp = self:logp(out)
  end
  return out
end

--- One answer to each prompt, of the likeliest tokens: samples.
function Policy:greedy(prompts)
  local o = {}
  for key, value in pairs(self.sampling) do o[key] = value end
  o.prompts, o.temperature = prompts, 0
  return self.model:generate(o)
end

--- Of a model; sampling: options as above; tokens: of a part; adapters = false: the
--- model without those of its strategy.
function policy.new(model, o)
  return setmetatable({ model = model, adapters = o.adapters, tokens = o.tokens or 4096,
    sampling = options.check("sampling", policy.sampling, o.sampling) }, Policy)
end

return policy
