-- From samples to advantages in Lua: what lua/hone/tensor.lua composes and checks, what
-- lua/bind/advantage.c and batch.c turn over, and batches that share prompts.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near, fails = s.test, s.equal, s.near, s.fails
local hone = require "hone"
local core = require "hone.core"
local T = hone.tensor

local function all_near(tensor, expected, tolerance)
  equal(#tensor, #expected)
  for i, x in ipairs(expected) do near(tensor:get(i), x, tolerance) end
end

test("groups_are_normalised_as_their_options_say", function()
  local reward = T { 1, 0, 0, 1 }
  all_near(T.group_normalise(reward, 4), { .865875, -.865875, -.865875, .865875 }, 1e-6)
  all_near(reward:group_normalise(4, 1e-4, { variance = "biased" }), { .9998, -.9998, -.9998, .9998 }, 1e-6)
  all_near(reward:group_normalise(4, 0, { scale = "none" }), { .5, -.5, -.5, .5 }, 0)
  all_near(reward:leave_one_out(4), { 2 / 3, -2 / 3, -2 / 3, 2 / 3 }, 1e-6)
  equal(T({ 1, 0, 2, 2 }):group_differs(2):values(), { 1.0, 1.0, 0.0, 0.0 })
  assert(fails(T.group_normalise, reward, 4, 0, { scale = "sigma" }):find("'sigma' is not one of sd, none", 1, true))
  assert(fails(T.group_normalise, reward, 1):find("a group of 1 (allowed: at least 2)", 1, true))
end)

test("advantages_and_returns_follow_the_reference", function()
  local lengths = T { 3 }
  local a, r = T.gae(T { -.01, .02, 1 }, T { .5, .4, .6 }, lengths, 1, .95)
  all_near(a, { .46, .6, .4 }, 1e-6)
  all_near(r, { .96, 1, 1 }, 1e-6)
  a = T.gae(T { 0 }, T { 1 }, { 1 }, .5, 1, T { 4 })
  all_near(a, { 1 }, 1e-6)
  all_near(T.token_rewards(T { 1 }, T { .1, -.2, 0 }, lengths, .1), { -.01, .02, 1 }, 1e-7)
  all_near(T.score_at_end(T { 1, 2 }, { 2, 1 }), { 0, 1, 2 }, 0)
  all_near(T.discounted(T { 1, 2, 4 }, { 3 }, .5), { 3, 4, 4 }, 0)
  all_near(T.segment_max(T { 1, 5, 2 }, { 2, 1 }), { 5, 2 }, 0)
end)

test("whitening_takes_options", function()
  local x = T { 1, 2, 3 }
  all_near(x:whiten(), { -1, 0, 1 }, 1e-6)
  all_near(x:whiten { mean = false, mask = T { 1, 0, 1 } }, { 2 - math.sqrt(.5), 0, 2 + math.sqrt(.5) }, 1e-6)
  assert(fails(T.whiten, x, { varianse = "biased" }):find("did you mean 'variance'?", 1, true))
end)

test("estimates_of_kl_have_their_values_and_gradients", function()
  local values = { k1 = .3, k2 = .045, k3 = .040818 }
  local slopes = { k1 = 1, k2 = .3, k3 = 1 - math.exp(-.3) }
  for name, value in pairs(values) do
    local seen, slope = hone.step(function()
      local logp = T({ -1 }):require_grad()
      local kl = T.kl(logp, T { -1.3 }, name)
      kl:sum():backward()
      return kl:item(), logp:grad():item()
    end)
    near(seen, value, 1e-6)
    near(slope, slopes[name], 1e-6)
  end
  assert(fails(T.kl, T { 1 }, T { 1 }, "k4"):find("'k4' is no estimator (allowed: k1, k2, k3)", 1, true))
end)

test("what_is_a_samples_spreads_over_its_tokens_and_back_with_gradient", function()
  local slope = hone.step(function()
    local x = T({ 1, 2, 3 }):require_grad()
    local tokens = x:spread { 2, 0, 3 }
    equal(tokens:values(), { 1.0, 1.0, 3.0, 3.0, 3.0 })
    local back = (tokens * tokens):segment_mean(T { 2, 0, 3 })
    equal(back:values(), { 1.0, 0.0, 9.0 })
    back:sum():backward()
    return x:grad():values()
  end)
  all_near(T(slope), { 2, 0, 6 }, 1e-5)
  assert(fails(T.spread, T { 1, 2 }, { 1 }):find("1 lengths for 2 rows", 1, true))
  assert(fails(T.spread, T { 1 }, { 1.5 }):find("length 1 is 1.5", 1, true))
  assert(fails(T.segment_sum, T { 1, 2 }, { 1 }):find("the lengths add up to 1 (allowed: 2", 1, true))
end)

test("results_live_beyond_the_step", function()
  local kept = hone.step(function() return T.group_differs(T { 1, 2 } * 1, 2) end)
  equal(kept:values(), { 1.0, 1.0 })
end)

-- ---- samples and batches ----

local function answers()
  local samples = core.samples_new()
  for _, response in ipairs { { 3, 7, 12, 9 }, { 4 }, { 8, 8 } } do
    samples:add { tokens = { 1, 5, 20, table.unpack(response) }, prompt_tokens = 3, finish = "stop",
                  logp = { table.unpack({ -1, -2, -3, -4 }, 1, #response) } }
  end
  samples:add { tokens = { 2, 6, 3, 9, 4 }, prompt_tokens = 2, logp = { -1, -2, -3 }, group = 1,
                own = { true, false, true }, finish = "length" }
  return samples
end

test("samples_know_their_own_tokens", function()
  local samples = answers()
  equal(samples[4].own, { true, false, true })
  equal(samples[1].own, nil)
  equal(samples:own_tokens(), 9)
  equal(samples:logp_tensor():values(), { -1.0, -2.0, -3.0, -4.0, -1.0, -1.0, -2.0, -1.0, -3.0 })
  equal(samples:lengths_tensor():values(), { 4.0, 1.0, 2.0, 2.0 })
  equal(samples:truncated():values(), { 0.0, 0.0, 0.0, 1.0 })
  assert(fails(samples.add, samples, { tokens = { 1, 2 }, prompt_tokens = 1, own = { 1 } })
    :find("mark 1 is a number (allowed: true and false)", 1, true))
  assert(fails(samples.add, samples, { tokens = { 1, 2 }, prompt_tokens = 1, own = {} })
    :find("0 marks for 1 response tokens", 1, true))
end)

test("a_batch_of_samples_shares_prompts_and_gives_the_same", function()
  local samples = answers()
  local order = { 2, 4, 1, 3 }
  local shared, unshared = core.rollout_batch(samples, order), core.rollout_batch(samples, order, { share = false })
  equal(shared:lengths(), { 3, 1, 5, 4, 2 })
  equal(unshared:lengths(), { 4, 5, 7, 5 })
  equal(shared.outputs, 9)
  for _, name in ipairs { "llama", "gpt2" } do
    local model = hone.model.load(s.file("parity/models/" .. name)):attach(hone.strategy.full {})
    local function learn(batch)
      return hone.step(function()
        local logp, entropy = model:logp(batch, { temperature = 0.7, entropy = true })
        local loss = logp + 0.1 * entropy
        loss:sum():backward()
        local all = logp:values()
        for _, parameter in ipairs(model:trainables()) do
          local grad = parameter.value:grad():values()
          table.move(grad, 1, #grad, #all + 1, all)
          parameter.value:clear_grad()
        end
        return all
      end)
    end
    assert(s.deviation(learn(shared), learn(unshared)) < 1e-5, name)
  end
  assert(fails(core.rollout_batch, samples, { 5 }):find("sample 5 (allowed: 1 to 4)", 1, true))
  assert(fails(core.rollout_batch, samples, { 0 }):find("sample 0 (allowed: 1 to 4)", 1, true))
end)

test("batches_branch_from_segments_counted_from_one", function()
  local batch = hone.batch():add({ 1, 2, 3 }, 0):branch(1, { 4, 5 }):branch(1, { 6 }, { 2 }):add_end { 7, 8 }
  equal(batch:lengths(), { 3, 2, 1, 2 })
  equal(batch.outputs, 4)
  equal(batch.weight, 4.0)
  equal(batch:not_finite(T { 0, 0 / 0, 1 / 0, 1 }), { 2, 3 })
  local model = hone.model.load(s.file "parity/models/llama")
  equal(model:hidden(batch).shape, { 4, model.width })
  assert(fails(batch.branch, batch, 5, { 1 }):find("segment 5 (allowed: 1 to 4)", 1, true))
  assert(fails(batch.branch, batch, 1, { 1 }, { 1, 2 }):find("2 weights for 1 tokens", 1, true))
end)

-- S0: at step 0 the log ratio of sampling and learning is 0 but for rounding, prompts shared or not.
test("learning_sees_the_log_probabilities_of_sampling", function()
  for _, name in ipairs { "llama", "gpt2", "mistral" } do
    local model = hone.model.load(s.file("parity/models/" .. name))
    local samples = model:generate { prompts = { { 1, 5, 20, 7 }, { 2, 9 } }, samples = 3, temperature = 0.8,
                                     max_tokens = 9, seed = 4, ignore_eos = true }
    local sampled = samples:logp_tensor():values()
    equal(#sampled, 54)
    for _, share in ipairs { true, false } do
      local batch = core.rollout_batch(samples, { 1, 2, 3, 4, 5, 6 }, { share = share })
      local seen = model:logp(batch, { temperature = 0.8 }):values()
      for i, value in ipairs(seen) do near(value, sampled[i], 1e-4) end
    end
  end
end)
