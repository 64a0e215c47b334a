-- reward_model: a score learned from what people preferred or rated.
--
--   local liked = hone.reward_model { base = policy:copy(), data = parts }
--   print(liked:test())                                   -- accuracy, calibration, baselines
--   liked:normalise(samples):save "out/liked"
--   hone.grpo { policy = policy, prompts = prompts, reward = liked }
--
-- A head "score" on the last token of a text is trained along with what the strategy trains;
-- it begins normal with sd 1/sqrt(width + 1). What is minimised: reward_model/losses.lua;
-- the result, and what it can do: reward_model/judge.lua. The loss on data.validation is
-- watched, and the best weights are put back at the end.
local batches = require "hone.batches"
local checkpoint = require "hone.checkpoint"
local core = require "hone.core"
local figures = require "hone.reward_model.figures"
local judge = require "hone.reward_model.judge"
local losses = require "hone.reward_model.losses"
local memory = require "hone.memory"
local pairs_of = require "hone.pairs"
local ratings = require "hone.reward_model.ratings"
local report = require "hone.report"
local runs = require "hone.run"
local sets = require "hone.reward_model.set"
local source = require "hone.reward_model.source"
local step = require "hone.step"
local summary = require "hone.reward_model.summary"
local T = require "hone.tensor"
local text = require "hone.text"
local trainer = require "hone.trainer"
local update = require "hone.reward_model.update"

