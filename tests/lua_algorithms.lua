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
    samples:add { tokens = tokens, prompt_tokens = #one.prompt, logp = logp,
                  row = { reward = one.reward }, group = (i - 1) // group, finish = one.finish or "stop" }
  end
  return samples
end

-- Within fn, generation hands out these samples, a list a time; where they come without
-- log-probabilities, those of the policy at hand, plus shift. at_start(policy) is called
-- before.
local function replay(steps, group, fn, at_start)
  local generate, prompt, n = Policy.generate, core.data.prompt, 0
  core.data.prompt = function() return { 3 } end
  function Policy.generate(self)
    n = n + 1
    if at_start and n == 1 then at_start(self) end
    local out = rolls.new(samples_of(steps[n], group), self.tokens)
    if not steps[n][1].logp then out.logp = self:logp(out) end
    if steps[n].shift then out.logp = out.logp + T(steps[n].shift) end
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
  return { kl = case.beta, unbiased = case.unbiased, estimator = "k3", entropy = case.entropy,
    ratio = case.level, skip = false,
    objective = cispo and "cispo" or "clip", scale = case.scale == "none" and "none" or "sd",
    clip = { case.low, cispo and case.high - 1 or case.high },
    reduction = ({ grpo = "sequence", dr_grpo = "constant" })[case.loss_type] or "token" }
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
        group = 4, reward = recorded, steps = 1, batch = { prompts = 3 }, selftest = false,
        max_norm = 0, eval = { samples = 0 },
        sampling = { temperature = trl.temperature, max_tokens = trl.max_tokens },
        optimizer = hone.optimizer.sgd { lr = 1, momentum = 0 } }, trl_options(case)))
      line = run:history()[1]
    end)
    local name = ("%s, %s, kl %g, entropy %g"):format(case.loss_type, case.level, case.beta,
      case.entropy)
    local after, step = parameter(model, "model.norm").weight:values(), {}
    for k, x in ipairs(before) do step[k] = x - after[k] end
    assert(math.abs(line.loss - case.loss) < 1e-5,
           ("%s: loss %.8g, not %.8g"):format(name, line.loss, case.loss))
    assert(math.abs(line.norm / case.norm - 1) < 1e-5,
           ("%s: norm %.8g, not %.8g"):format(name, line.norm, case.norm))
    local off = s.deviation(step, case.gradient)
    assert(off < 1e-5, ("%s: gradient off by %g"):format(name, off))
  end
  equal(#trl.cases, 24)
end)

