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
local hone = require "hone"
local invocation = require "hone.invocation"
local memory = require "hone.memory"
local options = require "hone.options"
local progress = require "hone.progress"
local report = require "hone.report"
local runs = require "hone.run"
local text = require "hone.text"
local update = require "hone.update"

local schema = {
  { "model", "model", required = true, doc = "the model that learns, in place" },
  { "data", "data", required = true, doc = "data, or parts { train, validation, test }" },
  { "strategy", "plugin", kind = "strategy", doc = "what trains; unset: everything" },
  { "optimizer", "plugin", kind = "optimizer", doc = "unset: adamw" },
  { "schedule", "any", doc = "of the learning rate; unset: constant" },
  { "epochs", "integer", default = 1, min = 1, doc = "passes over the data" },
  { "steps", "integer", min = 1, doc = "steps, instead of epochs" },
  { "batch", "table", options = {
    { "tokens", "integer", default = 4096, min = 2, doc = "at most, of a batch" },
    { "accumulate", "integer", default = 1, min = 1, doc = "batches of a step" } } },
  { "clip", "number", default = 1, min = 0, doc = "norm of the gradient at most; 0: any" },
  { "eval", "table", options = {
    { "every", "integer", min = 1, doc = "steps; unset: each epoch" },
    { "patience", "integer", default = 0, min = 0, doc = "evaluations without a gain; 0: any" },
    { "samples", "integer", default = 4, min = 0, doc = "answers before and after, for the report" },
    { "max_tokens", "integer", default = 64, min = 1, doc = "of an answer" },
    { "metrics", "list", of = "plugin", kind = "metric", doc = "that score them; unset: length" } } },
  { "checkpoint", "table", options = {
    { "every", "integer", min = 1, doc = "steps; unset: with each evaluation" },
    { "keep", "integer", default = 1, min = 1, doc = "the newest so many" } } },
  { "template", "choice", default = "plain", choices = { "plain", "chatml" }, doc = "of messages" },
  { "max_tokens", "integer", min = 2, doc = "of an example; unset: the model's limit" },
  { "too_long", "choice", default = "truncate", choices = { "truncate", "drop", "error" },
    doc = "what to do with a longer one" },
  { "learn_prompt", "boolean", default = false, doc = "learn prompts, too" },
  { "recompute", "boolean", default = false, doc = "less memory, a third more time" },
  { "seed", "integer", default = 0, doc = "of order, dropout and samples" },
  { "name", "string", doc = "of the run's folder; unset: script and time" },
}

local methods = setmetatable({}, { __index = runs.methods })

-- What run.json says of the options: plugins with theirs, data by hash.
local function described(o)
  local out = {}
  for _, spec in ipairs(schema) do
    local name, value = spec[1], o[spec[1]]
    if name == "model" then
      value = value.folder or "new"
    elseif name == "schedule" then
      value = type(value) == "function" and "a function" or tostring(value)
    elseif name == "data" then
      value = {}
      for part, data in pairs(o.parts) do value[part] = { name = data.name, hash = data.hash } end
    end
    out[name] = value
  end
  return out
end

local function defaults(given)
  local o = options.check("sft", schema, given)
  o.strategy = o.strategy or hone.strategy.full {}
  o.optimizer = o.optimizer or hone.optimizer.adamw {}
  o.schedule = o.schedule or hone.schedule.constant {}
  o.eval.metrics = o.eval.metrics or { hone.metric.length {} }
  o.parts = type(o.data) == "table" and
    { train = o.data.train, validation = o.data.validation, test = o.data.test } or
    { train = o.data }
  return o
end

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

--- Loss on the test part, kept in run.json and the report.
function methods:test()
  local result = self:evaluate("test")
  self:note { test = { loss = result.loss, perplexity = result.perplexity,
                       tokens = result.predicted, samples = result.samples } }
  report.write(self)
  return result
end

local function prepare(given)
  local o = defaults(given)
  o.model:set_recompute(o.recompute)
  o.model:attach(o.strategy)
  local run = runs.open { kind = "sft", name = o.name, seed = o.seed, options = described(o),
                          methods = methods }
  run.options, run.model, run.encoded = o, o.model, {}
  run.record.data = run.record.data or {}
  run.optimizer = o.optimizer:on(o.model)
  run.batches = batches.new { examples = run:examples("train"), tokens = o.batch.tokens,
    accumulate = o.batch.accumulate, seed = run:seed "order", epochs = o.epochs, steps = o.steps }
  local all, trained = o.model:counts()
  local longest = run.record.data.train.encoded.longest
  local estimate = memory.check(o.model, { tokens = math.max(o.batch.tokens, longest),
    states = o.optimizer:states(), strategy = o.strategy.name, recompute = o.recompute })
  run:note { parameters = all, trained = trained, memory = estimate, steps = run.batches.steps,
             plugins = { model = o.model.plugin, strategy = tostring(o.strategy.version),
                         optimizer = tostring(o.optimizer.version) } }
  return run
