-- judge: a reward model as what it is for: it scores texts.
--
--   local values, heads = liked(samples)    [samples], NaN where a text cannot be scored;
--                                           heads[name] = [samples] where there are several
--   liked:normalise(samples)                from now on mean 0 and sd 1 on these
--   liked:metric { name = "liked" }         as a metric: for eval, reports, hone.select
--   liked:save(folder), judge.load(folder)
--
-- The score is the head's output at the last token: EOS where the answer ended. Samples
-- with tokens are judged as these tokens, others as texts through the renderer that training
-- used. Each text goes through the model by itself: its score has the same bits whatever
-- else is scored beside it.
--
-- What the head's outputs are: one score (pairs); ratings, whose mean by `weights` is the
-- score; or logits of classes, whose expected `values` is. `made` keeps that in
-- reward_model.json beside the model's files.
local core = require "hone.core"
local files = require "hone.files"
local hone = require "hone"
local object = require "hone.object"
local options = require "hone.options"
local sets = require "hone.reward_model.set"
local step = require "hone.step"
local T = require "hone.tensor"
local text = require "hone.text"

local judge = {}
local Judge = { __name = "hone.reward_model" }
Judge.__index = Judge

local nan <const> = 0 / 0

--- made: { loss, metrics, classes, values, weights, moments, template, max_tokens, too_long,
--- mean, sd }; run: where it was learned, or nil.
function judge.new(model, made, run)
  return setmetatable({ model = model, made = made, run = run }, Judge)
end

-- ---- tokens of samples ----

-- Bytes that are no UTF-8 are shown in several ways: only ASCII is compared.
local function ascii(words) return (words:gsub("[\x80-\xff]", "")) end