for which, name in ipairs { "grpo", "grpo", "rloo" } do
  test(("%s_follows_the_curve_of_TRL_%d"):format(name, which), function()
    local trl = json.read(s.file "parity/expect/trl_grpo_curve.json").curves[which]
    local o, model, history = trl.options, llama(), nil
    replay(trl.steps, o.group, function()
      local own = name == "grpo" and { skip = false, unbiased = o.unbiased, estimator = "k3" } or {}
      local run = hone[name](with(own, { policy = model, prompts = any_prompts(6), group = o.group,
        reward = function(sample)
          local sum = 0
          for i = sample.prompt_tokens + 1, #sample.tokens do sum = sum + sample.tokens[i] end
          return sum / sample.response_tokens / 16
        end,
        steps = #trl.steps, epochs = o.epochs, kl = o.kl, max_norm = o.clip,
        clip = { o.clip_low, o.clip_high }, batch = { prompts = o.prompts }, eval = { samples = 0 },
        sampling = { max_tokens = o.max_tokens },
        optimizer = hone.optimizer.adamw { lr = o.lr, weight_decay = o.weight_decay, eps = o.eps,
                                           betas = { o.beta1, o.beta2 } } }))
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
      local run = hone.ppo { policy = model, reference = scaled_head(0.75),
        prompts = any_prompts(6), reward = recorded, steps = 1, epochs = 2, batch = { prompts = 6 },
        selftest = false, max_norm = 0, kl = o.kl, estimator = o.estimator, gamma = o.gamma,
        lambda = o.lambda, clip = { o.clip, o.clip }, value_clip = o.value_clip,
        value_weight = o.value_weight, whiten_rewards = o.whiten_rewards,
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

-- ---- values ----

-- One step on answers of one token, whose ratios are e^-shift: its line of metrics.
local function one_token(name, answers, shift, more)
  local list = { shift = shift }
  for k, a in ipairs(answers) do
    list[k] = { prompt = { 5, 9 }, response = { 10 + k }, reward = a[1], finish = a[2] }
  end
  local line
  replay({ list }, more.group or 1, function()
    line = hone[name](with({ policy = llama(), prompts = any_prompts(1), reward = recorded, steps = 1,
      batch = { prompts = 1 }, selftest = false, kl = 0, eval = { samples = 0 },
      sampling = { max_tokens = 8 } }, more)):history()[1]
  end)
  return line
end

test("advantages_of_groups_have_their_values", function()
  local rewards, shift = { { 1 }, { 0 }, { 0 }, { 1 } }, { -math.log(1.1), 0, 0, 0 }
  near(one_token("grpo", rewards, shift, { group = 4 }).loss, -0.1 * .865875 / 4, 1e-6)
  near(one_token("grpo", rewards, shift, { group = 4, scale = "none" }).loss, -0.1 * .5 / 4, 1e-6)
  near(one_token("rloo", rewards, shift, { group = 4 }).loss, -0.1 * 2 / 3 / 4, 1e-6)
  -- Beyond the clip the ratio counts as its bound: 1.28 of GRPO, 1.2 of RLOO.
  shift[1] = -math.log(2)
  near(one_token("grpo", rewards, shift, { group = 4 }).loss, -0.28 * .865875 / 4, 1e-6)
  near(one_token("rloo", rewards, shift, { group = 4 }).loss, -0.2 * 2 / 3 / 4, 1e-6)
  near(one_token("grpo", rewards, shift, { group = 4 }).clipped, 0.25, 1e-6)
end)

test("ppo_pays_for_missing_ends_and_clips_twice", function()
  local rewards = { { 1, "stop" }, { 1, "length" } }
  local a = math.sqrt(0.5)                             -- the whitened advantages of 1 and -1
  local line = one_token("ppo", rewards, { -2, -2 }, { epochs = 1, missing_eos = { replace = -1 } })
  equal({ line.paid, line.reward }, { 0.0, 1.0 })
  near(line.loss, (-1.2 * a + math.exp(2) * a) / 2 + 0.05, 1e-5)
  line = one_token("ppo", rewards, { -2, -2 },
                   { epochs = 1, missing_eos = { subtract = 2 }, dual_clip = 3 })
  equal(line.paid, 0.0)
  near(line.loss, (-1.2 * a + 3 * a) / 2 + 0.05, 1e-5)
  line = one_token("ppo", { { 1, "length" } }, { 0 }, { epochs = 1 })
  equal(line.paid, 1.0)
end)

test("baselines_of_remax_and_reinforce_pp_have_their_values", function()
  -- The likeliest answer gets 0.25; ratios do not matter to ReMax.
  local greedy = Policy.greedy
  function Policy.greedy(self)
    return samples_of({ { prompt = { 5, 9 }, response = { 7 }, reward = 0.25 } }, 1)
  end
  local line = one_token("remax", { { 1 }, { 0 } }, { 0, 0 }, { samples = 2 })
  Policy.greedy = greedy
  local model = llama()
  local p = policy.new(model, {})
  local roll = rolls.new(samples_of({ { prompt = { 5, 9 }, response = { 11 } },
                                      { prompt = { 5, 9 }, response = { 12 } } }, 2), 4096)
  local logp = p:logp(roll):values()
  near(line.loss, -(0.75 * logp[1] - 0.25 * logp[2]) / 2, 1e-5)
  equal(line.greedy, 0.25)
  -- Of REINFORCE++ the whitened advantages of 1, 0, 0, 1 are +-0.866025, of any shift.
  local shift = { -math.log(1.1), 0, 0, 0 }
  for _, baseline in ipairs { "none", "group" } do
    line = one_token("reinforce_pp", { { 1 }, { 0 }, { 0 }, { 1 } }, shift,
                     { samples = 4, baseline = baseline })
    near(line.loss, -0.1 * math.sqrt(0.75) / 4, 1e-6)
  end
end)

test("answers_that_are_too_long_cost_up_to_one", function()
  local overlong, list = hone.metric.overlong { max = 10, ramp = 4 }, {}
  for k, n in ipairs { 6, 7, 10, 11 } do
    list[k] = { prompt = "p", response = "r", response_tokens = n, prompt_tokens = 1 }
  end
  equal(overlong(hone.samples(list)):tensor():values(), { 0.0, -0.25, -1.0, -1.0 })
  s.golden("metric-overlong", fails(hone.metric.overlong, { max = 4, ramp = 5 }))
end)

test("a_part_says_when_it_cannot_tell_samples_from_tokens", function()
  local list = { { prompt = { 5 }, response = {} }, { prompt = { 5 }, response = { 6, 7 } } }
  local roll = rolls.new(samples_of(list, 1), 4096)
  for part in roll:parts(false) do
    s.golden("roll-spread", fails(part.spread, part, T { 1, 2 }))
  end
end)

test("kl_counts_in_the_reward_or_in_the_loss", function()
  local shift = { 0.25, 0, 0, 0 }
  local rewards, reference = { { 1 }, { 0 }, { 0 }, { 1 } }, scaled_head(0.75)
  local function line(name, more)
    return one_token(name, rewards, shift, with({ kl = 0.5, reference = reference, clip = { 9, 9 } }, more))
  end
  for name, more in pairs { grpo = { group = 4 }, rloo = { group = 4 }, reinforce_pp = { samples = 4 },
                            ppo = { samples = 4, epochs = 1 } } do
    local inside = line(name, with(more, { kl_in = "reward" }))
    local outside = line(name, with(more, { kl_in = "loss" }))
    near(inside.kl, outside.kl, 1e-5)
    assert(math.abs(inside.kl) > 0.01 and math.abs(inside.loss - outside.loss) > 1e-3, name)
  end
end)

-- ---- bad input ----

local config = { model_type = "llama", hidden_size = 32, num_hidden_layers = 2,
  num_attention_heads = 4, num_key_value_heads = 2, intermediate_size = 48, vocab_size = 258,
  max_position_embeddings = 64, rms_norm_eps = 1e-5, tie_word_embeddings = true }

local function new_model(seed, vocab)
  local model = hone.model.new(with(config, { vocab_size = vocab or 258 }), { seed = seed or 1 })
  return (vocab or 258) >= 258 and model:set_tokenizer(hone.tokenizer.byte {}) or model
end

local every = { grpo = { group = 4 }, ppo = { samples = 4, epochs = 1 }, rloo = { group = 4 },
                reinforce_pp = { samples = 4 }, remax = { samples = 4 }, raft = { group = 4 },
                online_dpo = { group = 4 } }

local function start(name, more)
  return hone[name](with(with({ policy = new_model(), prompts = any_prompts(8), steps = 2,
    reward = function(sample) return #sample.response end, batch = { prompts = 2 },
    sampling = { max_tokens = 6, ignore_eos = true }, eval = { samples = 0 } }, every[name]), more))
end

test("rewards_that_are_none_are_left_out_told_and_counted", function()
  local answers = {
    function() return nil end, function() return 0 / 0 end, function() return "much" end,
    function() error "no idea" end, function() while true do end end,
  }
  for name in pairs(every) do
    local n = 0
    local warnings = {}
    local log = core.log
    core.log = function(level, message)
      if level == "warn" then warnings[#warnings + 1] = message end
    end
    local ok, run = pcall(start, name, { reward = hone.reward { timeout = 0.02, { function(sample)
      n = n + 1
      local wrong = answers[n % 8]
      if wrong then return wrong() end
      return #sample.response
    end, name = "mine" } } })
    core.log = log
    assert(ok, ("%s: %s"):format(name, tostring(run)))
    local line = run:history()[1]
    equal({ line["mine/failed"], line["reward/failed"], line["mine/na"] }, { 4, 4, 1 })
    local all = table.concat(warnings, "\n")
    assert(all:find("mine failed for 4 of 8 samples; sample ", 1, true), all)
    for _, p in ipairs(run.model:parameters()) do
      local sum = p.weight:sum():item()
      assert(sum == sum, name)
    end
  end
end)

test("a_part_that_fails_for_all_leaves_the_weights_as_they_are", function()
  for name in pairs(every) do
    local run = start(name, { reward = function() error "never" end, steps = 1 })
    local before = new_model():attach(hone.strategy.full {})
    if name == "ppo" then before:add_head("value", { bias = true, sd = 0 }) end
    equal({ name, run.record.weights }, { name, before:hash() })
    local line = run:history()[1]
    equal({ line.updates, line.reward }, { nil, hone.null })
    assert(line.updates_skipped >= 1)
  end
end)

test("equal_rewards_are_told_after_20_steps_and_stop_a_run_that_says_so", function()
  local message
  local log = core.log
  core.log = function(_, text)
    message = text:find("all rewards are equal", 1, true) and text or message
  end
  local run = start("grpo", { reward = function() return 1 end, steps = 21 })
  core.log = log
  assert(message and message:find("step 20", 1, true), message)
  equal(#run:history(), 21)
  assert(fails(start, "grpo", { reward = function() return 1 end, steps = 40, idle = "stop" })
    :find("step 20: all rewards are equal", 1, true))
end)

test("groups_of_one_are_refused", function()
  s.golden("algorithm-group-one", fails(start, "grpo", { group = 1 }))
  s.golden("algorithm-group-one-rloo", fails(start, "rloo", { group = 1 }))
  assert(fails(start, "reinforce_pp", { baseline = "group", samples = 1 }):find("a group of 1", 1, true))
end)

test("prompts_longer_than_the_window_are_left_out_and_counted_or_refused", function()
  local rows = { { prompt = "short" }, { prompt = ("long "):rep(20) }, { prompt = "also short" } }
  local prompts = hone.data.new(rows, "prompts")
  local run = start("grpo", { prompts = prompts, steps = 1 })
  equal({ run.record.data.train.prompts, run.record.data.train.long }, { 2, 1 })
  s.golden("algorithm-too-long", fails(start, "grpo", { prompts = prompts, too_long = "error" }))
  s.golden("algorithm-all-too-long", fails(start, "grpo", { prompts = hone.data.new({ rows[2] }, "prompts") }))
end)

test("a_reference_and_a_critic_must_have_the_vocabulary_of_the_policy", function()
  s.golden("algorithm-reference", fails(start, "grpo", { reference = new_model(2, 300) }))
  s.golden("algorithm-critic", fails(start, "ppo", { critic = new_model(2, 300) }))
end)

test("sampling_and_learning_that_differ_stop_the_run", function()
  local answers = { { prompt = { 5, 9 }, response = { 11, 12 }, reward = 1 },
                    { prompt = { 5, 9 }, response = { 13, 14 }, reward = 0 }, shift = { 0, .5, 0, 0 } }
  local function run(more)
    replay({ answers }, 2, function()
      hone.grpo(with({ policy = llama(), prompts = any_prompts(1), group = 2, reward = recorded, steps = 1,
                       batch = { prompts = 1 }, eval = { samples = 0 } }, more))
    end)
  end
  assert(fails(run):find("self-test: log-probabilities of sampling and learning differ by 0.5 nats at token 2",
                         1, true))
  answers.shift = { 0, 0 / 0, 0, 0 }
  s.golden("algorithm-loss-nan", fails(run, { selftest = false }))
end)

-- ---- resampling, ReMax ----

test("prompts_whose_answers_agree_are_replaced_a_few_times", function()
  -- The first two prompts' answers agree; those of the two that stand in differ.
  local seen = 0
  local function reward()
    seen = seen + 1
    return seen <= 8 and 1 or seen
  end
  local run = start("grpo", { reward = reward, resample = 3, steps = 1 })
  local line = run:history()[1]
  equal({ line.resampled, line.updates, seen }, { 2, 1, 16 })
  equal(line.kept, 0.5)
  seen = 0
  local none = start("grpo", { reward = function() return 1 end, resample = 3, steps = 1 }):history()[1]
  equal({ none.resampled, none.updates_skipped }, { 6, 1 })
end)

test("joined_rolls_hold_what_both_held", function()
  local p = policy.new(new_model(), { sampling = { max_tokens = 5 }, tokens = 64 })
  local a = p:generate { prompts = { "a", "b" }, samples = 2, seed = 1 }
  local b = p:generate { prompts = { "c" }, samples = 2, seed = 2 }
  local both = a:join(b)
  equal({ #both, both.tokens, both.kept }, { 6, a.tokens + b.tokens, 6 })
  equal({ both.samples[4].group, both.samples[5].group }, { 1, 2 })
  assert(s.deviation(p:logp(both):values(), both.logp:values()) < 1e-4)
  near(both:an_answer(both.logp), both.logp:sum():item() / 6, 1e-5)
  equal(#both:sum(both.logp), 6)
end)

-- ---- a known optimum ----

test("grpo_reaches_the_optimum_of_a_task_of_few_tokens", function()
  -- Wanted: 4 tokens that are even or odd as the prompt's last one is.
  local rows = {}
  for _, letter in ipairs { "a", "b" } do rows[#rows + 1] = { prompt = letter } end
  local function reward(sample)
    local n = 0
    for i = sample.prompt_tokens + 1, #sample.tokens do
      n = n + (sample.tokens[i] % 2 == sample.tokens[sample.prompt_tokens] % 2 and 1 or 0)
    end
    return n / 4
  end
  local run = hone.grpo { policy = new_model(), prompts = hone.data.new(rows, "letters"), reward = reward,
    group = 16, steps = 60, batch = { prompts = 2 }, sampling = { max_tokens = 4, ignore_eos = true },
    optimizer = hone.optimizer.adamw { lr = 1e-2 }, eval = { samples = 0 }, seed = 2 }
  local history = run:history()
  local first, last = history[1].reward, 0
  for k = 51, 60 do last = last + history[k].reward / 10 end
  assert(first < 0.7 and last > 0.97, ("%g to %g"):format(first, last))
end)

-- ---- interrupted and resumed ----

s.write("script.lua", [[
local hone = require "hone"
local core = require "hone.core"
local policy = require "hone.policy"
local args = hone.args { name = "grpo", case = "full", stop = "" }

-- Where args.stop says, in the third step of the first session: Ctrl-C, or a kill.
local rolls, first = 0, not io.open "stopped"
local function here(where)
  if args.stop ~= where or not first or rolls < 3 then return end
  first = false
  io.open("stopped", "w"):close()
  if where == "kill" then os.exit(9) end
  core.interrupt()
end
local generate = policy.methods.generate
function policy.methods.generate(self, given)
  rolls = rolls + 1
  here "generate"
  return generate(self, given)
end

local function new(seed)
  return hone.model.new({ model_type = "llama", hidden_size = 32, num_hidden_layers = 2,
    num_attention_heads = 4, num_key_value_heads = 2, intermediate_size = 48, vocab_size = 258,
    max_position_embeddings = 64, rms_norm_eps = 1e-5, tie_word_embeddings = true },
    { seed = seed }):set_tokenizer(hone.tokenizer.byte {})
end
local rows, critic = {}, new(2)
for i = 1, 6 do rows[i] = { prompt = ("question %d?"):format(i) } end
local lora = hone.strategy.lora { rank = 2, dropout = 0.1 }
local cases = {
  full = { group = 4, epochs = 2, minibatches = 2, kl = 0.05 },
  lora = { group = 4, epochs = 2, kl = 0.05, strategy = lora },
  resample = { group = 2, resample = 1 },
  head = { samples = 2, epochs = 2, minibatches = 2, adaptive = { target = 0.1, horizon = 10 } },
  critic = { samples = 2, epochs = 2, critic = critic },
  lora_head = { samples = 2, epochs = 2, strategy = lora },
  refresh = { group = 4, refresh = 2 },
  greedy = { samples = 2, kl = 0.05 },
}
local o = { policy = new(1), prompts = hone.data.new(rows, "rows"), steps = 5, seed = 4,
  batch = { prompts = 2 }, checkpoint = { every = 1 }, sampling = { max_tokens = 6 },
  eval = { samples = 0 }, optimizer = hone.optimizer.adamw { lr = 1e-2 },
  schedule = function()
    here "update"
    here "kill"
    return 1
  end,
  reward = hone.reward { normalise = true, { function(sample)
    here "score"
    local n = 0
    for i = sample.prompt_tokens + 1, #sample.tokens do n = n + (sample.tokens[i] < 64 and 1 or 0) end
    return n
  end, name = "low" } } }
for key, value in pairs(cases[args.case]) do o[key] = value end
local run = hone[args.name](o)
local kl = run.state.kl_weight
print(run.record.weights, critic:hash(), kl, hone.json.encode(run.state.reward))
]])

for _, case in ipairs {
  { "grpo", "full", "generate" }, { "grpo", "full", "kill" }, { "grpo", "lora", "score" },
  { "grpo", "resample", "score" }, { "ppo", "head", "generate" }, { "ppo", "head", "kill" },
  { "ppo", "critic", "score" }, { "ppo", "critic", "kill" }, { "ppo", "lora_head", "update" },
  { "online_dpo", "refresh", "kill" }, { "remax", "greedy", "generate" },
} do
  local name, kind, stop = table.unpack(case)
  test(("%s_%s_stopped_by_%s_goes_on_to_the_same_bits"):format(name, kind, stop), function()
    local words = ("name=%s case=%s "):format(name, kind)
    os.remove "stopped"
    local whole, problem, status = s.hone("run script.lua " .. words)
    equal({ status, status == 0 and "" or problem }, { 0, "" })
    local _, said
    _, said, status = s.hone("run script.lua " .. words .. "stop=" .. stop)
    equal(status, stop == "kill" and 9 or 130)
    -- The third roll may be of the second step, where steps sample again.
    if stop ~= "kill" and kind ~= "resample" then
      local at = stop == "update" and 3 or 2
      assert(said:find(("interrupted at step %d of 5"):format(at), 1, true), said)
    end
    local resumed
    resumed, problem, status = s.hone("run script.lua --resume " .. words .. "stop=" .. stop)
    equal({ status, status == 0 and "" or problem }, { 0, "" })
    equal(resumed, whole)
  end)
end

if s.failed then os.exit(1, true) end