local own = {
  { "base", "model", required = true, doc = "the model that learns, in place" },
  { "data", "any", required = true, doc = "data or labels, or parts: train, validation, test" },
  { "loss", "choice", default = "bradley_terry", doc = "what is minimised",
    choices = { "bradley_terry", "davidson", "ordinal", "regression", "classification" } },
  { "margin_scale", "number", default = 0, doc = "of column margin, taken off the difference" },
  { "centre", "number", default = 0, min = 0, doc = "weight of (r_chosen + r_rejected)^2" },
  { "metrics", "list", of = "string", doc = "columns of ratings, an output each; unset: label" },
  { "weights", "list", of = "number", doc = "of metrics in the score; unset: all 1" },
  { "classes", "list", of = "string", doc = "from worst to best; unset: negative, positive" },
  { "values", "list", of = "number", doc = "of classes; unset: evenly from -1 to 1" },
  { "left", "string", default = "left", doc = "of labels: the attribute with the first text" },
  { "right", "string", default = "right", doc = "the second text" },
  { "prompt", "string", default = "prompt", doc = "the prompt" },
  { "template", "choice", default = "plain", choices = { "plain", "chatml" }, doc = "of messages" },
  { "max_tokens", "integer", min = 2, doc = "of a text with its prompt; unset: the model's limit" },
  { "too_long", "choice", default = "drop", choices = { "drop", "error", "truncate" },
    doc = "what to do with a longer one; truncate: leave its beginning out" },
  { "selftest", "boolean", default = true, doc = "check at the start what must hold there" },
}
table.move(pairs_of.schema, 1, #pairs_of.schema, #own + 1, own)
local schema = trainer.schema(own)
local of_pairs = source.of_pairs

local methods = setmetatable({}, { __index = runs.methods })

--- The items of a part, encoded when first asked for; nil where there is no such part.
function methods:set(part)
  local data, o = self.options.parts[part], self.options
  if data and not self.sets[part] then
    local set
    if of_pairs[o.loss] then
      set = sets.pairs(pairs_of.read(data, { ties = o.loss == "davidson" and "learn" or o.ties,
        bad = o.bad, attribute = o.attribute, noise = o.noise, soft = o.soft }), o.base, o)
    else
      set = sets.ratings(ratings.read(data, o), o.base, o)
    end
    self.sets[part] = set
    self.record.data[part] = { name = data.name, hash = data.hash, encoded = set.report,
                               cleaned = data:clean_report() }
  end
  return self.sets[part]
end

-- ---- how good it is ----

-- Cut points as they are; nil where there are none.
local function cuts(self)
  if not self.objective.ordered then return nil end
  return step({ record = false }, function()
    return self.objective.ordered(update.extra(self.model, self.objective)):reshape(-1):values()
  end)
end

--- Loss and figures on a part: see reward_model/figures.lua.
function methods:evaluate(part)
  local set = self:set(part)
  if not set then core.fail(("the data has no part '%s'"):format(part)) end
  local loss, _, scores = update.evaluate(self.model, set, self.objective,
                                          self.options.batch.tokens)
  local found
  if of_pairs[self.options.loss] then
    found = figures.pairs(set, scores)
  elseif self.options.loss == "classification" then
    found = figures.classes(set, self.options.classes,
                            judge.expected(self.liked.made, self.objective, scores))
  else
    found = figures.ratings(set, self.options.metrics, judge.expected(self.liked.made,
      self.objective, scores, cuts(self)))
  end
  found.name, found.loss = part, loss
  return summary.of(found)
end

function methods:watched()
  if not self.options.parts.validation then return nil end
  local seen, line = self:evaluate "validation", { step = self.state.step }
  for name, value in pairs(seen) do
    if type(value) == "number" and name ~= "loss" and name ~= "pairs" and name ~= "texts" then
      line["validation_" .. name] = value
    end
  end
  self:log(line)
  return seen.loss
end

-- Figures of a part, kept in run.json and the report.
local function keep(self, part)
  local result, kept = self:evaluate(part), {}
  for name, value in pairs(result) do kept[name] = value end
  self:note { [part == "test" and "tested" or "validated"] = kept }
  return result
end

function methods:test()
  local result = keep(self, "test")
  report.write(self)
  return result
end

--- Its part of the report.
function methods:sections() return summary.sections(self.record) end

-- ---- training ----

local function fail(run, at, problem, blamed)
  local where, kept = {}, checkpoint.newest(run)
  for i = 1, math.min(#blamed, 5) do where[i] = run:set("train"):where(blamed[i]) end
  core.fail(("step %d: %s%s%s%s"):format(at, problem,
    #where > 0 and "; items: " .. table.concat(where, ", ") or "", #blamed > 5 and ", ..." or "",
    kept and "; the last checkpoint is " .. kept or ""))
end

function methods:advance()
  local state, o = self.state, self.options
  local at, began = state.step + 1, core.system.clock()
  local group = self.batches:group(at)
  local rate = o.schedule(at, self.batches.steps)
  local loss, norm, seen = update.step(self.model, self.optimizer, group, {
    objective = self.objective, seed = self:seed("step/" .. at), clip = o.clip, rate = rate })
  if not loss then fail(self, at, norm, seen) end
  local seconds = core.system.clock() - began
  state.step, state.tokens = at, (state.tokens or 0) + group.tokens
  local line = { step = at, epoch = group.epoch, loss = loss, norm = norm, tokens = group.tokens,
                 lr = rate * self.optimizer.lr, seconds = seconds }
  for name, value in pairs(seen) do line[name] = line[name] or value end
  self:log(line)
  self.bar:update(at, ("loss %.4f%s  %s tokens/s"):format(loss,
    seen.accuracy and ("  accuracy %.2f"):format(seen.accuracy) or "",
    text.integer(math.floor(group.tokens / math.max(seconds, 1e-9)))))
end

-- The score of a text is the same alone and packed with others.
local function before(run)
  if not run.options.selftest then return end
  local part = run:set("train"):batch { 1, math.min(2, #run:set "train") }
  local alone, n = {}, run.objective.outputs
  local packed = step({ record = false }, function()
    local _, _, scores = update.values(run.model, part, run.objective)
    return scores:reshape(-1):values()
  end)
  for _, item in ipairs(part.items) do
    for _, field in ipairs(part.set.fields) do
      local batch <close> = core.batch_new()
      batch:add_end(item[field])
      step({ record = false }, function()
        local list = run.model:head(run.model:hidden(batch), "score"):reshape(n):values()
        table.move(list, 1, n, #alone + 1, alone)
      end)
    end
  end
  local function shown(x) return x == x and text.number(x) or "nan" end
  for i, x in ipairs(alone) do
    if not (math.abs(packed[i] - x) <= 1e-3 * math.max(1, math.abs(x))) then
      core.fail(("reward_model: self-test: a text's score is %s alone and %s in a batch"):format(
        shown(x), shown(packed[i])))
    end
  end
end

local function after(run)
  for _, part in ipairs { "validation", "test" } do
    if run.options.parts[part] then keep(run, part) end
  end
end

-- ---- options ----

local function need(o, key, count, what)
  if o[key] and #o[key] ~= count then
    core.fail(("reward_model: %s: %d given; %d needed, one a %s"):format(key, #o[key], count, what))
  end
end

local function complete(o)
  o.parts = source.parts(o)
  o.metrics = o.metrics or { o.loss == "classification" and "verdict" or "label" }
  if o.loss == "classification" then
    o.classes = o.classes or { "negative", "positive" }
    if #o.classes < 2 then core.fail("reward_model: classes: at least 2 are needed") end
    if not o.values then
      o.values = {}
      for k = 1, #o.classes do o.values[k] = 2 * (k - 1) / (#o.classes - 1) - 1 end
    end
    need(o, "values", #o.classes, "class")
    if #o.metrics > 1 then core.fail("reward_model: classification takes one column (metrics)") end
  else
    need(o, "weights", #o.metrics, "metric")
  end
  return o
end

-- What run.json says of the options: plugins with theirs, data by hash.
local function described(o)
  local out = {}
  for _, spec in ipairs(schema) do out[spec[1]] = o[spec[1]] end
  out.model, out.base = { folder = o.base.folder, weights = o.base:hash() }, nil
  out.schedule = type(o.schedule) == "function" and "a function" or tostring(o.schedule)
  out.data = {}
  for part, data in pairs(o.parts) do out.data[part] = { name = data.name, hash = data.hash } end
  return out
end

-- The head, and what is learned beside it, where the base has not got them already.
local function add_heads(run, o)
  local have, objective = o.base:heads(), run.objective
  if have.score and have.score ~= objective.outputs then
    core.fail(("reward_model: the base's head 'score' has %s; %d needed"):format(
      text.count(have.score, "output"), objective.outputs))
  end
  if not have.score then
    o.base:add_head("score", { outputs = objective.outputs, seed = run:seed "score" })
  end
  local extra = objective.extra
  if not extra then return end
  if have[extra.name] and have[extra.name] ~= extra.count then
    core.fail(("reward_model: the base's head '%s' has %s; %d needed"):format(extra.name,
      text.count(have[extra.name], "output"), extra.count))
  end
  if have[extra.name] then return end
  o.base:add_head(extra.name, { outputs = extra.count, bias = true, sd = 0 })
  for _, p in ipairs(o.base:parameters()) do
    if p.name == extra.name then p.bias:copy(T(objective.start)) end
  end
end

local function prepare(given)
  local o = complete(trainer.options("reward_model", schema, given))
  local run = runs.open { kind = "reward_model", name = o.name, seed = o.seed,
                          options = described(o), methods = methods }
  run.options, run.model, run.sets = o, o.base, {}
  run.record.data = run.record.data or {}
  run.objective = losses[o.loss](o, run:set "train")
  add_heads(run, o)
  o.base:set_recompute(o.recompute)
  o.base:attach(o.strategy)
  run.liked = judge.new(o.base, { loss = o.loss,
    metrics = not of_pairs[o.loss] and o.metrics or nil,
    classes = o.classes, values = o.values, weights = o.weights, moments = run.objective.moments,
    levels = run.objective.levels, template = o.template, max_tokens = o.max_tokens,
    too_long = o.too_long == "truncate" and "truncate" or "drop" }, run)
  run.optimizer = o.optimizer:on(o.base)
  run.batches = batches.new { examples = run:set "train", tokens = o.batch.tokens,
    accumulate = o.batch.accumulate, seed = run:seed "order", epochs = o.epochs, steps = o.steps }
  local all, trained = o.base:counts()
  run:note { parameters = all, trained = trained, steps = run.batches.steps,
    plugins = { model = o.base.plugin, strategy = o.strategy.version,
                optimizer = o.optimizer.version },
    memory = memory.check(o.base, { tokens = math.max(o.batch.tokens,
        2 * run:set("train").report.longest),
      states = o.optimizer:states(), strategy = o.strategy.name, recompute = o.recompute }) }
  return run
end

-- ---- of the result ----

function judge.class:evaluate(part)
  if not self.run then core.fail("reward_model: it was loaded: there is no data to evaluate on") end
  return self.run:evaluate(part)
end

function judge.class:test()
  if not self.run then core.fail("reward_model: it was loaded: there is no data to test on") end
  return self.run:test()
end

local reward_model = { load = judge.load, ensemble = require "hone.reward_model.ensemble" }

return setmetatable(reward_model, { __call = function(_, given)
  return trainer.train(prepare(given), before, after).liked
end })
