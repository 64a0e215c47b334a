-- The doctor: each rule on a history that it is for and on one that it is not, and on
-- real runs; NaN in every algorithm.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal = s.test, s.equal
local doctors = require "hone.doctor"
local files = require "hone.files"
local hone = require "hone"
local rules = require "hone.doctor_rules"

-- ---- made-up histories ----

-- A little noise that is the same in every run: mean 0, at most 1.
local function jitter(k) return (k * 0.6180339887 % 1) * 2 - 1 end

-- A step of a run in which all is well; fn changes it.
local function steps(n, fn)
  local list = {}
  for k = 1, n do
    local line = { step = k, seconds = 1, generating = 0.5, tokens = 400, samples = 16,
      reward = 0.3 + 0.01 * k + 0.02 * jitter(k), reward_sd = 0.2, length = 25 + jitter(k),
      truncated = 0.1, entropy = 2 + 0.1 * jitter(k), kl = 0.02 * k, clipped = 0.1, differ = 0.8,
      kept = 0.8, norm = 0.5, loss = 1 - 0.01 * k, updates = 1, explained = 0.3 }
    if fn then fn(line, k) end
    list[#list + 1] = line
  end
  return list
end

-- The same with an evaluation after each ten steps.
local function evaluated(n, fn, values)
  local list = {}
  for _, line in ipairs(steps(n, fn)) do
    list[#list + 1] = line
    if line.step % 10 == 0 then
      local seen = values(line.step)
      seen.step = line.step
      list[#list + 1] = seen
    end
  end
  return list
end

local function found(history, o)
  local names = {}
  for k, finding in ipairs(doctors.of(history, o).findings) do names[k] = finding.name end
  return names
end

local function finding(history, name, o)
  for _, f in ipairs(doctors.of(history, o).findings) do
    if f.name == name then return f end
  end
  error(name .. " was not found", 2)
end

local null = hone.null

-- Each rule: a history that it is for, and one close to it that it is not for.
local cases = {
  equal_rewards = {
    steps(25, function(l) l.reward, l.reward_sd = 0.5, 0 end),
    steps(25, function(l, k) l.reward, l.reward_sd = 0.5, k == 12 and 0.1 or 0 end) },
  nothing_learned = {
    steps(10, function(l, k) l.updates_skipped, l.kept = k > 5 and 1 or nil, 0 end),
    steps(10, function(l, k) l.updates_skipped = k % 3 == 0 and 1 or nil end) },
  no_gradient = {
    steps(10, function(l, k) l.norm = k > 3 and 0 or 1 end),
    steps(10, function(l, k) l.norm = k % 4 == 0 and 1 or 0 end) },
  agreeing_groups = {
    steps(12, function(l, k) l.differ = math.max(0.1, 0.9 - 0.1 * k) end),
    steps(12, function(l, k) l.differ = k % 2 == 0 and 0.1 or 0.6 end) },
  failing_reward = {
    steps(8, function(l) l["polite/failed"] = 3 end),
    steps(8, function(l, k) l["polite/failed"] = k == 2 and 3 or nil end) },
  absent_reward = {
    steps(8, function(l) l["polite/na"] = 12 end),
    steps(8, function(l) l["polite/na"] = 4 end) },
  falling_reward = {
    steps(40, function(l, k) l.reward = 0.6 - 0.01 * k + 0.02 * jitter(k) end),
    steps(40, function(l, k) l.reward = 0.6 + 0.2 * math.sin(k / 1.2) end) },
  reward_hacking = {
    evaluated(80, function(l, k) l.length = 20 + k end,
      function(k) return { validation_kind = k <= 20 and 0.6 or 0.6 - 0.004 * k } end),
    evaluated(80, function(l, k) l.length = 20 + k end,
      function(k) return { validation_kind = 0.6 + 0.002 * k + 0.05 * jitter(k) } end) },
  length_drift = {
    steps(60, function(l, k) l.length = 15 + k end),
    steps(60, function(l, k) l.length = 60 + 0.2 * k end) },
  overfitting = {
    evaluated(100, nil, function(k) return { validation_reward = 0.5 - 0.003 * k } end),
    evaluated(100, nil, function(k) return { validation_reward = 0.3 + 0.003 * k } end) },
  kl_runaway = {
    steps(40, function(l, k) l.kl = 0.02 * math.exp(0.2 * k) end),
    steps(40, function(l, k) l.kl = 0.1 * k end) },
  negative_kl = {
    steps(10, function(l) l.kl = -2 end),
    steps(10, function(l, k) l.kl = k % 2 == 0 and 0.3 or -2 end) },
  entropy_collapse = {
    steps(30, function(l, k) l.entropy = 2 * math.exp(-0.2 * k) end),
    steps(30, function(l, k) l.entropy = 2 * math.exp(-0.04 * k) end) },
  clipped = {
    steps(10, function(l) l.clipped = 0.4 end),
    steps(10, function(l, k) l.clipped = k == 7 and 0.9 or 0.15 end) },
  truncated = {
    steps(10, function(l, k) l.truncated = k / 10 end),
    steps(10, function(l, k) l.truncated = k == 7 and 1 or 0.3 end) },
  value_loss = {
    steps(30, function(l) l.explained = -0.2 end),
    steps(30, function(l, k) l.explained = -1 + 0.1 * k end) },
}

test("nothing_is_found_where_all_is_well", function()
  equal(found(steps(100)), {})
  equal(found(evaluated(100, nil, function(k)
    return { validation_reward = 0.3 + 0.01 * k, validation_kind = 0.5 + 0.001 * k }
  end)), {})
end)

for _, rule in ipairs(rules) do
  local case = cases[rule.name]
  test(rule.name .. "_is_found_where_it_is", function()
    local f = finding(case[1], rule.name)
    assert(#f.cause > 10 and #f.evidence > 10 and #f.remedy > 10)
    assert(f.evidence:find "%d", "the evidence has no number")
    s.golden("doctor-" .. rule.name, tostring(f))
  end)
  test(rule.name .. "_is_not_found_where_it_is_not", function()
    for _, name in ipairs(found(case[2])) do assert(name ~= rule.name, name) end
  end)
end

test("what_was_found_is_said_once", function()
  local doctor, n = doctors.new {}, 0
  for _, line in ipairs(steps(60, function(l) l.clipped = 0.5 end)) do n = n + #doctor:see(line) end
  equal(n, 1)
  equal(#doctor.findings, 1)
  equal(doctor.findings[1].step, 5)
end)

test("a_run_that_goes_on_does_not_hear_it_again", function()
  local history = steps(60, function(l) l.clipped = 0.5 end)
  local doctor = doctors.of({ table.unpack(history, 1, 30) })
  equal(#doctor.findings, 1)
  for k = 31, 60 do equal(doctor:see(history[k]), {}) end
end)

test("the_length_that_a_reward_pays_for_is_named", function()
  local f = finding(cases.reward_hacking[1], "reward_hacking")
  assert(f.cause:find("by length: answers get longer", 1, true), f.cause)
  local plain = finding(evaluated(80, nil, function(k)
    return { validation_kind = 0.6 - 0.004 * k }
  end), "reward_hacking")
  assert(not plain.cause:find "length", plain.cause)
end)

test("a_part_of_weight_0_is_a_held_out_metric", function()
  local history = steps(60, function(l, k)
    l.length, l.kind = 20 + k, 0.9 - 0.01 * k + 0.01 * jitter(k)
  end)
  assert(finding(history, "reward_hacking", { watched = { "kind" } }).evidence:find "kind fell")
  equal(found(history, { watched = { "none" } }), {})
end)

test("answers_without_an_end_by_intent_are_not_truncated", function()
  equal(found(cases.truncated[1], { ignore_eos = true }), {})
end)

test("rewards_that_are_absent_are_equal", function()
  finding(steps(20, function(l) l.reward, l.reward_sd = null, nil end), "equal_rewards")
  -- One answer a step has no deviation, but the next step's reward is another.
  equal(found(steps(30, function(l) l.reward_sd = nil end)), {})
end)

test("losses_that_part_are_overfitting", function()
  local history = {}
  for k = 1, 40 do
    local loss = 2 - 0.04 * k + 0.02 * jitter(k)
    history[#history + 1] = { step = k, seconds = 1, loss = loss, norm = 1 }
    if k % 4 == 0 then
      local held = k < 16 and 2 - 0.02 * k or 1.2 + 0.03 * k
      history[#history + 1] = { step = k, validation_loss = held }
    end
  end
  assert(finding(history, "overfitting").evidence:find "validation_loss")
end)

test("a_long_history_takes_little_time", function()
  local doctor, began = doctors.new {}, os.clock()
  for _, line in ipairs(steps(5000, function(l) l.kl = 1 end)) do doctor:see(line) end
  equal(doctor.findings, {})
  assert(os.clock() - began < 60)
end)

-- ---- real runs ----

local config = { model_type = "llama", hidden_size = 32, num_hidden_layers = 2,
  num_attention_heads = 4, num_key_value_heads = 2, intermediate_size = 48, vocab_size = 258,
  max_position_embeddings = 64, rms_norm_eps = 1e-5, tie_word_embeddings = true }

local function new_model()
  return hone.model.new(config, { seed = 1 }):set_tokenizer(hone.tokenizer.byte {})
end

local function prompts(n, word)
  local rows = {}
  for i = 1, n do rows[i] = { prompt = ("%s %d?"):format(word or "question", i) } end
  return hone.data.new(rows, "prompts")
end

local function options(given)
  local o = { policy = new_model(), prompts = prompts(8), steps = 16, selftest = false,
    optimizer = hone.optimizer.adamw { lr = 2e-2 }, batch = { prompts = 4 },
    sampling = { max_tokens = 6, ignore_eos = true }, eval = { samples = 0 }, seed = 3 }
  for key, value in pairs(given or {}) do o[key] = value end
  return o
end

local function low_tokens(sample)
  local n = 0
  for i = sample.prompt_tokens + 1, #sample.tokens do
    if sample.tokens[i] < 64 then n = n + 1 end
  end
  return n / sample.response_tokens
end

local function names_of(run)
  local names, record = {}, hone.json.decode(s.read(run:path "run.json"))
  for k, f in ipairs(record.findings) do names[k] = f.name end
  return names
end

-- A quarter of all tokens end an answer: who is paid by the token learns to avoid them.
local ends = {}
for id = 0, 63 do ends[#ends + 1] = id end

test("a_reward_for_length_is_found_to_be_hacked", function()
  local finished = hone.metric.define { name = "finished", version = "1.0.0",
    score = function(sample) return sample.finish == "length" and 0 or 1 end }
  local run = hone.grpo(options { name = "hacked", steps = 24,
    reward = function(sample) return sample.response_tokens end,
    sampling = { max_tokens = 12, stop_tokens = ends },
    eval = { every = 2, data = prompts(16, "other"), metrics = { finished }, samples = 0 } })
  local names = table.concat(names_of(run), " ")
  assert(names:find "reward_hacking", names)
  local page = s.read(run:path "report.html")
  assert(page:find("reward hacking by length: answers get longer", 1, true))
end)

test("a_run_that_reaches_its_optimum_is_not_blamed", function()
  local run = hone.grpo(options { name = "healthy", reward = low_tokens, steps = 8,
    optimizer = hone.optimizer.adamw { lr = 5e-3 } })
  equal(names_of(run), {})
end)

test("equal_rewards_are_said_or_stop_the_run", function()
  local given = { name = "idle", reward = function() return 1 end, steps = 22, group = 2,
                  batch = { prompts = 1 }, skip = false }
  local run = hone.grpo(options(given))
  assert(table.concat(names_of(run), " "):find "equal_rewards")
  given.idle = "stop"
  local message = s.fails(hone.grpo, options(given))
  s.golden("doctor-stop", (message:gsub('".-" to', "ANSWER to")))
end)

for name, calls in pairs { grpo = 1, ppo = 1, rloo = 1, reinforce_pp = 1, raft = 1, online_dpo = 1,
                           remax = 2 } do
  test(name .. "_stops_at_nan_and_shows_the_samples", function()
    local o, seen = options { steps = 3, name = "poisoned" }, 0
    o.reward = hone.metric.define { name = "poison", score_batch = function(samples)
      seen = seen + 1
      -- In step 2, between sampling and learning, the weights become NaN.
      local weight = o.policy:parameters()[1].weight
      if seen == calls + 1 then weight:copy(weight * (0 / 0)) end
      local out = {}
      for i, sample in ipairs(samples) do out[i] = low_tokens(sample) + i / 1000 end
      return out
    end }
    local message = s.fails(hone[name], o)
    assert(message:find "^step 2: " and message:find "question %d%?", message)
    assert(message:find "nan" or message:find "not a number", message)
    equal(hone.json.decode(s.read "runs/poisoned/run.json").status, "failed")
    os.execute "rm -r runs/poisoned"
  end)
end

if s.failed then os.exit(1, true) end
