-- Tensors in Lua: operators, steps, errors, and what the collector knows of them.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near, fails = s.test, s.equal, s.near, s.fails
local hone = require "hone"
local T = hone.tensor

-- Gradient of f at the numbers, by backward and by differences.
local function gradients(f, numbers)
  local exact = hone.step(function()
    local x = T(numbers):require_grad()
    f(x):sum():backward()
    return x:grad():values()
  end)
  local h, slopes = 1e-2, {}
  for i = 1, #numbers do
    local function at(d)
      local moved = { table.unpack(numbers) }
      moved[i] = moved[i] + d
      return f(T(moved)):sum():item()
    end
    slopes[i] = (at(h) - at(-h)) / (2 * h)
  end
  return exact, slopes
end

test("operators_take_tensors_and_numbers_on_either_side", function()
  local a, b = T { 1, 2, 4 }, T { 2, 2, 2 }
  equal((a + b):values(), { 3.0, 4.0, 6.0 })
  equal((1 - a):values(), { 0.0, -1.0, -3.0 })
  equal((a - 1):values(), { 0.0, 1.0, 3.0 })
  equal((2 * a / b):values(), { 1.0, 2.0, 4.0 })
  equal((8 / a):values(), { 8.0, 4.0, 2.0 })
  equal((-a):values(), { -1.0, -2.0, -4.0 })
  equal((a ^ 2):values(), { 1.0, 4.0, 16.0 })
  equal(T.min(a, 2):values(), { 1.0, 2.0, 2.0 })
  equal(a:gt(b):values(), { 0.0, 0.0, 1.0 })
end)

test("shapes_rows_columns_and_slices_count_from_one", function()
  local a = T { { 1, 2, 3 }, { 4, 5, 6 } }
  equal(a.shape, { 2, 3 })
  equal(#a, 2)
  equal(a:slice(2):values(), { 4.0, 5.0, 6.0 })
  equal(a:columns(2, 3):values(), { 2.0, 3.0, 5.0, 6.0 })
  equal(a:rows({ 2, 2, 1 }).shape, { 3, 3 })
  equal(a:pick({ 0, 2 }):values(), { 1.0, 6.0 })
  equal(a:reshape(3, -1).shape, { 3, 2 })
  equal(a:sum_last():values(), { 6.0, 15.0 })
  equal(T({ 1, 2, 3, 4 }):segment_sum({ 1, 0, 3 }):values(), { 1.0, 0.0, 9.0 })
  equal(T.concat({ T { 1 }, T { 2, 3 } }):values(), { 1.0, 2.0, 3.0 })
end)

test("gradients_agree_with_differences", function()
  for name, f in pairs {
    product = function(x) return x * x * 0.5 + 3 * x end,
    quotient = function(x) return 2 / x end,
    log_sigmoid = function(x) return -T.log_sigmoid(0.5 * x - 1) end,
    exp_clamp = function(x) return x:exp():clamp(0, 100) end,
    softmax = function(x) return x:log_softmax():slice(1, 1) end,
    min = function(x) return T.min(x * 2, x + 1) end,
  } do
    local exact, slopes = gradients(f, { 0.7, 1.6, 2.3 })
    assert(s.deviation(exact, slopes) < 2e-3, name)
  end
end)

test("a_handle_of_an_ended_step_raises_and_a_detached_one_lives_on", function()
  local kept, lost
  hone.step(function()
    local x = T({ 1, 2 }):require_grad()
    lost = x * 3
    kept = lost:detach()
  end)
  equal(kept:values(), { 3.0, 6.0 })
  s.golden("lua-tensor-step-over", fails(function() return lost:item() end))
  equal(tostring(lost), "tensor of a step that is over")
end)

test("an_error_in_a_step_ends_it_and_the_next_one_works", function()
  s.golden("lua-tensor-shapes", fails(hone.step, function() return T { 1, 2 } + T { 1, 2, 3 } end))
  equal(hone.step(function() return (T { 1 } + 1):item() end), 2.0)
  s.golden("lua-tensor-item", fails(function() return T({ 1, 2 }):item() end))
  s.golden("lua-tensor-nested-step", fails(hone.step, function() hone.step(function() end) end))
  s.golden("lua-tensor-backward-outside", fails(function() T({ 1 }):sum():backward() end))
  equal((T { 1 } + 1):item(), 2.0)
end)

test("ragged_tables_and_texts_make_no_tensor", function()
  s.golden("lua-tensor-ragged", fails(function() return T { { 1, 2 }, { 3 } } end))
  s.golden("lua-tensor-text", fails(function() return T { 1, "x" } end))
  s.golden("lua-tensor-dtype", fails(function() return T({ 1 }, "f31") end))
end)

test("twenty_thousand_temporaries_of_a_megabyte_take_less_than_a_gigabyte", function()
  local a = T.zeros { 1 << 18 }
  for _ = 1, 20000 do a:affine(1, 0) end
  local peak = tonumber(s.read("/proc/self/status"):match("VmHWM:%s*(%d+)"))
  assert(peak < (1 << 20), ("peak %d KB"):format(peak))
end)

test("any_function_of_logits_has_the_gradient_of_the_built_in_loss", function()
  local function run(loss)
    local model = hone.model.load(s.file "parity/models/llama"):attach(hone.strategy.full {})
    local batch = hone.batch():add({ 26, 3, 45, 51, 48 })
    return hone.step(function()
      local value = loss(model, model:hidden(batch), batch)
      value:backward()
      return value:item(), model:trainables()[1].value:grad():values()
    end)
  end
  local one, expected = run(function(model, hidden, batch) return (model:cross_entropy(hidden,
    batch)) end)
  local targets = { 3, 45, 51, 48 }
  local two, seen = run(function(model, hidden)
    return -model:over_logits(hidden, function(logits, first)
      local ids = { table.unpack(targets, first, first + #logits - 1) }
      return logits:log_softmax():pick(ids)
    end):sum()
  end)
  near(two, one, 1e-5)
  assert(s.deviation(seen, expected) < 1e-5)
  local three = run(function(model, _, batch) return -model:logp(batch):sum() end)
  near(three, one, 1e-5)
end)
