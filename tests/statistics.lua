-- What a team reports, and what to ask next, from Lua.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near, fails = s.test, s.equal, s.near, s.fails
local hone = require "hone"

local function names(list, key)
  local out = {}
  for i, row in ipairs(list) do out[i] = row[key] end
  return out
end

-- ---- statistics ----

test("a_judge_narrows_what_people_say_and_cannot_bias_it", function()
  local people, judge, others = {}, {}, {}
  local r = hone.random(1, "ppi")
  for i = 1, 50 do
    people[i] = r:normal()
    judge[i] = people[i] + 0.3 * r:normal() + 5
  end
  for i = 1, 1000 do others[i] = r:normal() + 5 end
  local e = hone.statistics.mean { people = people, judge = judge, others = others }
  assert(e.se < 0.7 * e.people.se and e.interval[1] < 0 and e.interval[2] > 0 and e.lambda > 0.7)
  local alone = hone.statistics.mean { people = people, judge = judge, others = others, lambda = 0 }
  near(alone.value, alone.people.value, 1e-12)
  local x, others_x = {}, {}
  for i = 1, 50 do x[i] = { 1, i / 50 } end
  for i = 1, 1000 do others_x[i] = { 1, i / 1000 } end
  local b = hone.statistics.regression { people = people, judge = judge, others = others, x = x, others_x = others_x }
  equal({ #b, #b.people }, { 2, 2 })
  s.golden("statistics-lists", fails(hone.statistics.mean, { people = people, judge = { 1 }, others = others }))
  s.golden("statistics-missing", fails(hone.statistics.mean, { people = people, judge = judge }))
end)

test("win_rates_at_equal_length", function()
  local scores, lengths, clusters = {}, {}, {}
  local r = hone.random(2, "length")
  for i = 1, 400 do
    lengths[i] = 100 * r:normal() + 80
    scores[i] = r:uniform() < 1 / (1 + math.exp(-2 * math.tanh(lengths[i] / 100))) and 1 or 0
    clusters[i] = "prompt " .. i % 100
  end
  local rate = hone.statistics.win_rate { scores = scores, lengths = lengths, clusters = clusters }
  assert(rate.raw.value > 0.6 and rate.p < 1e-6)
  assert(rate.controlled.interval[1] < 0.5 and rate.controlled.interval[2] > 0.5)
  s.golden("statistics-win-rate", fails(hone.statistics.win_rate, { scores = { 2 }, lengths = { 1 } }))
end)

test("power_by_what_is_given", function()
  equal(hone.statistics.power { win_rate = 0.6 }, { items = 194, judgements = 194 })
  near(hone.statistics.power { win_rate = 0.6, items = 194 }.power, 0.8, 1e-3)
  near(hone.statistics.power { items = 194 }.win_rate, 0.6, 1e-3)
  equal(hone.statistics.power { items = 2 }.win_rate, nil)
  assert(hone.statistics.power { win_rate = 0.6, agreement = 0.7 }.items > 400)
  s.golden("statistics-power", fails(hone.statistics.power, {}))
end)

test("when_to_stop", function()
  local t, verdict = hone.statistics.sprt { expected = 0.85, suspected = 0.65 }
  near(t.miss, 0.847, 5e-4)
  for _ = 1, 4 do verdict = t:add(false) end
  equal(verdict, "suspected")
  near(hone.statistics.better { wins = 3, losses = 0 }, 0.9375, 1e-12)
  near(hone.statistics.evalue { successes = 5, trials = 5 }, 32 / 6, 1e-9)
end)

local function board()
  local j = hone.judgements { level = "pair" }
  local wins = { { 0, 7, 5, 9 }, { 3, 0, 6, 8 }, { 5, 4, 0, 7 }, { 1, 2, 3, 0 } }
  for a, row in ipairs(wins) do
    for b, n in ipairs(row) do
      for k = 1, n do j:add_pair(("%d%d%d"):format(a, b, k), "ann", "m" .. a, "m" .. b, "left") end
    end
  end
  return j:aggregate(hone.quality.bradley_terry {})
end

test("a_leaderboard_says_which_ranks_cannot_be_told_apart", function()
  local rows = hone.statistics.leaderboard(board())
  equal(names(rows, "name"), { "m1", "m2", "m3", "m4" })
  near(math.exp(rows[1].strength - rows[2].strength), .42031985 / .26698714, 1e-6)
  assert(rows[1].rank_low == 1 and rows[1].rank_high > 1 and rows[4].rank_high == 4)
  s.golden("statistics-leaderboard", tostring(rows))
end)

-- ---- select ----

local function labelled()
  local j = hone.judgements { level = "nominal" }
  for i = 1, 12 do
    for k, who in ipairs { "ann", "bob", "cid" } do
      local other = i > 10 and k == 3
      j:add("q" .. i, who, (i % 2 == 0) ~= other and "yes" or "no")
      j:describe_annotator(who, { region = k == 3 and "south" or "north" })
    end
  end
  return j
end

test("the_items_that_labels_are_least_sure_of_are_asked_next", function()
  local labels = labelled():aggregate(hone.quality.majority {})
  local next_up = hone.select.top { from = labels, by = hone.select.uncertainty {}, limit = 2 }
  equal(names(next_up, "item"), { "q11", "q12" })
  local informed = hone.select.top { from = labels, by = hone.select.information { skill = 0.9 }, limit = 2 }
  equal(names(informed, "item"), { "q11", "q12" })
  equal(#hone.select.top { from = labels, by = hone.select.uncertainty { by = "margin" }, limit = 5, budget = 1 }, 1)
  local costly = hone.select.per_cost { by = hone.select.uncertainty {},
    cost = function(row) return row.name == "q11" and 10 or 1 end }
  equal(hone.select.top { from = labels, by = costly, limit = 1 }[1].item, "q12")
end)

test("pairs_of_samples_that_a_metric_cannot_tell_apart", function()
  local samples = hone.samples {
    { prompt = "p", response = "a" }, { prompt = "p", response = "a b c d e f g h" }, { prompt = "p", response = "a b" },
    { prompt = "q", response = "x" }, { prompt = "q", response = "x" }, { prompt = "q", response = "x y z" } }
  local words = hone.metric.define { name = "words", version = "1.0.0", scale = { level = "ratio", min = 0 },
    score = function(sample) return select(2, sample.response:gsub("%S+", "")) end }
  local by = hone.select.uncertainty { metric = words }
  local pairs = samples:pair { by = by }
  equal(#pairs, 5) -- the two equal responses are no pair
  equal({ pairs[1].prompt, pairs[1].left.response, pairs[1].right.response }, { "p", "a", "a b" })
  equal(#samples:pair { by = by, per_prompt = 1, limit = 9 }, 2)
  equal(#samples:pair { limit = 2 }, 2)
  local letters = hone.metric.define { name = "letters", version = "1.0.0", scale = { level = "interval" },
    score = function(sample) return -#sample.response end }
  local first = samples:pair { by = hone.select.disagreement { metrics = { words, letters } }, limit = 1 }[1]
  equal({ first.left.response, first.right.response }, { "a", "a b c d e f g h" })
  s.golden("select-metric", fails(samples.pair, samples, { by = hone.select.uncertainty {} }))
end)

test("options_whose_order_is_open_are_compared_next", function()
  local by = hone.select.information { strengths = board() }
  local scores = by:scores { { left = "m1", right = "m2" }, { left = "m1", right = "m4" }, { left = "m2", right = "m3" } }
  assert(scores[3] > scores[2] and scores[1] > scores[2])
  s.golden("select-option", fails(by.scores, by, { { left = "m1", right = "m9" } }))
end)

test("different_candidates_are_chosen_together", function()
  local labels = labelled():aggregate(hone.quality.majority {})
  local places = {}
  for i = 1, 12 do places[i] = { i <= 10 and 0 or 1, i == 12 and 5 or 0 } end
  local chosen = hone.select.top { from = labels, by = hone.select.uncertainty {}, limit = 2, embeddings = places }
  assert(chosen[1].index ~= chosen[2].index)
  equal((hone.select.centres({ { 0 }, { 1 }, { 10 } }, 2))[2], 3)
end)

test("annotators_are_asked_what_they_have_not_answered", function()
  local j = labelled()
  j:add("q13", "ann", "yes")
  local labels = j:aggregate(hone.quality.majority {})
  local asked = hone.select.assign { labels = labels, capacity = { bob = 1 }, per_item = 2 }
  for _, a in ipairs(asked) do equal({ a.item, a.annotator }, { "q13", "bob" }) end
  s.golden("select-assign", fails(hone.select.assign, { labels = labels }))
end)

test("the_group_to_recruit", function()
  local j = labelled()
  for i = 1, 12 do j:add("q" .. i, "dan", i <= 9 and "yes" or "no") end
  j:describe_annotator("dan", { region = "south" })
  local list = hone.select.recruit { judgements = j, attribute = "region", target = { north = 0.2, south = 0.5, west = 0.3 } }
  equal({ list[1].group, list[1].gain, list[1].members }, { "west", math.huge, 0 })
  equal(list.without_group, 0)
  equal(#list, 3)
end)

if s.failed then os.exit(1, true) end
