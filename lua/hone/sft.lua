-- sft: supervised fine-tuning: next-token cross-entropy on what the data marks
-- as answers, by default the responses (see hone.data).
--
--   local run = hone.sft { model = model, data = data, epochs = 3 }
--   print(run:test())
--
-- A step takes `accumulate` batches of at most `tokens` tokens; its loss is the
-- mean over all their targets. The loss on data.validation is watched; the best
-- weights are put back at the end.
local answers = require "hone.answers"
local batches = require "hone.batches"
local checkpoint = require "hone.checkpoint"
local core = require "hone.core"
local evaluate = require "hone.evaluate"
local files = require "hone.files"
local memory = require "hone.memory"
local report = require "hone.report"
local runs = require "hone.run"
local text = require "hone.text"
local trainer = require "hone.trainer"
local update = require "hone.update"

local schema = trainer.schema {
  { "model", "model", required = true, doc = "the model that learns, in place" },
  { "data", "data", required = true, doc = "data, or parts { train, validation, test }" },
  { "template", "choice", default = "plain", choices = { "plain", "chatml" }, doc = "of messages" },
  { "max_tokens", "integer", min = 2, doc = "of an example; unset: the model's limit" },
  { "too_long", "choice", default = "truncate", choices = { "truncate", "drop", "error" },
    doc = "what to do with a longer one" },
  { "learn_prompt", "boolean", default = false, doc = "learn prompts, too" },
}

local methods = setmetatable({}, { __index = runs.methods })

--- The examples of a part, encoded when first asked for; nil where there is no such part.
function methods:examples(part)
  local data, o = self.options.parts[part], self.options
  if data and not self.encoded[part] then
    local examples, said = data:encode(o.model, o)
    self.encoded[part] = examples
    self.record.data[part] = { name = data.name, hash = data.hash, encoded = said,
                               cleaned = data:clean_report() }
  end
  return self.encoded[part]
end

--- Loss on a part: { loss, perplexity, predicted, samples }.
function methods:evaluate(part)
  local examples = self:examples(part)
  if not examples then core.fail(("the data has no part '%s'"):format(part)) end
  return evaluate.examples(self.model, examples, self.options.batch.tokens, part)
end

function methods:watched()
  return self.options.parts.validation and self:evaluate("validation").loss
end

--- Loss on the test part, kept in run.json and the report.
function methods:test()
  local result = self:evaluate("test")
  self:note { test = { loss = result.loss, perplexity = result.perplexity,
                       tokens = result.predicted, samples = result.samples } }
  report.write(self)
  return result
end

-- A step without a finite loss: name the samples, where they are known.
local function fail(run, step, problem, blamed)
  local where, kept = {}, checkpoint.newest(run)
  for i = 1, math.min(#blamed, 5) do
    where[i] = run.options.parts.train:where(run:examples("train"):row(blamed[i]))
  end
  core.fail(("step %d: %s%s%s%s"):format(step, problem,
    #where > 0 and "; samples: " .. table.concat(where, ", ") or "", #blamed > 5 and ", ..." or "",
    kept and "; the last checkpoint is " .. kept or ""))
end

function methods:advance()
  local state, o = self.state, self.options
  local step, began = state.step + 1, core.system.clock()
  local group = self.batches:group(step)
  local rate = o.schedule(step, self.batches.steps)
  local loss, norm, blamed = update(self.model, self.optimizer, group,
    { seed = self:seed("step/" .. step), clip = o.clip, rate = rate })
  if not loss then fail(self, step, norm, blamed) end
  local seconds = core.system.clock() - began
  state.step, state.tokens = step, (state.tokens or 0) + group.tokens
  self:log { step = step, epoch = group.epoch, loss = loss, norm = norm, tokens = group.tokens,
             lr = rate * self.optimizer.lr, seconds = seconds }
  self.bar:update(step, ("loss %.4f  %s tokens/s"):format(loss,
    text.integer(math.floor(group.tokens / math.max(seconds, 1e-9)))))
end

-- Answers for the report; those that were kept are not asked for again.
local function collect(when)
  return function(run)
    local path, o = run:path(("samples-%s.json"):format(when)), run.options
    local data = o.parts.validation or o.parts.test or o.parts.train
    if o.eval.samples == 0 or (when == "before" and files.exists(path)) then return end
    core.json.write(path, answers.collect(run.model, data, {
      count = o.eval.samples, max_tokens = o.eval.max_tokens, template = o.template,
      metrics = o.eval.metrics, seed = run:seed "answers" }))
  end
end

-- What run.json says of the options: plugins with theirs, data by hash.
local function described(o)
  local out = {}
  for _, spec in ipairs(schema) do out[spec[1]] = o[spec[1]] end
  out.model = { folder = o.model.folder, weights = o.model:hash() }
  out.schedule = type(o.schedule) == "function" and "a function" or tostring(o.schedule)
  out.data = {}
  for part, data in pairs(o.parts) do out.data[part] = { name = data.name, hash = data.hash } end
  return out
end

local function prepare(given)
  local o = trainer.options("sft", schema, given)
  o.parts = type(o.data) == "table" and
    { train = o.data.train, validation = o.data.validation, test = o.data.test } or
    { train = o.data }
  local run = runs.open { kind = "sft", name = o.name, seed = o.seed, options = described(o),
                          methods = methods }
  trainer.attach(o)
  run.options, run.model, run.encoded = o, o.model, {}
  run.record.data = run.record.data or {}
  run.optimizer = o.optimizer:on(o.model)
  run.batches = batches.new { examples = run:examples("train"), tokens = o.batch.tokens,
    accumulate = o.batch.accumulate, seed = run:seed "order", epochs = o.epochs, steps = o.steps }
  local all, trained = o.model:counts()
  local longest = run.record.data.train.encoded.longest
  run:note { parameters = all, trained = trained, steps = run.batches.steps,
    plugins = { model = o.model.plugin, strategy = o.strategy.version,
                optimizer = o.optimizer.version },
    memory = memory.check(o.model, { tokens = math.max(o.batch.tokens, longest),
      states = o.optimizer:states(), strategy = o.strategy.name, recompute = o.recompute }) }
  return run
end

return function(given)
  return trainer.train(prepare(given), collect "before", collect "after")
end