end

-- Answers for the report; those that were kept are not asked for again.
local function collect(run, when)
  local path, o = run:path(("samples-%s.json"):format(when)), run.options
  local data = o.parts.validation or o.parts.test or o.parts.train
  if o.eval.samples == 0 or (when == "before" and files.exists(path)) then return end
  core.json.write(path, answers.collect(run.model, data, {
    count = o.eval.samples, max_tokens = o.eval.max_tokens, template = o.template,
    metrics = o.eval.metrics, seed = run:seed "answers" }))
end

-- Evaluate, keep the best weights, count evaluations without a gain.
local function watch(run)
  local state, patience = run.state, run.options.eval.patience
  local loss = run:evaluate("validation").loss
  if loss ~= loss then core.fail(("step %d: the validation loss is nan"):format(state.step)) end
  run:log { step = state.step, validation_loss = loss }
  run.bar:line(("step %d: validation loss %.4f"):format(state.step, loss))
  if not state.best or loss < state.best.loss then
    state.best, state.waited = { step = state.step, loss = loss }, 0
    checkpoint.save_best(run, run.model)
  else
    state.waited = state.waited + 1
    state.stopped = patience > 0 and state.waited >= patience
  end
end

local function fail(run, step, problem, blamed)
  local o, where = run.options, {}
  for i = 1, math.min(#blamed, 5) do
    where[i] = o.parts.train:where(run:examples("train"):row(blamed[i]))
  end
  local kept = checkpoint.newest(run)
  core.fail(("step %d: %s%s%s%s"):format(step, problem,
    #where > 0 and "; samples: " .. table.concat(where, ", ") or "", #blamed > 5 and ", ..." or "",
    kept and "; the last checkpoint is " .. kept or ""))
end

-- One step forward.
local function advance(run)
  local state, o = run.state, run.options
  local step, began = state.step + 1, core.system.clock()
  local group = run.batches:group(step)
  local rate = o.schedule(step, run.batches.steps)
  local loss, norm, blamed = update(run.model, run.optimizer, group,
                                    { seed = run:seed("step/" .. step), clip = o.clip, rate = rate })
  if not loss then fail(run, step, norm, blamed) end
  local seconds = core.system.clock() - began
  state.step, state.tokens = step, (state.tokens or 0) + group.tokens
  run:log { step = step, epoch = group.epoch, loss = loss, norm = norm, tokens = group.tokens,
            lr = rate * run.optimizer.lr, seconds = seconds }
  run.bar:update(step, ("loss %.4f  %s tokens/s"):format(loss,
    text.integer(math.floor(group.tokens / math.max(seconds, 1e-9)))))
end

local function learn(run)
  local o, state, steps = run.options, run.state, run.batches.steps
  while true do
    local step, every = state.step, o.eval.every
    local due = step == 0 or step == steps or (every and step % every == 0) or
      (not every and run.batches:ends_epoch(step))
    if due and o.parts.validation and state.watched ~= step then
      watch(run)
      state.watched = step
    end
    local save = o.checkpoint.every and step % o.checkpoint.every == 0 or due or state.stopped
    if save and step > 0 and run.saved ~= step then
      checkpoint.save(run, run.optimizer, o.checkpoint.keep)
      run.saved = step
    end
    if core.interrupted() then core.fail("interrupted") end
    if state.stopped or step >= steps then return end
    advance(run)
  end
end

-- The run broke off: keep what can be kept, and say why.
local function broken(run, problem)
  local interrupted = core.interrupted()
  run.optimizer:clear()
  core.clear_interrupt()
  if not interrupted then
    run:close("failed", problem)
    report.write(run)
    error(problem, 0)
  end
  if run.state.step > 0 and run.saved ~= run.state.step then
    checkpoint.save(run, run.optimizer, run.options.checkpoint.keep)
  end
  run:close("interrupted")
  report.write(run)
  invocation.interrupted = true
  core.fail(("interrupted at step %d of %d, kept in %s: `hone run --resume` goes on"):format(
    run.state.step, run.batches.steps, run.folder))
end

local function work(run)
  collect(run, "before")
  if run.resumed and checkpoint.load(run, run.optimizer) then run.saved = run.state.step end
  run:rewind(run.state.step)
  run.bar = progress.new("sft", run.batches.steps, run.state.step)
  learn(run)
  run.bar:finish()
  local best = run.state.best
  if best and best.step ~= run.state.step then checkpoint.load_best(run, run.model) end
  collect(run, "after")
  run:note { best = best, stopped = run.state.stopped, tokens = run.state.tokens }
end

return function(given)
  local run = prepare(given)
  core.catch(true)
  local ok, problem = pcall(work, run)
  core.catch(false)
  if not ok then
    if run.bar then run.bar:finish() end
    broken(run, problem)
  end
  run:close("finished")
  report.write(run)
  core.log("info", ("done: %s"):format(run:path("report.html")))
  return run
end
