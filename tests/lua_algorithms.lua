-- What algorithms compute: values of the reference, parity with TRL's GRPO and PPO where
-- hone answers what TRL answered, and that bad input is told or refused.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near, fails = s.test, s.equal, s.near, s.fails
local core = require "hone.core"
local hone = require "hone"
local policy = require "hone.policy"
local rolls = require "hone.roll"
local json, T = hone.json, hone.tensor

-- ---- a policy whose answers are given ----

local Policy = policy.methods

-- { prompt = ids, response = ids, logp = list, reward = } each; group: so many a prompt.
local function samples_of(list, group)
  local samples = core.samples_new()
  for i, one in ipairs(list) do
    local tokens = table.move(one.prompt, 1, #one.prompt, 1, {})
    table.move(one.response, 1, #one.response, #tokens + 1, tokens)
    local logp = one.logp
    if not logp then
      logp = {}
      for k = 1, #one.response do logp[k] = 0 end
    end
    samples:add { tokens = tokens, prompt_tokens = #one.prompt, logp = logp, row = { reward = one.reward },
                  group = (i - 1) // group, finish = one.finish or "stop" }
  end
  return samples
end

-- Within fn, generation hands out these samples, a list a time; where they come without
-- log-probabilities, those of the policy at hand. at_start(policy) is called before.
local function replay(steps, group, fn, at_start)
  local generate, prompt, n = Policy.generate, core.data.prompt, 0
  core.data.prompt = function() return { 3 } end
  function Policy.generate(self)
    n = n + 1
    if at_start and n == 1 then at_start(self) end
    local out = rolls.new(samples_of(steps[n], group), self.tokens)
    if not steps[n][1].logp then out.logp = self:logp(out) end
    return out
  end
  local ok, problem = pcall(fn)
  Policy.generate, core.data.prompt = generate, prompt
  if not ok then error(problem, 0) end
end

local function recorded(sample) return sample.row.reward end

local function llama() return hone.model.load(s.file "parity/models/llama") end

local function parameter(model, name)
  for _, p in ipairs(model:parameters()) do
    if p.name == name then return p end
  end
  error("no parameter " .. name)
end

local function scaled_head(by)
  local model = llama()
  local head = parameter(model, "lm_head").weight
  head:copy(head * by)
  return model
end

local function with(base, more)
  local out = {}
  for key, value in pairs(base) do out[key] = value end
  for key, value in pairs(more or {}) do out[key] = value end
  return out
end

local function any_prompts(n)
  local rows = {}
  for i = 1, n do rows[i] = { prompt = ("p%d"):format(i) } end
  return hone.data.new(rows, "prompts")
end

-- ---- TRL ----

local function trl_options(case)
  local cispo = case.loss_type == "cispo"
  return { kl = case.beta, unbiased = case.unbiased, estimator = "k3", entropy = case.entropy, ratio = case.level, skip = false,
    objective = cispo and "cispo" or "clip", clip = { case.low, cispo and case.high - 1 or case.high },
    scale = case.scale == "none" and "none" or "sd",
    reduction = case.loss_type == "grpo" and "sequence" or case.loss_type == "dr_grpo" and "constant" or "token" }
end

test("grpo_has_the_losses_and_gradients_of_TRL", function()
  local trl = json.read(s.file "parity/expect/trl_grpo.json")
  local reference = scaled_head(0.75)
  for _, case in ipairs(trl.cases) do
    local model = llama()
    local before = parameter(model, "model.norm").weight:values()
    local line
    replay({ trl.samples }, 4, function()
      local run = hone.grpo(with({ policy = model, reference = reference, prompts = any_prompts(3),
        group = 4, reward = recorded, steps = 1, batch = { prompts = 3 }, selftest = false, max_norm = 0,
        sampling = { temperature = trl.temperature, max_tokens = trl.max_tokens }, eval = { samples = 0 },
        optimizer = hone.optimizer.sgd { lr = 1, momentum = 0 } }, trl_options(case)))
      line = run:history()[1]
    end)
    local name = ("%s, %s, kl %g, entropy %g"):format(case.loss_type, case.level, case.beta, case.entropy)
    local after, step = parameter(model, "model.norm").weight:values(), {}
    for k, x in ipairs(before) do step[k] = x - after[k] end
    assert(math.abs(line.loss - case.loss) < 1e-5, ("%s: loss %.8g, not %.8g"):format(name, line.loss, case.loss))
    assert(math.abs(line.norm / case.norm - 1) < 1e-5,
           ("%s: norm %.8g, not %.8g"):format(name, line.norm, case.norm))
    local off = s.deviation(step, case.gradient)
    assert(off < 1e-5, ("%s: gradient off by %g"):format(name, off))
  end
  equal(#trl.cases, 24)
end)

for _, which in ipairs { 1, 2 } do
  test("grpo_follows_the_curve_of_TRL_" .. which, function()
    local trl = json.read(s.file "parity/expect/trl_grpo_curve.json").curves[which]
    local o, model, history = trl.options, llama(), nil
    replay(trl.steps, o.group, function()
      local run = hone.grpo { policy = model, prompts = any_prompts(6), group = o.group, skip = false,
        reward = function(sample)
          local sum = 0
          for i = sample.prompt_tokens + 1, #sample.tokens do sum = sum + sample.tokens[i] end
          return sum / sample.response_tokens / 16
        end,
        steps = #trl.steps, epochs = o.epochs, kl = o.kl, unbiased = o.unbiased, estimator = "k3", max_norm = o.clip,
        clip = { o.clip_low, o.clip_high }, batch = { prompts = o.prompts }, eval = { samples = 0 },
        sampling = { max_tokens = o.max_tokens },
        optimizer = hone.optimizer.adamw { lr = o.lr, weight_decay = o.weight_decay, betas = { o.beta1, o.beta2 },
                                           eps = o.eps } }
      history = run:history()
    end)
    equal(#history, #trl.steps)
    for k, line in ipairs(history) do
      local loss, norm = 0, 0
      for e = 1, o.epochs do
        loss = loss + trl.losses[(k - 1) * o.epochs + e] / o.epochs
        norm = norm + trl.norms[(k - 1) * o.epochs + e] / o.epochs
      end
      near(line.loss, loss, 1e-3)
      near(line.norm, norm, 1e-3 * norm)
    end
    for name, expected in pairs(trl["end"]) do
      local seen = parameter(model, (name:gsub("%.weight$", ""))).weight:values()
      assert(s.deviation(table.move(seen, 1, #expected, 1, {}), expected) < 1e-3, name)
    end
  end)
end

test("ppo_has_the_arithmetic_of_TRL", function()
  local trl = json.read(s.file "parity/expect/trl_ppo.json")
  for _, case in ipairs(trl.cases) do
    local o, model, line = case.options, llama(), nil
    replay({ case.samples }, 1, function()
      local run = hone.ppo { policy = model, reference = scaled_head(0.75), prompts = any_prompts(6),
        reward = recorded, steps = 1, epochs = 2, batch = { prompts = 6 }, selftest = false, max_norm = 0,
        kl = o.kl, estimator = o.estimator, gamma = o.gamma, lambda = o.lambda, clip = { o.clip, o.clip },
        value_clip = o.value_clip, value_weight = o.value_weight, whiten_rewards = o.whiten_rewards,
        adaptive = { target = o.target, horizon = o.horizon }, eval = { samples = 0 },
        optimizer = hone.optimizer.sgd { lr = o.lr, momentum = 0 } }
      line = run:history()[1]
      near(run.state.kl_weight, case.kl_weight, 1e-6)
    end, function(self)
      local head = parameter(self.model, "value")
      head.weight:copy(T(case.head.weight):reshape(1, #case.head.weight))
      head.bias:copy(T(case.head.bias))
    end)
    local function both(list) return (list[1] + list[2]) / 2 end
    near(line.loss, both(case.losses), 1e-5)
    near(line.value_loss, both(case.value_losses), 1e-5)
    near(line.norm, both(case.norms), 1e-5)
    near(line.returns, case.returns, 1e-5)
    if o.estimator == "k1" then near(line.kl, case.kl, 1e-4) end
    for name, expected in pairs(case["end"]) do
      local seen = parameter(model, (name:gsub("%.weight$", ""))).weight:values()
      assert(s.deviation(seen, expected) < 1e-5, name)
    end
  end
end)

if s.failed then os.exit(1, true) end
