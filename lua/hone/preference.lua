-- preference: learning from pairs, without a reward model: DPO and its kin.
--
--   local run = hone.preference { model = model, data = data, loss = "sigmoid", beta = 0.1 }
--   print(run:test())
--
-- A step takes `accumulate` batches of at most `tokens` tokens; its loss is the mean
-- over all their pairs, by weight (see losses.lua, objective.lua). The reference is the
-- model as it was: itself with its adapter off, or log-probabilities computed before
-- training (reference.lua). The loss on data.validation is watched; the best weights are
-- put back at the end.
local answers = require "hone.answers"
local batches = require "hone.batches"
local checkpoint = require "hone.checkpoint"
local core = require "hone.core"
local files = require "hone.files"
local hone = require "hone"
local memory = require "hone.memory"
local objectives = require "hone.objective"
local pair_set = require "hone.pair_set"
local pairs_of = require "hone.pairs"
local references = require "hone.reference"
local report = require "hone.report"
local runs = require "hone.run"
local selftest = require "hone.preference_selftest"
local text = require "hone.text"
local trainer = require "hone.trainer"
local update = require "hone.preference_update"

local own = {
  { "model", "model", required = true, doc = "the model that learns, in place" },
  { "data", "data", required = true, doc = "preferences, or parts { train, validation, test }" },
  { "loss", "any", default = "sigmoid", doc = "a name, a function, or a list { name, weight = }" },
  { "beta", "number", default = 0.1, min = 0, open_min = true, doc = "the weight of the reference" },
  { "sft", "number", default = 0, min = 0, doc = "weight of -log p a token of chosen answers" },
  { "corrections", "number", default = 1, min = 0, doc = "the same, of people's corrections" },
  { "margin_scale", "number", default = 0, doc = "of column margin, taken off the margin" },
  { "norm", "choice", choices = { "token", "sum" }, doc = "of ipo and sft" },
  { "gamma", "number", doc = "of simpo: the margin aimed at" },
  { "tau", "number", min = 0, open_min = true, doc = "of discopop" },
  { "desirable", "number", min = 0, doc = "of kto: the weight of good answers" },
  { "undesirable", "number", min = 0, doc = "of kto: the weight of bad ones" },
  { "reference", "model", doc = "another model; unset: this one as it was" },
  { "template", "choice", default = "plain", choices = { "plain", "chatml" }, doc = "of messages" },
  { "max_tokens", "integer", min = 2, doc = "of a side with its prompt; unset: the model's limit" },
  { "too_long", "choice", default = "drop", choices = { "drop", "error", "truncate" },
    doc = "what to do with a longer pair" },
  { "selftest", "boolean", default = true, doc = "check at the start what must hold there" },
}
table.move(pairs_of.schema, 1, #pairs_of.schema, #own + 1, own)
local schema = trainer.schema(own)

local methods = setmetatable({}, { __index = runs.methods })

--- The pairs of a part, encoded when first asked for; nil where there is no such part.
function methods:set(part)
  local data, o = self.options.parts[part], self.options
  if data and not self.sets[part] then
    local read = pairs_of.read(data, { ties = o.ties, bad = o.bad, attribute = o.attribute,
                                       noise = o.noise, soft = o.soft })
    local set = pair_set.new(read, o.model, { template = o.template, max_tokens = o.max_tokens,
      too_long = o.too_long, unpaired = self.objective.unpaired })
    self.objective:check(set)
    self.sets[part] = set
    self.record.data[part] = { name = data.name, hash = data.hash, encoded = set.report,
                               cleaned = data:clean_report() }
  end
  return self.sets[part]
end

-- What a step and an evaluation are computed with.
function methods:using(more)
  local o, state = self.options, self.state
  more.objective, more.reference, more.beta = self.objective, self.reference, o.beta
  more.margin_scale = o.margin_scale
  more.shift = self.objective.shift and (state.shift or 0) or nil
  return more
end

local evaluation = { __name = "hone.evaluation" }

function evaluation:__tostring()
  return ("%s: loss %.4f, accuracy %.1f %%, margin %s (%s)"):format(self.name, self.loss,
    100 * self.accuracy, text.number(self.margin), text.count(self.items, self.noun))
end

--- Loss and statistics on a part: { loss, accuracy, margin, ... }.
function methods:evaluate(part)
  local set = self:set(part)
  if not set then core.fail(("the data has no part '%s'"):format(part)) end
  local loss, statistics = update.evaluate(self.model, set,
    self:using { tokens = self.options.batch.tokens })
  statistics.name, statistics.loss, statistics.items = part, loss, #set
  statistics.noun = set.unpaired and "sample" or "pair"
  return setmetatable(statistics, evaluation)
end

function methods:watched()
  if not self.options.parts.validation then return nil end
  local seen, line = self:evaluate "validation", { step = self.state.step }
  for name, value in pairs(seen) do
    if type(value) == "number" and name ~= "loss" and name ~= "items" then
      line["validation_" .. name] = value
    end
  end
  self:log(line)
  return seen.loss
end

--- Loss and statistics on the test part, kept in run.json.
function methods:test()
  local result, kept = self:evaluate "test", {}
  for name, value in pairs(result) do kept[name] = value end
  self:note { tested = kept }
  report.write(self)
  return result
end

methods.sections = require "hone.preference_report"

-- A step without a finite loss: name the pairs, where they are known.
local function fail(run, step, problem, blamed)
  local where, kept = {}, checkpoint.newest(run)
  for i = 1, math.min(#blamed, 5) do where[i] = run:set("train"):where(blamed[i]) end
  core.fail(("step %d: %s%s%s%s"):format(step, problem,
    #where > 0 and "; pairs: " .. table.concat(where, ", ") or "", #blamed > 5 and ", ..." or "",
    kept and "; the last checkpoint is " .. kept or ""))
end

-- BCO's shift: the mean reward of all steps so far.
local function shift(state, seen, weight)
  local total = (state.shift_weight or 0) + weight
  local mean = (seen.reward_chosen + seen.reward_rejected) / 2
  state.shift = ((state.shift or 0) * (state.shift_weight or 0) + mean * weight) / total
  state.shift_weight = total
end

function methods:advance()
  local state, o = self.state, self.options
  local step, began = state.step + 1, core.system.clock()
  local group = self.batches:group(step)
  local rate = o.schedule(step, self.batches.steps)
  local loss, norm, seen = update.step(self.model, self.optimizer, group,
    self:using { seed = self:seed("step/" .. step), clip = o.clip, rate = rate })
  if not loss then fail(self, step, norm, seen) end
  local seconds = core.system.clock() - began
  state.step, state.tokens = step, (state.tokens or 0) + group.tokens
  if self.objective.shift then shift(state, seen, group.weight) end
  local line = { step = step, epoch = group.epoch, loss = loss, norm = norm, tokens = group.tokens,
                 lr = rate * self.optimizer.lr, seconds = seconds }
  for name, value in pairs(seen) do line[name] = line[name] or value end
  self:log(line)
  self.bar:update(step, ("loss %.4f  accuracy %.2f  %s tokens/s"):format(loss, seen.accuracy or 0,
    text.integer(math.floor(group.tokens / math.max(seconds, 1e-9)))))
end

-- Answers for the report; those that were kept are not asked for again.
local function collect(run, when)
  local path, o = run:path(("samples-%s.json"):format(when)), run.options
  local part = o.parts.validation and "validation" or o.parts.test and "test" or "train"
  if o.eval.samples == 0 or (when == "before" and files.exists(path)) then return end
  local rows, set = {}, run:set(part)
  for k = 1, math.min(#set, 4 * o.eval.samples) do
    local it = set.items[k]
    if it.answer and (it.good == nil or it.good) then
      rows[#rows + 1] = pairs_of.row(it.prompt, it.answer)
    end
  end
  if #rows == 0 then return end
  core.json.write(path, answers.collect(run.model, core.data_new(rows, set.data.name), {
    count = o.eval.samples, max_tokens = o.eval.max_tokens, template = o.template,
    metrics = o.eval.metrics, seed = run:seed "answers" }))
end

local function before(run)
  collect(run, "before")
  if not run.options.selftest then return end
  local start = selftest(run.model, run:set "train", run.batches:group(1)[1].members,
    run:using { same = run.options.reference == nil })
  if start then core.log("info", ("self-test: the loss begins at %.6f"):format(start)) end
end

local function after(run) collect(run, "after") end

-- What run.json says of the options: plugins with theirs, data and models by hash.
local function described(o)
  local out = {}
  for _, spec in ipairs(schema) do out[spec[1]] = o[spec[1]] end
  out.model = { folder = o.model.folder, weights = o.model:hash() }
  out.reference = o.reference and { folder = o.reference.folder, weights = o.reference:hash() }
  out.schedule = type(o.schedule) == "function" and "a function" or tostring(o.schedule)
  out.loss = type(o.loss) == "function" and "a function" or o.loss
  if type(o.loss) == "table" then
    out.loss = core.json.list {}
    for i, entry in ipairs(o.loss) do
      out.loss[i] = {}
      for key, value in pairs(type(entry) == "table" and entry or { entry }) do
        out.loss[i][key == 1 and "name" or key] = type(value) == "function" and "a function" or value
      end
    end
  end
  out.data = {}
  for part, data in pairs(o.parts) do out.data[part] = { name = data.name, hash = data.hash } end
  return out
end

local function open_reference(run, o)
  if not run.objective.reference then return nil end
  if o.reference then references.check_vocabulary(o.model, o.reference) end
  if not o.reference and trainer.only_adapter(o.model) then
    return references.new { model = o.model, adapter = true }
  end
  local sets, hashes = {}, {}
  for part, data in pairs(o.parts) do sets[part], hashes[part] = run:set(part), data.hash end
  return references.new { model = o.reference or o.model, sets = sets,
    tokens = o.batch.tokens, folder = run:path "reference",
    key = { weights = (o.reference or o.model):hash(), data = hashes, template = o.template,
            max_tokens = run:set("train").report.max_tokens, too_long = o.too_long,
            unpaired = run.objective.unpaired, ties = o.ties, bad = o.bad,
            attribute = o.attribute } }
end

local function prepare(given)
  local o = trainer.options("preference", schema, given)
  o.parts = type(o.data) == "table" and
    { train = o.data.train, validation = o.data.validation, test = o.data.test } or
    { train = o.data }
  local objective = objectives.new(o)
  local run = runs.open { kind = "preference", name = o.name, seed = o.seed,
                          options = described(o), methods = methods }
  trainer.attach(o)
  run.options, run.model, run.objective, run.sets = o, o.model, objective, {}
  run.record.data = run.record.data or {}
  run.optimizer = o.optimizer:on(o.model)
  run.batches = batches.new { examples = run:set "train", tokens = o.batch.tokens,
    accumulate = o.batch.accumulate, seed = run:seed "order", epochs = o.epochs, steps = o.steps }
  local all, trained = o.model:counts()
  local longest = run.record.data.train.encoded.longest
  run:note { parameters = all, trained = trained, steps = run.batches.steps,
    plugins = { model = o.model.plugin, strategy = o.strategy.version,
                optimizer = o.optimizer.version },
    memory = memory.check(o.model, { tokens = math.max(o.batch.tokens, 2 * longest),
      states = o.optimizer:states(), strategy = o.strategy.name, recompute = o.recompute }) }
  run.reference = open_reference(run, o)
  return run
end

return function(given) return trainer.train(prepare(given), before, after) end
