-- algorithm: what algorithms that learn from a policy's own answers share.
--
--   return hone.algorithm("grpo", { own options }, function(o, run)
--     for step, prompts in run:batches(o.prompts) do ... end
--   end)
--
-- makes a function of one table of options that trains and returns a run. o has the
-- options in force, o.policy as a policy (hone.policy), o.reward as a function of a
-- roll. What the function does before the first batch is set-up: heads may be added
-- there. Its loop runs in a coroutine, a step at a time, so that evaluation,
-- checkpoints, Ctrl-C and resume are those of every trainer (hone.trainer).
--
--   run:batches(data)              step, prompts { ids, row } of that step
--   run:more(n, name)              n prompts at random, for what has this name
--   run:seed(name)                 a seed of its own for what has this name
--   run:accumulate(loss, stats)    gradient of the mean over all tokens, see below
--   run:update()                   one step of the optimizer
--   run:learn(model, name)         another model that learns, as a policy: in set-up
--   run:log(step, values)          a line of metrics: tensors by their means
--   run.reference                  a policy that stays as it was
--   run:refresh()                  from here on, as it is now
--   run.state                      what must survive: numbers, texts, tables of these
local answers = require "hone.answers"
local core = require "hone.core"
local files = require "hone.files"
local hone = require "hone"
local memory = require "hone.memory"
local object = require "hone.object"
local panel = require "hone.panel"
local policy = require "hone.policy"
local rewards = require "hone.reward"
local runs = require "hone.run"
local text = require "hone.text"
local trainer = require "hone.trainer"
local T, Policy = core.tensor, policy.methods

local shared = {
  { "batch", "table", options = {
    { "prompts", "integer", default = 8, min = 1, doc = "of a step" },
    { "tokens", "integer", default = 4096, min = 2, doc = "at most, of a forward pass" } } },
  { "sampling", "table", options = policy.sampling },
  { "template", "choice", default = "plain", choices = { "plain", "chatml" }, doc = "of messages" },
  { "too_long", "choice", default = "drop", choices = { "drop", "error" },
    doc = "what to do with a prompt that leaves no room for an answer" },
  { "max_norm", "number", default = 1, min = 0, doc = "of the gradient; 0: any" },
  { "eval", "table", options = {
    { "every", "integer", min = 1, doc = "steps; unset: at the end" },
    { "data", "data", doc = "prompts whose mean reward is watched; the best weights are kept" },
    { "prompts", "integer", default = 64, min = 1, doc = "of data, at most" },
    { "patience", "integer", default = 0, min = 0, doc = "evaluations without a gain; 0: any" },
    { "samples", "integer", default = 4, min = 0, doc = "answers before and after, to be shown" },
    { "max_tokens", "integer", min = 1, doc = "of these; unset: as sampling" },
    { "metrics", "list", of = "plugin", kind = "metric", doc = "that score them; unset: length" },
  } },
  { "selftest", "boolean", default = true, doc = "check at the start what must hold there" },
  { "idle", "choice", default = "warn", choices = { "warn", "stop" },
    doc = "after 20 steps in a row in which all rewards were equal" },
}
local common = { "strategy", "optimizer", "schedule", "steps", "checkpoint", "recompute", "seed",
                 "name" }

local methods = setmetatable({}, { __index = runs.methods })

-- ---- prompts ----

