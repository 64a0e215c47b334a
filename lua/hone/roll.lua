-- roll: what a policy answered, ready to learn from.
--
--   local roll <close> = policy:generate { prompts = prompts, samples = 8, seed = seed }
--   roll.samples, #roll            the samples, in order of prompts
--   roll.tokens, roll.logp         own tokens of all of them; [tokens], nats, as sampled
--   roll.lengths, roll.truncated   [samples]: own tokens; 1 where the limit cut it off
--   roll:keep(mask)                learn from those where mask [samples] is not 0
--   roll.kept, roll.kept_share     how many that are, and their share
--   roll:mask()                    [tokens]: 1 where they are of those
--   roll:sum(x)                    x [tokens], summed over each answer: [samples]
--   roll:an_answer(x)              x [tokens], summed over an answer: the mean of those
--   roll:join(other)               a roll of both: groups stay apart
--   roll:pair(chosen, rejected)    learn from pairs: two lists of numbers of samples
--   for part in roll:parts() do    as many tokens as a batch holds, in a step of its own
--     part.logp                    [part.tokens]
--     part:spread(x)               x [samples] or [tokens] to [part.tokens]
--     part:gather(x)               x [samples] to [#part.samples]
--     part:pairs { name = x }      x [#part.samples] as { chosen, rejected }, [pairs] each
--     part.samples, part.lengths   numbers of its samples; their own tokens, a list
--   end
--   for mini in roll:minibatches(n, seed) do mini:parts() ... end
--
-- Own tokens are those of the response that the model made itself (an environment
-- may have spoken in between). Numbers of samples and places of tokens stay those of
-- the whole roll, whatever is kept.
local core = require "hone.core"
local T = core.tensor

local roll = {}
local Roll = { __name = "hone.roll" }

-- ---- parts ----

local Part = { __name = "hone.part" }

-- Runs { first, last } of tokens of these samples in the roll.
local function runs_of(roll, list)
  local runs = {}
  for _, i in ipairs(list) do
    local first, last = roll.first[i], roll.first[i + 1] - 1
    local run = runs[#runs]
    if last >= first then
      if run and run[2] + 1 == first then run[2] = last else runs[#runs + 1] = { first, last } end
    end
  end
  return runs
end

-- x [tokens of the roll] to [tokens of the list].
local function select_tokens(roll, list, x)
  local pieces = {}
  for k, run in ipairs(runs_of(roll, list)) do pieces[k] = x:slice(run[1], run[2]) end
  return #pieces == 1 and pieces[1] or T.concat(pieces)
end

local function size(x) return x.shape[1] or 1 end

--- x [samples] to [#part.samples].
function Part:gather(x) return x:rows(self.samples) end

--- x [samples] or [tokens] of the roll to [part.tokens].
function Part:spread(x)
  -- Where some answers have no token, there may be as many tokens as samples.
  if size(x) == #self.roll and size(x) == self.roll.tokens and #self.roll.all < size(x) then
    core.fail(("spread: %d values may be of the samples or of the tokens"):format(size(x)))
  end
  if size(x) == self.roll.tokens then return select_tokens(self.roll, self.samples, x) end
  if size(x) ~= #self.roll then
    core.fail(("spread: %d values; the roll has %d samples and %d tokens"):format(
      size(x), #self.roll, self.roll.tokens))
  end
  return T.spread(self:gather(x), self.lengths)
end

--- The mean over each sample's tokens of x [part.tokens], with gradient.
function Part:mean(x)
  return T.segment_mean(x, self.lengths)
end

--- { name = { chosen = , rejected = } } of { name = x [#part.samples] }.
function Part:pairs(fields)
  local first, second, out = {}, {}, {}
  for k = 1, #self.samples, 2 do first[#first + 1], second[#second + 1] = k, k + 1 end
  for name, x in pairs(fields) do
    out[name] = { chosen = x:rows(first), rejected = x:rows(second) }
  end
  return out
end

--- What a value counts in the mean over all that is learned from in this update:
--- by "token", by "sequence" (each the mean of its tokens), or by a "constant" number
--- of tokens (Liu et al. 2025, arXiv:2503.20783). x is [part.tokens], or one a sample.
function Part:weights(x, reduction, constant)
  local of = self.of
  if self.roll.paired and size(x) == #self.samples // 2 then return 2 / of.count end
  if size(x) ~= self.tokens then
    if size(x) ~= #self.samples then
      core.fail(("a loss of %d values; the part has %d tokens of %d samples"):format(
        size(x), self.tokens, #self.samples))
    end
    return 1 / of.count
  end
  if reduction == "constant" then return 1 / (of.count * constant) end
  if reduction ~= "sequence" then return 1 / of.total end
  local each = {}
  for k, n in ipairs(self.lengths) do each[k] = 1 / (of.count * n) end
  return T.spread(T.new(each), self.lengths)
end

function Part:__index(key)
  if Part[key] then return Part[key] end
  if key == "logp" then
    local value = select_tokens(self.roll, self.samples, self.roll.logp)
    rawset(self, key, value)
    return value
  end
end

-- Lists of samples whose tokens, prompts of a group once, fill a batch; pairs stay
-- together.
local function cut(roll, list)
  local lists, now, tokens, group = {}, nil, 0, nil
  local together = roll.paired and 2 or 1
  for first = 1, #list, together do
    local own, prompt = 0, nil
    for k = first, first + together - 1 do
      local s = roll.samples[list[k]]
      own, prompt = own + s.response_tokens, s
    end
    local cost = own + (prompt.group == group and 0 or prompt.prompt_tokens)
    if not now or tokens + cost > roll.limit then
      now, tokens, cost = {}, 0, own + prompt.prompt_tokens
      lists[#lists + 1] = now
    end
    table.move(list, first, first + together - 1, #now + 1, now)
    tokens, group = tokens + cost, prompt.group
  end
  return lists
end

local function part_of(roll, list, of)
  local lengths, tokens = {}, 0
  for k, i in ipairs(list) do
    lengths[k] = roll.first[i + 1] - roll.first[i]
    tokens = tokens + lengths[k]
  end
  return setmetatable({ roll = roll, samples = list, lengths = lengths, tokens = tokens, of = of,
                        batch = core.rollout_batch(roll.samples, list, { share = true }) }, Part)
end

-- An iterator over parts, each in a graph step that ends before the next begins,
-- also where the loop is left early.
local function parts(roll, list, record)
  local lists, k = cut(roll, list), 0
  local of = { total = 0, count = #list }
  for _, i in ipairs(list) do of.total = of.total + roll.first[i + 1] - roll.first[i] end
  local guard = setmetatable({}, { __close = function(_, problem)
    core.graph.finish(problem ~= nil)
    roll.part = nil
  end })
  return function()
    core.graph.finish()
    k = k + 1
    if not lists[k] then return nil end
    core.graph.begin { record = record ~= false, train = false }
    roll.part = part_of(roll, lists[k], of)
    if roll.at_hand then roll.at_hand(roll) end
    return roll.part
  end, nil, nil, guard
end

--- record = false: without gradients.
function Roll:parts(record) return parts(self, self.list, record) end

--- A part with all of some samples, outside of any step.
function Roll:first_part() return part_of(self, cut(self, self.list)[1], { total = 1, count = 1 }) end

-- ---- minibatches ----

local Mini = { __name = "hone.minibatch" }
Mini.__index = Mini

function Mini:parts(record) return parts(self.roll, self.list, record) end

--- The kept samples in random order, in n portions as equal as can be.
function Roll:minibatches(n, seed)
  local order, k = core.random(seed, "minibatches"):shuffle(#self.list), 0
  return function()
    k = k + 1
    if k > n then return nil end
    local list = {}
    for i = (k - 1) * #order // n + 1, k * #order // n do list[#list + 1] = self.list[order[i]] end
    table.sort(list)
    return setmetatable({ roll = self, list = list }, Mini)
  end
end

-- ---- the whole ----

--- Learn only from samples whose mask [samples] is not 0.
function Roll:keep(mask)
  local values, list = mask:values(), {}
  for _, i in ipairs(self.list) do
    if values[i] ~= 0 and values[i] == values[i] then list[#list + 1] = i end
  end
  self.list = list
end

--- Learn from pairs of samples: lists of their numbers.
function Roll:pair(chosen, rejected)
  self.list, self.paired = {}, true
  for k = 1, #chosen do
    self.list[2 * k - 1], self.list[2 * k] = chosen[k], rejected[k]
  end
end

--- [tokens]: 1 where they are of samples that are kept.
function Roll:mask()
  local kept = T.zeros { #self.samples }
  if #self.list == #self.samples then kept = kept + 1
  else
    local flags = {}
    for i = 1, #self.samples do flags[i] = 0 end
    for _, i in ipairs(self.list) do flags[i] = 1 end
    kept = T.new(flags)
  end
  return T.spread(kept, self.lengths)
end

--- x [tokens], summed over each sample: [samples].
function Roll:sum(x) return x:segment_sum(self.lengths:values()) end

--- The mean over kept samples of the sum of x [tokens] over their tokens.
function Roll:an_answer(x)
  return #self.list == 0 and 0 or (x * self:mask()):sum():item() / #self.list
end

--- A [tokens] tensor, filled part by part: fn(part) gives [part.tokens].
function Roll:each_token(fn)
  local out = T.zeros { self.tokens }
  for part in self:parts(false) do
    local value, at = fn(part):detach(), 1
    for _, run in ipairs(runs_of(self, part.samples)) do
      local n = run[2] - run[1] + 1
      out:slice(run[1], run[2]):copy(value:slice(at, at + n - 1))
      at = at + n
    end
  end
  return out
end

function Roll:__len() return #self.samples end

function Roll:__close() self.samples, self.logp, self.lengths = nil, nil, nil end

function Roll:__index(key)
  if key == "kept" then return #rawget(self, "list") end
  if key == "kept_share" then return #rawget(self, "list") / #self end
  return Roll[key]
end

function Roll:__tostring()
  return ("roll (%d samples, %d tokens, %d kept)"):format(#self, self.tokens, #self.list)
end

--- Of samples; limit: tokens of a part.
function roll.new(samples, limit)
  local self = { samples = samples, limit = limit, list = {}, first = { 1 },
                 logp = samples:logp_tensor(), lengths = samples:lengths_tensor(),
                 truncated = samples:truncated() }
  for i, n in ipairs(self.lengths:values()) do
    self.first[i + 1] = self.first[i] + math.tointeger(n)
    if n > 0 then self.list[#self.list + 1] = i end
  end
  self.all = self.list
  self.tokens = self.first[#self.first] - 1
  return setmetatable(self, Roll)
end

--- The samples of both, in order, all of them kept.
function Roll:join(other)
  local samples, group = core.samples_new(), self.samples[#self].group + 1
  for k, from in ipairs { self.samples, other.samples } do
    for i = 1, #from do
      local s = from[i]
      samples:add { prompt = s.prompt, response = s.response, tokens = s.tokens, own = s.own,
        prompt_tokens = s.prompt_tokens, logp = s.logp, finish = s.finish, row = s.row,
        group = s.group + (k - 1) * group, seed = s.seed }
    end
  end
  samples:set_step(self.samples.step)
  local out = roll.new(samples, self.limit)
  out.logp, out.at_hand = T.concat { self.logp, other.logp }, self.at_hand
  return out
end

return roll
