-- trainer: what all trainers share: their options, and the loop around a step:
-- evaluation, best weights, early stopping, checkpoints, Ctrl-C, the end.
--
-- A run given to it has: model, optimizer, batches, options; and methods
--   advance()    one step; raises when it cannot
--   watched()    the loss to be watched; nil where there is nothing to watch
-- run.progress(label, total, start, run) makes another display than progress.new.
-- run.watching = { name, sign } names what is watched, where it is no loss: sign -1
-- of what is better when it is more. run.dirty: the step under way has changed
-- weights, so that they belong to no step.
local checkpoint = require "hone.checkpoint"
local core = require "hone.core"
local doctors = require "hone.doctor"
local hone = require "hone"
local invocation = require "hone.invocation"
local options = require "hone.options"
local progress = require "hone.progress"
local report = require "hone.report"

local trainer = {}

local shared = {
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
    { "samples", "integer", default = 4, min = 0, doc = "answers before and after, to be shown" },
    { "max_tokens", "integer", default = 64, min = 1, doc = "of an answer" },
    { "metrics", "list", of = "plugin", kind = "metric", doc = "that score them; unset: length" },
  } },
  { "checkpoint", "table", options = {
    { "every", "integer", min = 1, doc = "steps; unset: with each evaluation" },
    { "keep", "integer", default = 1, min = 1, doc = "the newest so many" } } },
  { "precision", "choice", choices = { "f32", "bf16" },
    doc = "of products; unset: as the model has it" },
  { "recompute", "boolean", default = false, doc = "less memory, a third more time" },
  { "seed", "integer", default = 0, doc = "of order, dropout and samples" },
  { "name", "string", doc = "of the run's folder; unset: script and time" },
}

--- A trainer's own options, then the shared ones: all, or those named.
function trainer.schema(own, names)
  local list, wanted = { table.unpack(own) }, {}
  for _, name in ipairs(names or {}) do wanted[name] = true end
  for _, spec in ipairs(shared) do
    if not names or wanted[spec[1]] then list[#list + 1] = spec end
  end
  return list
end

--- The options in force.
function trainer.options(name, schema, given)
  local o = options.check(name, schema, given)
  o.strategy = o.strategy or hone.strategy.full {}
  o.optimizer = o.optimizer or hone.optimizer.adamw {}
  o.schedule = o.schedule or hone.schedule.constant {}
  if o.eval then o.eval.metrics = o.eval.metrics or { hone.metric.length {} } end
  return o
end

--- Whether nothing of the model itself trains: then, with adapters off, it is as it was.
function trainer.only_adapter(model)
  for _, p in ipairs(model:parameters()) do
    if p.trainable then return false end
  end
  return true
end

--- Put the strategy on. What an adapter has learned before is what learning starts from.
function trainer.attach(o)
  if o.model.strategy and trainer.only_adapter(o.model) then
    o.model:merge(true)
    core.log("info", "the model's adapter was merged: learning goes on from there")
  end
  o.model:set_recompute(o.recompute)
  if o.precision then o.model:set_precision(o.precision) end
  o.model:attach(o.strategy)
end

-- Evaluate, keep the best weights, count evaluations without a gain.
local function watch(run)
  local state, patience = run.state, run.options.eval.patience
  local what = run.watching or { name = "validation loss", sign = 1 }
  local loss = run:watched()
  if not loss then return end
  if loss ~= loss then core.fail(("step %d: the %s is nan"):format(state.step, what.name)) end
  run:log { step = state.step, [(what.name:gsub(" ", "_"))] = what.sign * loss }
  run.bar:line(("step %d: %s %.4f"):format(state.step, what.name, what.sign * loss))
  if not state.best or loss < state.best.loss then
    state.best, state.waited = { step = state.step, loss = loss }, 0
    checkpoint.save_best(run, run.model)
  else
    state.waited = state.waited + 1
    state.stopped = patience > 0 and state.waited >= patience
  end
end

local function save(run)
  if run.state.step == 0 or run.saved == run.state.step then return end
  checkpoint.save(run, run.optimizer, run.options.checkpoint.keep)
  run.saved = run.state.step
end

-- Whatever the step at which a run breaks off and goes on, what is due there
-- happens once: state.evaluated is part of the checkpoint.
local function loop(run)
  local o, state, steps = run.options, run.state, run.batches.steps
  while true do
    local step, every = state.step, o.eval.every
    local due = step == 0 or step == steps or (every and step % every == 0) or
      (not every and run.batches:ends_epoch(step))
    if due and state.evaluated ~= step then
      watch(run)
      state.evaluated = step
    end
    if due or state.stopped or (o.checkpoint.every and step % o.checkpoint.every == 0) then
      save(run)
    end
    if core.interrupted() then core.fail("interrupted") end
    if state.stopped or step >= steps then return end
    run:advance()
  end
end

-- The run broke off: keep what can be kept, and say why.
local function broken(run, problem)
  local interrupted = core.interrupted()
  core.clear_interrupt()
  run.optimizer:clear()
  if not interrupted then
    -- Where the disk is full, these fail, too: what is told is why the run did.
    pcall(run.close, run, "failed", problem)
    pcall(report.write, run)
    error(problem, 0)
  end
  if not run.dirty then save(run) end
  run:close("interrupted")
  report.write(run)
  invocation.interrupted = true
  core.fail(("interrupted at step %d of %d, kept in %s: `hone run --resume` goes on"):format(
    run.state.step, run.batches.steps, run.folder))
end

local function work(run, before, after)
  before(run)
  local loaded = run.resumed and checkpoint.load(run, run.optimizer)
  if loaded then run.saved = run.state.step end
  run:rewind(loaded and run.state.step or -1)
  doctors.attend(run)
  run.bar = (run.progress or progress.new)(run.record.kind, run.batches.steps, run.state.step, run)
  loop(run)
  run.bar:finish()
  local best = run.state.best
  if best and best.step ~= run.state.step then checkpoint.load_best(run, run.model) end
  after(run)
  run:note { best = best, stopped = run.state.stopped, tokens = run.state.tokens,
             weights = run.model:hash() }
end

--- Train to the end, or as far as Ctrl-C or an error lets it. before and after
--- are called with the weights as they were and as they are at the end.
function trainer.train(run, before, after)
  core.catch(true)
  local ok, problem = pcall(work, run, before, after)
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

return trainer