-- The rows of data that can be answered: { ids, row, index } each.
local function encode(run, data)
  local o, list, long = run.options, {}, 0
  local limit = o.model.max_positions
  local room = limit and limit - math.min(o.sampling.max_tokens, limit // 2)
  for i = 1, #data do
    local ids = data:prompt(i, o.model, { template = o.template })
    if #ids == 0 then core.fail(data:where(i) .. ": the prompt is empty") end
    if not room or #ids <= room then
      list[#list + 1] = { ids = ids, row = data[i], index = i }
    elseif o.too_long == "error" then
      core.fail(("%s: a prompt of %s; %d allowed beside the answer"):format(data:where(i),
        text.count(#ids, "token"), room))
    else
      long = long + 1
    end
  end
  if #list == 0 then core.fail "no prompt leaves room for an answer" end
  if long > 0 then
    core.log("warn", ("%s left out: too long for a window of %d tokens"):format(
      text.count(long, "prompt"), limit))
  end
  return list, long
end

-- Of a step: prompts follow one another, shuffled anew in every epoch.
local function prompts_of(run, list, step)
  local out, n = {}, run.options.batch.prompts
  for i = (step - 1) * n, step * n - 1 do
    local epoch = i // #list
    if run.epoch ~= epoch then
      run.epoch = epoch
      run.order = core.random(run:seed "order", "epoch/" .. epoch):shuffle(#list)
    end
    out[#out + 1] = list[run.order[i % #list + 1]]
  end
  return out
end

-- The loop of an algorithm: step, prompts. What is between two of its turns is a step.
local function loop(self, data)
  data = type(data) == "table" and data.train or data
  local list, long = encode(self, data)
  self.record.data = { train = { name = data.name, hash = data.hash, prompts = #list, long = long } }
  self.list = list
  self.batches.steps = self.options.steps or math.ceil(#list / self.options.batch.prompts)
  return function()
    coroutine.yield()
    local step = self.state.step + 1
    if step > self.batches.steps then return nil end
    return step, prompts_of(self, list, step)
  end
end

--- n prompts at random, for what has this name.
function methods:more(n, name)
  local random, out = core.random(self:seed(name), "more"), {}
  for k = 1, n do out[k] = self.list[random:below(#self.list)] end
  return out
end

-- ---- learning ----

local function add(self, key, sum, count)
  local s = self.stats[key] or { sum = 0, count = 0 }
  s.sum, s.count = s.sum + sum, s.count + count
  self.stats[key] = s
end

-- The first of these samples, for messages; all of them where no list is given.
local function shown(samples, list)
  local rows = {}
  for k = 1, math.min(5, list and #list or #samples) do
    local sample = samples[list and list[k] or k]
    rows[k] = (("%q to %q"):format(sample.response or "", sample.prompt or ""):gsub("\\\n", "\\n"))
  end
  return #rows > 0 and "; samples: " .. table.concat(rows, ", ") or ""
end

--- Add the gradient of the mean of loss over all that this update learns from.
--- loss: a value a token, or a sample, of the part of `self.roll` at hand. reduction:
--- see Part:weights. stats: { name = tensor }, logged as means over tokens.
function methods:accumulate(loss, stats, reduction, constant)
  local part = self.roll.part
  local scalar = (loss * part:weights(loss, reduction, constant)):sum()
  local value = scalar:item()
  if value ~= value or math.abs(value) == math.huge then
    core.fail(("step %d: the loss is %s%s"):format(self.state.step + 1,
      value ~= value and "nan" or "infinite", shown(self.roll.samples, part.samples)))
  end
  add(self, "loss", value, 0)
  for key, x in pairs(stats or {}) do
    add(self, key, x:detach():sum():item(), #x.shape == 0 and 1 or x.shape[1])
  end
  self.gathered = self.gathered + part.tokens
  scalar:backward()
end

local function same_vocabulary(what, other, model)
  if other.vocab ~= model.vocab then
    core.fail(("%s: a vocabulary of %d tokens; the policy has %d"):format(what, other.vocab,
      model.vocab))
  end
end

--- Another model that learns in whole with the same optimizer's rule; as a policy.
function methods:learn(model, name)
  local o = self.options
  same_vocabulary(name, model, o.model)
  self.others[name] = { model = model:attach(hone.strategy.full {}) }
  return policy.new(model, { sampling = o.sampling, tokens = o.batch.tokens })
end

--- A step of the optimizer with what was accumulated; false where there was nothing.
function methods:update()
  if self.gathered == 0 then
    add(self, "updates_skipped", 1, 0)
    return false
  end
  -- Weights between two steps belong to none: from here on the step comes to its end.
  self.dirty = true
  core.hold_interrupt(true)
  local step, o = self.state.step + 1, self.options
  self.rate = o.schedule(step, self.batches.steps)
  for _, optimizer in ipairs(self.optimizers) do
    local norm, problem = optimizer:step { clip = o.max_norm, rate = self.rate }
    if not norm then
      core.fail(("step %d: %s%s"):format(step, problem, shown(self.samples or {})))
    end
    if optimizer == self.optimizer then add(self, "norm", norm, 1) end
  end
  self.state.tokens = (self.state.tokens or 0) + self.gathered
  self.gathered = 0
  add(self, "updates", 1, 0)
  return true
end

-- ---- what is logged ----

-- Mean and standard deviation of what is a number.
local function moments(values)
  local n, sum, squares = 0, 0, 0
  for _, x in ipairs(values) do
    if x == x then n, sum = n + 1, sum + x end
  end
  for _, x in ipairs(values) do
    if x == x then squares = squares + (x - sum / n) ^ 2 end
  end
  return n > 0 and sum / n or nil, n > 1 and math.sqrt(squares / (n - 1)) or nil, n
end

-- What the doctor has newly found may be a reason to stop.
local function heed(run, found)
  for _, finding in ipairs(found) do
    if finding.name == "equal_rewards" and run.options.idle == "stop" then
      core.fail(("step %d: %s: %s%s"):format(finding.step, finding.cause, finding.evidence,
        shown(run.samples or {})))
    end
  end
end

local function flatten(line, key, value)
  if type(value) == "number" then
    line[key] = value == value and value or core.null
  elseif object(value) == "hone.tensor" then
    local mean, sd = moments(value:values())
    line[key] = mean or core.null
    if key == "reward" then line.reward_sd = sd end
  end
end

--- A line of metrics of the step under way: these values, means of what was
--- accumulated, and where the time went.
function methods:log(step, values)
  if type(step) == "table" then return runs.methods.log(self, step) end
  local line = { step = step, lr = self.rate and self.rate * self.optimizer.lr }
  for key, s in pairs(self.stats) do line[key] = s.count > 0 and s.sum / s.count or s.sum end
  if line.loss then line.loss = line.loss / math.max(1, line.updates or 1) end
  for key, value in pairs(self.figures) do line[key] = line[key] or value end
  for key, value in pairs(values or {}) do flatten(line, key, value) end
  local seconds = core.system.clock() - self.began
  line.seconds, line.tokens, line.samples = seconds, self.sampled, self.answered
  line.generating, line.scoring = self.spent.generate / seconds, self.spent.score / seconds
  line.learning = math.max(0, 1 - line.generating - line.scoring)
  self.line = line
  heed(self, runs.methods.log(self, line))
end

local function said(line)
  local words = {}
  for _, key in ipairs { "reward", "kl", "length", "entropy" } do
    if type(line[key]) == "number" then
      words[#words + 1] = ("%s %s"):format(key, text.number(line[key]))
    end
  end
  return table.concat(words, "  ")
end

-- ---- a step, as the trainer sees it ----

-- What is no number is reported with the step and its samples, whoever found it.
local function placed(run, problem)
  local said = type(problem) == "string" and not problem:find "^step %d" and problem:lower()
  if said and (said:find "%f[%a]nan%f[%A]" or said:find("not a number", 1, true)) then
    return ("step %d: %s%s"):format(run.state.step + 1, problem, shown(run.samples or {}))
  end
  return problem
end

-- Run the algorithm to the next border between steps.
local function go(run)
  local ok, problem = coroutine.resume(run.body)
  core.hold_interrupt(false)
  if not ok then
    core.graph.finish(true)
    error(placed(run, problem), 0)
  end
end

function methods:advance()
  self.stats, self.figures, self.gathered, self.dirty = {}, {}, 0, false
  if self.resumed and not self.restored then self:restore() end
  self.restored = true
  self.spent, self.began = { generate = 0, score = 0 }, core.system.clock()
  self.sampled, self.answered = 0, 0
  go(self)
  self.dirty = false
  self.state.step = self.state.step + 1
  self.state.reward = self.reward and self.reward.state and self.reward:state() or nil
  if self.line and self.line.step ~= self.state.step then
    self:log(self.state.step, {})
  end
  self.bar:update(self.state.step, said(self.line or {}), self.line)
end

-- What metrics of evaluation say of answers, beside the reward: validation_<metric>.
local function watch_metrics(run, samples)
  local line = { step = run.state.step }
  for _, metric in ipairs(run.options.eval.metrics) do
    local mean = metric(samples):summary().mean
    if mean ~= core.null then line["validation_" .. metric.name] = mean end
  end
  run:log(line)
end

--- Mean reward on the held-out prompts, negative: less is better.
function methods:watched()
  local o = self.options
  if not o.eval.data or not self.reward then return nil end
  self.held_out = self.held_out or encode(self, o.eval.data)
  local prompts = table.move(self.held_out, 1, math.min(#self.held_out, o.eval.prompts), 1, {})
  local samples = o.policy.generate_plain(prompts, self:seed "evaluation")
  watch_metrics(self, samples)
  local mean = moments((self.reward(samples, { learn = false })):values())
  return mean and -mean
end

-- S0: the policy's log-probabilities of the first part of a roll are those that
-- `expected` [tokens] holds.
local function check_equal(run, roll, expected, what)
  if #roll.list == 0 then return end
  local worst, where = 0, nil
  for part in roll:parts(false) do
    local difference = (run.options.policy:logp(part) - part:spread(expected)):abs()
    for k, x in ipairs(difference:values()) do
      if not (x <= worst) then worst, where = x, k end
    end
    break
  end
  local allowed = run.options.model:parameters()[1].weight.dtype == "f32" and 1e-4 or 2e-2
  if not (worst <= allowed) then
    core.fail(("self-test: log-probabilities of %s and learning differ by %s nats at token %d; "
      .. "at most %s allowed"):format(what, text.number(worst), where, text.number(allowed)))
  end
end

-- The policy as the algorithm gets it: what it spends is counted.
local function bind_policy(run, model, o)
  local p = policy.new(model, { sampling = o.sampling, tokens = o.batch.tokens })
  function p.generate(self, given)
    local began = core.system.clock()
    local out = Policy.generate(self, given)
    out.samples:set_step(run.state.step + 1)
    run.samples, run.sampled = out.samples, run.sampled + out.tokens
    run.answered = run.answered + #out
    out.at_hand = function(roll) run.roll = roll end
    run.figures.truncated = moments(out.truncated:values())
    run.figures.entropy = out.tokens > 0 and -out.logp:mean():item() or nil
    run.spent.generate = run.spent.generate + core.system.clock() - began
    if run.options.selftest and not run.tested then check_equal(run, out, out.logp, "sampling") end
    run.tested = true
    return out
  end
  function p.greedy(self, prompts)
    local began = core.system.clock()
    local samples = Policy.greedy(self, prompts)
    run.spent.generate = run.spent.generate + core.system.clock() - began
    return samples
  end
  function p.generate_plain(prompts, seed)
    return Policy.generate(p, { prompts = prompts, seed = seed }).samples
  end
  return p
end

-- The reference of a policy that has learned nothing says what the policy says.
local function check_first(run, reference)
  function reference.logp(self, part)
    local out = Policy.logp(self, part)
    if run.state.step == 0 and not part.batch then check_equal(run, part, out, "the reference") end
    reference.logp = nil
    return out
  end
end

local function bind_reward(run, given)
  local reward = rewards.of(given)
  run.reward = reward
  return function(roll, how)
    local began = core.system.clock()
    local values, components = reward(roll.samples or roll, how)
    for key, value in pairs(rewards.curves(components)) do run.figures[key] = value end
    run.spent.score = run.spent.score + core.system.clock() - began
    return values, components, components.tokens
  end
end

-- run.reference: made when first asked for, before anything was learned.
local function make_reference(run)
  local o, p = run.options, nil
  if o.reference then
    p = policy.new(o.reference, { sampling = o.sampling, tokens = o.batch.tokens })
  elseif trainer.only_adapter(o.model) then
    p = policy.new(o.model, { sampling = o.sampling, tokens = o.batch.tokens, adapters = false })
  else
    p = policy.new(o.model:copy(), { sampling = o.sampling, tokens = o.batch.tokens })
  end
  if o.selftest and not o.reference and run.state.step == 0 then check_first(run, p) end
  run:note { referenced = true }
  return p
end

-- A model as the policy was when `file` was written.
local function take_reference(run, file)
  local o = run.options
  local model = o.model:copy():attach(hone.strategy.full {})
  if files.exists(run:path(file)) then model:load_trained(run:path(file))
  else model:save_trained(run:path(file)) end
  run.reference = policy.new(model, { sampling = o.sampling, tokens = o.batch.tokens })
end

--- The reference becomes what the policy is now.
function methods:refresh()
  self.state.reference = ("reference-%08d.safetensors"):format(self.state.step)
  files.remove(self:path(self.state.reference))
  take_reference(self, self.state.reference)
end

--- What the state of a run that goes on holds for others.
function methods:restore()
  if self.state.reward then self.reward:restore(self.state.reward) end
  if self.state.reference then take_reference(self, self.state.reference) end
end

-- ---- the run ----

local function collect(when)
  return function(run)
    local path, o = run:path(("samples-%s.json"):format(when)), run.options
    local data = o.eval.data or run.prompts
    if o.eval.samples == 0 or not data or (when == "before" and files.exists(path)) then return end
    core.json.write(path, answers.collect(o.model, data, {
      count = o.eval.samples, max_tokens = o.eval.max_tokens or o.sampling.max_tokens,
      template = o.template, metrics = o.eval.metrics, reward = run.reward,
      ends = o.sampling, seed = run:seed "answers" }))
  end
end

-- What run.json says of an option.
local function described(value)
  local kind = object(value)
  if kind == "hone.model" then return { folder = value.folder, weights = value:hash() } end
  if kind == "hone.parts" then value, kind = value.train, "hone.data" end
  if kind == "hone.data" then return { name = value.name, hash = value.hash } end
  if kind == "hone.plugin" or kind == "table" and getmetatable(value) == nil then
    if kind ~= "table" then return value end
    local list = #value > 0
    local out = list and core.json.list {} or {}
    for key, v in pairs(value) do out[list and key or tostring(key)] = described(v) end
    return out
  end
  if type(value) == "function" then return "a function" end
  return type(value) == "table" and tostring(kind) or type(value) == "userdata" and tostring(value)
    or value
end

local function prepare(name, schema, given, body)
  local o = trainer.options(name, schema, given)
  o.model = o.policy
  local options = described(o)
  options.policy = nil
  local run = runs.open { kind = name, name = o.name, seed = o.seed, options = options,
                          methods = setmetatable({}, { __index = methods }) }
  run.watching, run.progress = { name = "validation reward", sign = -1 }, panel.new
  run.options, run.model, run.optimizers, run.others = o, o.model, {}, {}
  run.batches = setmetatable({ ends_epoch = function() return false end },
    { __call = function(_, self, data) return loop(self, data) end })
  run.prompts = type(o.prompts) == "table" and o.prompts.train or o.prompts
  if o.reference then same_vocabulary("reference", o.reference, o.model) end
  trainer.attach(o)
  o.policy = bind_policy(run, o.model, o)
  if o.reward ~= nil then o.reward = bind_reward(run, o.reward) end
  local mt = getmetatable(run)
  mt.__index = function(self, key)
    if key ~= "reference" then return methods[key] end
    local value = make_reference(self)
    rawset(self, "reference", value)
    return value
  end
  if run.record.referenced then run.reference = make_reference(run) end
  run.figures, run.stats, run.spent, run.gathered = {}, {}, {}, 0
  run.body = coroutine.create(function() return body(o, run) end)
  go(run)
  if not run.batches.steps then core.fail(name .. ": the algorithm asked for no batches") end
  run.optimizer = o.optimizer:on(o.model)
  run.optimizers[1] = run.optimizer
  for key, other in pairs(run.others) do
    run.others[key] = o.optimizer:on(other.model)
    table.insert(run.optimizers, run.others[key])
  end
  local all, trained = o.model:counts()
  run:note { parameters = all, trained = trained, steps = run.batches.steps,
    plugins = { model = o.model.plugin, strategy = o.strategy.version,
                optimizer = o.optimizer.version },
    memory = memory.check(o.model, { tokens = o.batch.tokens, states = o.optimizer:states(),
      strategy = o.strategy.name, recompute = o.recompute }) }
  return run
end

--- An algorithm by name: its own options, and what it does.
return function(name, own, body)
  local schema, seen = trainer.schema(own, common), {}
  for _, spec in ipairs(own) do seen[spec[1]] = true end
  for _, spec in ipairs(shared) do
    if not seen[spec[1]] then schema[#schema + 1] = spec end
  end
  return function(given)
    return trainer.train(prepare(name, schema, given, body), collect "before", collect "after")
  end
end