-- Another tokenizer's tokens say other words.
local function check_tokens(self, sample, tokens)
  local tokenizer = self.model.tokenizer
  if not tokenizer or not sample.response then return end
  local from = #tokens - sample.response_tokens + 1
  local said = from <= #tokens and tokenizer:decode(tokens:slice(from, #tokens)) or ""
  local given = ascii(sample.response)
  said = ascii(said)
  if said:sub(1, #given) ~= given and given:sub(1, #said) ~= said then
    core.fail("reward_model: the samples' tokens are not of its tokenizer: " ..
      "retokenise = true judges their texts")
  end
end

-- Ids of each sample; nil and why in `problems` where there are none.
local function ids_of(self, samples)
  local made, out, rows, places, problems = self.made, {}, {}, {}, {}
  local limit = math.min(made.max_tokens or math.huge, self.model.max_positions or math.huge)
  local cut, checked = made.too_long == "truncate", false
  local function fit(i, ids, answer)
    out[i], problems[i] = sets.fit(ids, answer, limit, cut)
  end
  for i = 1, #samples do
    local s = samples[i]
    local tokens = not made.retokenise and s.tokens
    if tokens and #tokens > 0 then
      if not checked then check_tokens(self, s, tokens) end
      checked = true
      fit(i, tokens, s.response_tokens)
    elseif s.response and s.response:find "%S" then
      rows[#rows + 1], places[#places + 1] = { prompt = s.prompt or "", completion = s.response }, i
    else
      problems[i] = "there is no answer, or an empty one"
    end
  end
  if #rows > 0 then
    local ids, lengths = sets.encode(rows, "samples", self.model, made.template)
    for r, i in ipairs(places) do
      if ids[r] then fit(i, ids[r], lengths[r]) else problems[i] = "nothing to judge" end
    end
  end
  return out, problems
end

-- The head's outputs for one text.
local function outputs_of(self, ids)
  local batch <close> = core.batch_new()
  batch:add_end(ids)
  return step({ record = false }, function()
    return self.model:head(self.model:hidden(batch), "score"):reshape(-1):values()
  end)
end

-- ---- from outputs to a score ----

--- Probabilities of classes.
function judge.softmax(logits)
  local most, sum, out = math.max(table.unpack(logits)), 0, {}
  for k, x in ipairs(logits) do
    out[k] = math.exp(x - most)
    sum = sum + out[k]
  end
  for k in ipairs(out) do out[k] = out[k] / sum end
  return out
end

--- A function that gives item k's expected ratings, or probabilities of classes, from all
--- outputs of the head.
function judge.expected(made, objective, scores, cuts)
  local n = objective.outputs
  return function(k)
    local out = table.move(scores, (k - 1) * n + 1, k * n, 1, {})
    if made.loss == "classification" then return judge.softmax(out) end
    for m = 1, n do
      if made.moments then
        out[m] = made.moments[m].mean + made.moments[m].sd * out[m]
      else
        local levels, y = made.levels[m], 0
        for l = #levels, 1, -1 do -- sum of level * (P(<= l) - P(<= l - 1))
          local function below(c)
            if c == 0 then return 0 elseif c == #levels then return 1 end
            return 1 / (1 + math.exp(out[m] - cuts[objective.starts[m] + c]))
          end
          y = y + levels[l] * (below(l) - below(l - 1))
        end
        out[m] = y
      end
    end
    return out
  end
end

-- What each output means, and the score they come to.
local function combine(made, outputs)
  local values, sum, weight = outputs, 0, 0
  if made.loss == "classification" then
    values = judge.softmax(outputs)
    for k, p in ipairs(values) do sum = sum + p * made.values[k] end
    return sum, values
  end
  if made.moments then
    values = {}
    for m, x in ipairs(outputs) do values[m] = made.moments[m].mean + made.moments[m].sd * x end
  end
  for m, x in ipairs(values) do
    local w = made.weights and made.weights[m] or 1
    sum, weight = sum + w * x, weight + w
  end
  return sum / weight, values
end

local function warn(problems, count)
  local first, n
  for i = 1, count do
    if problems[i] then first, n = first or i, (n or 0) + 1 end
  end
  if first then
    core.log("warn", ("reward_model: %d of %s without a score; sample %d: %s"):format(n,
      text.count(count, "sample"), first, problems[first]))
  end
end

--- Scores as a list (NaN: none), and lists of all outputs by sample (false: none).
function Judge:scores(samples)
  if object(samples) ~= "hone.samples" then
    local inside = (type(samples) == "table" or type(samples) == "userdata") and samples.samples
    if object(inside) ~= "hone.samples" then
      core.fail(("reward_model: takes samples, not a %s"):format(object(samples)))
    end
    samples = inside
  end
  local ids, problems = ids_of(self, samples)
  local scores, all, made = {}, {}, self.made
  for i = 1, #samples do
    if core.interrupted() then core.fail("interrupted") end
    scores[i], all[i] = nan, false
    if ids[i] then
      local score, values = combine(made, outputs_of(self, ids[i]))
      if made.sd then score = (score - made.mean) / made.sd end
      scores[i], all[i] = score, values
      if score - score ~= 0 then scores[i], problems[i] = nan, "the score is not a number" end
    end
  end
  warn(problems, #samples)
  return scores, all
end

-- Names of the outputs, where there are several.
local function names(made)
  local list = made.loss == "classification" and made.classes or made.metrics
  return list and #list > 1 and list or {}
end

function Judge:__call(samples)
  local scores, all = self:scores(samples)
  local heads = {}
  for m, name in ipairs(names(self.made)) do
    local values = {}
    for i, outputs in ipairs(all) do values[i] = outputs and outputs[m] or nan end
    heads[name] = T(values)
  end
  return T(scores), heads
end

--- Mean 0 and sd 1 on these samples, from now on; kept with the model.
function Judge:normalise(samples)
  self.made.mean, self.made.sd = nil, nil
  local n, mean, squares = 0, 0, 0
  for _, x in ipairs((self:scores(samples))) do
    if x == x then
      n = n + 1
      local d = x - mean
      mean = mean + d / n
      squares = squares + d * (x - mean)
    end
  end
  local sd = n > 1 and math.sqrt(squares / (n - 1)) or 0
  if not (sd > 0) then
    core.fail(("reward_model: normalise needs two different scores, got %s"):format(
      text.count(n, "score")))
  end
  self.made.mean, self.made.sd = mean, sd
  return self
end

local metric_schema = {
  { "name", "string", default = "reward_model", doc = "of the metric" },
}

--- A metric of its own, with the outputs as heads.
function Judge:metric(given)
  local o = options.check("reward_model.metric", metric_schema, given)
  return hone.metric.define { name = o.name, summary = "the score of a reward model",
    score_batch = function(samples)
      local scores, all = self:scores(samples)
      local out, list = {}, names(self.made)
      for i, score in ipairs(scores) do
        local heads = {}
        for m, name in ipairs(all[i] and list or {}) do heads[name] = all[i][m] end
        out[i] = { score = score, heads = heads }
      end
      return out
    end }
end

-- ---- files ----

-- transformers' names of outputs.
local function name_labels(path, list)
  local config = core.json.read(path)
  config.id2label, config.label2id = {}, {}
  for k, name in ipairs(list) do
    config.id2label[tostring(k - 1)], config.label2id[name] = name, k - 1
  end
  core.json.write(path, config)
end

--- A folder that transformers' AutoModelForSequenceClassification loads.
function Judge:save(folder)
  self.model:save(folder)
  local list = names(self.made)
  if #list > 0 then name_labels(files.join(folder, "config.json"), list) end
  core.json.write(files.join(folder, "reward_model.json"), self.made)
  return self
end

local load_schema = {
  { "dtype", "choice", default = "f32", choices = { "f32", "bf16", "f16", "stored" },
    doc = "of weights in memory" },
  { "template", "choice", choices = { "plain", "chatml" }, doc = "of prompts; unset: as saved" },
  { "max_tokens", "integer", min = 2, doc = "of a text; unset: as saved, or the model's limit" },
  { "too_long", "choice", choices = { "drop", "truncate" },
    doc = "a longer one: no score, or without its beginning" },
  { "retokenise", "boolean", doc = "judge samples as texts, whatever tokens they have" },
}

--- What save wrote, or any folder of transformers with a head "score".
function judge.load(folder, given)
  local o = options.check("reward_model.load", load_schema, given)
  local model = hone.model.load(folder, { dtype = o.dtype })
  local outputs = model:heads().score
  if not outputs then
    core.fail(("%s: no reward model: its architecture is not ...ForSequenceClassification"):format(
      folder))
  end
  local path, made = files.join(folder, "reward_model.json"), { template = "plain" }
  if files.exists(path) then
    made = core.json.read(path)
  elseif outputs > 1 then
    made.metrics = {}
    for k = 1, outputs do
      made.metrics[k] = (model.config.id2label or {})[tostring(k - 1)] or ("label_" .. k - 1)
    end
  end
  for key, value in pairs(made) do if value == core.null then made[key] = nil end end
  for _, key in ipairs { "template", "max_tokens", "too_long", "retokenise" } do
    if o[key] ~= nil then made[key] = o[key] end
  end
  return judge.new(model, made)
end

function Judge:__tostring()
  local made = self.made
  return ("reward model (%s%s%s)"):format(made.loss or "score",
    #names(made) > 0 and ": " .. table.concat(names(made), ", ") or "",
    made.sd and ", normalised" or "")
end

judge.class = Judge
return judge
