-- Rewards: parts that score, what does not apply, fails or hangs, normalising, gates, state.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near, fails = s.test, s.equal, s.near, s.fails
local hone = require "hone"
local core = require "hone.core"

local texts = { "a", "bbb", "", "dd" }
local function samples_of(list)
  local out = {}
  for i, text in ipairs(list) do out[i] = { prompt = "p", response = text, row = { n = i } } end
  return hone.samples(out)
end
local samples = samples_of(texts)

local function chars(x) return #x.response end
local function nan(x) return x ~= x end
-- NaN as "nan", so that lists compare.
local function list(t)
  local out = t:values()
  for i, x in ipairs(out) do out[i] = nan(x) and "nan" or x end
  return out
end

test("anything_that_scores_is_a_reward", function()
  local length = hone.metric.length { unit = "chars" }
  equal(list((hone.reward.of(length)(samples))), { 1.0, 3.0, 0.0, 2.0 })
  equal(list((hone.reward.of(chars)(samples))), { 1.0, 3.0, 0.0, 2.0 })
  equal(list((hone.reward.of { { length, weight = 2 }, { chars, weight = -1 } }(samples))),
        { 1.0, 3.0, 0.0, 2.0 })
  local model = setmetatable({}, { __name = "hone.reward_model", __call = function(_, all)
    return hone.tensor { 0.5, 1.5, 2.5, #all }, { tone = hone.tensor { 1, 2, 0 / 0, 3 } }
  end })
  local reward = hone.reward.of(model)
  equal(list((reward(samples))), { 0.5, 1.5, 2.5, 4.0 })
  equal(hone.reward.of(reward), reward)
  equal(select(2, reward { samples = samples })[1].name, "reward_model")
  equal(select(2, reward(samples))[1].summary.heads.tone.mean, 2.0)
  equal(list((hone.reward { { reward, weight = 2, name = "twice" }, chars }(samples))),
        { 2.0, 6.0, 5.0, 10.0 })
end)

test("components_have_values_figures_and_failures_with_their_sample", function()
  local reward = hone.reward { { chars, weight = 2, name = "chars" },
    { function(x)
        if x.n == 2 then error "no judge today" end
        if x.n == 3 then return nil end
        return { score = x.n, heads = { half = x.n / 2 } }
      end, name = "row" } }
  local values, components = reward(samples)
  equal(list(values), { 3.0, "nan", "nan", 8.0 })
  equal(list(components[2].values), { 1.0, "nan", "nan", 4.0 })
  equal({ components[1].name, components[1].weight, #components[1].failures }, { "chars", 2, 0 })
  equal({ components[2].summary.na, components[2].summary.failed }, { 1, 1 })
  equal(components[2].failures[1].sample, 2)
  assert(components[2].failures[1].message:find("no judge today", 1, true))
  equal({ components.total.na, components.total.failed, components.total.numbers }, { 1, 1, 2 })
  local curves = hone.reward.curves(components)
  equal({ curves.reward, curves["row/half"], curves["row/failed"], curves["reward/na"] },
        { 5.5, 1.25, 1, 1 })
end)

test("what_does_not_apply_is_left_out_or_zero_or_rescaled", function()
  local function some(x) if x.n > 1 then return 10 end end
  local function none(x) if x.n > 2 then return 1 end end
  local function of(na)
    return list((hone.reward { na = na, { some, weight = 3 }, { none, weight = 1 } }(samples)))
  end
  equal(of "skip", { "nan", "nan", 31.0, 31.0 })
  equal(of "zero", { "nan", 30.0, 31.0, 31.0 })
  equal(of "rescale", { "nan", 40.0, 31.0, 31.0 })
end)

test("gates_decide_and_clips_cut", function()
  local reward = hone.reward { clip = { 0, 2.5 }, { chars, name = "chars", clip = { 1, 9 } },
    { function(x) return x.n end, gate = { floor = 2, reward = -3 }, name = "first" } }
  local values, components = reward(samples)
  equal(list(values), { -3.0, 2.5, 1.0, 2.0 })
  equal({ components.total.shut, components.total.clipped }, { 1, 1 })
  equal(list((hone.reward { chars, { chars, gate = 2, name = "g" } }(samples))),
        { 0.0, 3.0, 0.0, 2.0 })
  s.golden("lua-reward-gate", fails(hone.reward, { normalise = true, { chars, gate = 2 } }))
  s.golden("lua-reward-gate-form", fails(hone.reward, { { chars, gate = { floor = 2 } } }))
end)

test("normalising_is_by_all_samples_seen_before_or_after_the_sum", function()
  local sd = math.sqrt(5 / 3) -- of 1, 3, 0, 2
  local before = hone.reward { normalise = true, { chars, weight = 2, name = "a" },
                               { function() return 7 end, name = "b" } }
  for i, x in ipairs(list((before(samples)))) do near(x, 2 * (#texts[i] - 1.5) / sd, 1e-6) end
  local after = hone.reward { normalise = "after", { chars, weight = 2, name = "a" },
                              { function() return 7 end, name = "b" } }
  for i, x in ipairs(list((after(samples)))) do near(x, (#texts[i] - 1.5) / sd, 1e-6) end
  local later = list((before(samples_of { "eeeee", "" })))   -- 1, 3, 0, 2, 5, 0
  local mean, squares = 11 / 6, 0
  for _, x in ipairs { 1, 3, 0, 2, 5, 0 } do squares = squares + (x - mean) ^ 2 end
  near(later[1], 2 * (5 - mean) / math.sqrt(squares / 5), 1e-6)
  local again = list((before(samples_of { "eeeee", "" }, { learn = false })))
  equal(again, later)
end)

test("reference_samples_fix_mean_and_deviation", function()
  local reward = hone.reward { normalise = true, reference = samples, { chars, name = "a" } }
  near(reward(samples_of { "eeeee" }):item(), 3.5 / math.sqrt(5 / 3), 1e-6)
  near(reward(samples_of { "eeeee" }):item(), 3.5 / math.sqrt(5 / 3), 1e-6)
end)

test("scores_with_variance_are_shrunk_towards_their_mean", function()
  local reward = hone.reward { { function(x)
    return { score = #x.response, heads = { variance = x.n == 2 and 5 / 3 or 0 } }
  end, shrink = true, name = "a" } }
  local values = list((reward(samples)))
  near(values[2], 1.5 + 1.5 / 2, 1e-6)
  equal({ values[1], values[3] }, { 1.0, 0.0 })
end)

test("a_restored_state_goes_on_with_the_same_bits", function()
  local function make()
    return hone.reward { normalise = true, { chars, name = "a" },
      { hone.reward { normalise = "after", { function(x) return x.n ^ 0.5 end } }, name = "inner" } }
  end
  local one, two = make(), make()
  one(samples)
  two:restore(hone.json.decode(hone.json.encode(one:state())))
  local next_ = samples_of { "xyz", "q", "rrrrrrrr" }
  equal(list((two(next_))), list((one(next_))))
  s.golden("lua-reward-state", fails(two.restore, hone.reward { { chars, name = "b" } },
                                     one:state()))
end)

test("token_scores_are_summed_by_weight", function()
  local ids = { 1, 2, 3, 4 }
  local some = core.samples_new()
  some:add { prompt = "p", response = "ab", tokens = ids, prompt_tokens = 2 }
  some:add { prompt = "p", response = "abc", tokens = ids, prompt_tokens = 1 }
  local reward = hone.reward {
    { function(x) return { score = 1, tokens = x.prompt_tokens == 2 and { 1, 2 } or nil } end,
      weight = 2, name = "a" },
    { function(x) return { score = 1, tokens = x.prompt_tokens == 2 and { 5, false } or nil } end,
      name = "b" } }
  local _, components, tokens = reward(some)
  equal(list(tokens), list(components.tokens))
  equal(list(components.tokens), { 7.0, 4.0, "nan", "nan", "nan" })
  equal(list(components[2].tokens), { 5.0, "nan", "nan", "nan", "nan" })
end)

-- ---- bad input ----

-- Each sample's failure, by one function.
local function said(score, given)
  local made = { failures = "count", { score, name = "judge" } }
  for key, value in pairs(given or {}) do made[key] = value end
  local values, components = hone.reward(made)(samples)
  local lines = {}
  for _, f in ipairs(components[1].failures) do
    lines[#lines + 1] = ("sample %d: %s"):format(f.sample, f.message)
    assert(nan(values:get(f.sample)))
  end
  return table.concat(lines, "\n"), values
end

test("a_wrong_score_is_that_samples_failure_and_told", function()
  s.golden("lua-reward-nan", said(function(x) return x.n == 2 and 0 / 0 or 1 end))
  s.golden("lua-reward-infinite", said(function(x) return x.n == 2 and -1 / 0 or 1 end))
  s.golden("lua-reward-text", said(function(x) return x.n == 3 and "good" or 1 end))
  s.golden("lua-reward-table-text", said(function(x)
    return x.n == 3 and { score = "good" } or 1 end))
  s.golden("lua-reward-head", said(function(x)
    return x.n == 3 and { score = 1, heads = { a = "x" } } or 1 end))
  s.golden("lua-reward-tokens", said(function(x)
    return x.n == 3 and { score = 1, tokens = { 1, 2 } } or 1 end))
  s.golden("lua-reward-raise", said(function(x) return x.n == 4 and x.missing.field or 1 end))
  local text, values = said(function() return nil end)
  equal({ text, list(values) }, { "", { "nan", "nan", "nan", "nan" } })
end)

test("a_metric_that_is_wrong_as_a_whole_fails_every_sample", function()
  local few = hone.metric.define { name = "few", score_batch = function() return { 1, 2 } end }
  s.golden("lua-reward-count", said(few))
  local many = hone.metric.define { name = "many", score_batch = function()
    return { 1, 2, 3, 4, 5 } end }
  s.golden("lua-reward-many", said(many))
  local word = hone.metric.define { name = "word", score_batch = function() return "fine" end }
  s.golden("lua-reward-no-list", said(word))
  local function object_of(value)
    return setmetatable({}, { __call = function() return value end })
  end
  s.golden("lua-reward-tensor", said(object_of(hone.tensor { 1, 2, 3 })))
  s.golden("lua-reward-object", said(object_of("fine")))
  s.golden("lua-reward-tensor-nan", said(object_of(hone.tensor { 1, 0 / 0, 3, 4 })))
end)

test("a_metric_that_hangs_is_stopped_even_behind_pcall", function()
  s.golden("lua-reward-hang", said(function(x)
    if x.n == 2 then while true do pcall(function() while true do end end) end end
    return 1
  end, { timeout = 0.05 }))
  local batch = hone.metric.define { name = "endless", timeout = 0.05,
    score_batch = function() while true do end end }
  s.golden("lua-reward-hang-batch", said(batch))
  -- The time of a call is not that of those after it.
  local text = said(function(x)
    if x.n == 2 then while true do end end
    local sum = 0
    for i = 1, 30000 do sum = sum + i end
    return sum
  end, { timeout = 0.05 })
  equal(select(2, text:gsub("sample", "")), 1)
end)

test("failures_stop_where_that_is_asked", function()
  s.golden("lua-reward-stop", fails(hone.reward { failures = "stop", { function(x)
    return x.n == 3 and 0 / 0 or 1 end, name = "judge" } }, samples))
end)

test("rewards_that_cannot_be_are_refused", function()
  s.golden("lua-reward-empty", fails(hone.reward, {}))
  s.golden("lua-reward-option", fails(hone.reward, { normalize = true, { chars } }))
  s.golden("lua-reward-normalise", fails(hone.reward, { normalise = "batch", { chars } }))
  s.golden("lua-reward-part", fails(hone.reward, { { 3 } }))
  s.golden("lua-reward-part-option", fails(hone.reward, { { chars, wieght = 1 } }))
  s.golden("lua-reward-part-none", fails(hone.reward, { { weight = 1 } }))
  s.golden("lua-reward-clip", fails(hone.reward, { clip = { 2, 1 }, { chars } }))
  s.golden("lua-reward-twice", fails(hone.reward, { hone.metric.length {}, hone.metric.length {} }))
  s.golden("lua-reward-name", fails(hone.reward, { { chars, name = "reward" } }))
  s.golden("lua-reward-samples", fails(hone.reward { chars }, 3))
  s.golden("lua-reward-quality", fails(hone.reward.of, hone.quality.majority {}))
end)

if s.failed then os.exit(1, true) end
