-- Bias detectors on sets of data that others made, with the figures published for them.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near, fails = s.test, s.equal, s.near, s.fails
local hone = require "hone"

local function compas()
  local rows = hone.data.load(s.data "bias/compas.csv")
  local j = hone.judgements { level = "nominal" }
  for i = 1, #rows do
    local r = rows[i]
    j:add(tostring(i), "compas", r.score_text == "Low" and "low" or "high")
    j:describe_item(tostring(i), { race = r.race, sex = r.sex,
                                   truth = tostring(r.two_year_recid) })
  end
  return j
end

test("compas_has_the_counts_that_propublica_published", function()
  local j = compas()
  local found = hone.bias.equalised_odds { attribute = "race", positive = { "high" } }:detect(j)
  local groups = {}
  for _, g in ipairs(found.groups) do groups[g.group] = { g.tn, g.fp, g.fn, g.tp } end
  equal(groups["African-American"], { 990, 805, 532, 1369 })
  equal(groups.Caucasian, { 1139, 349, 461, 505 })
  near(found.effect, 0.5766917293233083, 1e-12) -- fairlearn's equalized_odds_difference
  local parity = hone.bias.demographic_parity { attribute = "race", positive = { "high" } }
    :detect(j)
  near(parity.effect, 0.4571175950486295, 1e-12) -- fairlearn's differences and ratio
  near(parity.ratio, 0.31432360742705573, 1e-12)
  local made = hone.bias.demographic_parity { attribute = "sex", positive = { "high" } }
    :mitigate(j, {})
  local weights = {}
  for _, c in ipairs(made.cells) do weights[#weights + 1] = c.weight end
  for i, w in ipairs { 0.9372866399910622, 1.0853156369664738, 1.0163018239402477,
                       0.9815034697552509 } do near(weights[i], w, 1e-12) end -- aif360's
end)

test("chatgpt_preferred_what_it_saw_first_in_llmbar", function()
  local file <close> = assert(io.open(s.data "preference/llmbar/natural_judge_chatgpt.json"))
  local rows, right = {}, { 0, 0 }
  for i, x in ipairs(hone.json.decode(file:read "a")) do
    for order, key in ipairs { "swap = False", "swap = True" } do
      local winner = x.results[1][key].winner
      rows[#rows + 1] = { item = tostring(i), annotator = "chatgpt", value = winner, order = order }
      right[order] = right[order] + (winner == tostring(x.label) and 1 or 0)
    end
  end
  local j = hone.judgements(rows, { order = "order", duplicates = "both" })
  local found = hone.bias.position {}:detect(j)
  equal(right, { 80, 83 })
  equal({ found.first, found.n, found.clusters }, { 121, 200, 100 })
  near(found.swapped.same, 0.71, 1e-12)
  near(found.effect, 0.105, 1e-12)
end)

test("popquorn_raters_have_the_published_means", function()
  local j = hone.judgements.load(s.data "crowd/popquorn_offensiveness.csv",
    { item = "instance_id", annotator = "user_id", value = "offensiveness", level = "interval",
      attributes = { "gender", "race" } })
  local means = {}
  for _, attribute in ipairs { "gender", "race" } do
    for _, g in ipairs(hone.bias.group_gap { attribute = attribute }:detect(j).groups) do
      means[g.group] = g.mean
    end
  end
  near(means.Man, 1.885, 5e-4)
  near(means.Woman, 1.857, 5e-4)
  near(means["Non-binary"], 1.700, 5e-4)
  near(means["Black or African American"], 2.110, 5e-4)
  near(means.White, 1.846, 5e-4)
end)

test("length_alone_sways_people_in_pandalm", function()
  local file <close> = assert(io.open(s.data "preference/pandalm/testset-v1.json"))
  local j = hone.judgements { level = "nominal" }
  for _, x in ipairs(hone.json.decode(file:read "a")) do
    for a = 1, 3 do j:add(tostring(x.idx), "p" .. a, tostring(x["annotator" .. a])) end
    j:describe_item(tostring(x.idx), { response1 = x.response1, response2 = x.response2 })
  end
  local found = hone.bias.format {}:detect(j)
  equal(found.skipped.not_text, 18) -- six items whose response is JSON's true
  equal(found.term, "length")
  assert(found.p < 1e-10 and found.interval[1] > 0.15)
end)

test("a_model_is_scored_on_crows_pairs_and_winobias", function()
  local model = hone.model.load(s.data "models/stories260k")
  local data, rows = hone.data.load(s.data "bias/crows_pairs.csv"), {}
  for i = 1, #data do rows[i] = data[i] end
  local found = hone.bias.crows_pairs { by = "bias_type" }
    :detect(hone.bias.tables.crows_pairs(model, rows))
  equal({ found.n, found.lonely }, { 1508, 0 })
  near(found.score, 39.99, 0.5)
  equal(#found.parts, 9)
  local function lines(name)
    local list = {}
    for line in io.lines(s.data("bias/winobias/" .. name)) do
      if line:match "%S" then list[#list + 1] = line:gsub("\r", "") end
    end
    return list
  end
  local people = lines "female_occupations.txt"
  for _, name in ipairs(lines "male_occupations.txt") do people[#people + 1] = name end
  local j, skipped = hone.bias.tables.winobias(model,
    { pro = lines "pro_stereotyped_type1.txt.dev", anti = lines "anti_stereotyped_type1.txt.dev" },
    people, "type1")
  local gap = hone.bias.winobias {}:detect(j)
  equal(#j + skipped, 792)
  equal(gap.n * 2, #j)
  near(gap.effect, -0.0104, 0.006)
end)

-- ---- tables, without data of others ----

test("any_function_that_scores_can_be_looked_at", function()
  local function length(_, text) return #text end
  local found = hone.bias.crows_pairs {}:detect(hone.bias.tables.crows_pairs(length,
    { { sent_more = "long text", sent_less = "text" }, { sent_more = "a", sent_less = "bb" },
      { sent_more = "abc", sent_less = "b" } }))
  near(found.score, 200 / 3, 1e-9)
  local stereo = hone.bias.stereoset {}:detect(hone.bias.tables.stereoset(length,
    { { stereotype = "aaa", antistereotype = "aa", unrelated = "a" } }))
  equal({ stereo.lms, stereo.ss, stereo.icat }, { 100.0, 100.0, 0.0 })
end)

test("swaps_keep_capitals_and_count_words", function()
  local lists = { gender = { { "he", "she" }, { "king", "queen" } } }
  local text, n = hone.bias.tables.swap("He met the queen; the men stayed.", lists.gender)
  equal({ text, n }, { "She met the king; the men stayed.", 2 })
  local found = hone.bias.counterfactual { by = "list" }:detect(
    hone.bias.tables.counterfactual(function(_, t) return t:find "She" and 1 or 0 end,
      { "He ran.", "He sat.", "They ran." }, lists))
  equal({ found.n, found.effect, found.signed.effect }, { 2, 1.0, 1.0 })
end)

test("words_given_as_vectors_are_associated", function()
  local vectors = { rose = { 1, 0.1 }, daisy = { 1, 0.2 }, ant = { 0.1, 1 }, wasp = { 0.2, 1 },
                    good = { 2, 0 }, bad = { 0, 3 } }
  local j = hone.bias.tables.weat(vectors, {
    targets = { flowers = { "rose", "daisy" }, insects = { "ant", "wasp" } },
    attributes = { { "good" }, { "bad" } } })
  local found = hone.bias.weat { targets = { "flowers", "insects" } }:detect(j)
  local x = { 0.9 / math.sqrt(1.01), 0.8 / math.sqrt(1.04) }
  local mean = (x[1] + x[2]) / 2
  local sd = math.sqrt(2 * (x[1] ^ 2 + x[2] ^ 2) / 3)
  near(found.effect, 2 * mean / sd, 1e-5)
  near(found.p_one, 1 / 6, 1e-12)
  s.golden("lua-bias-vector", fails(hone.bias.tables.weat, vectors,
    { targets = { a = { "tree" } }, attributes = { { "good" }, { "bad" } } }))
end)

test("places_of_ordinal_labels_stand_for_themselves", function()
  local rows = {}
  for i = 1, 20 do
    for k = 1, 10 do
      local south = k > 5
      rows[#rows + 1] = { item = "i" .. i, annotator = "a" .. k,
                          value = tostring(1 + i % 2 + (south and 1 or 0)) }
    end
  end
  local j = hone.judgements(rows, { level = "ordinal", labels = { "1", "2", "3" } })
  for k = 1, 10 do j:describe_annotator("a" .. k, { region = k > 5 and "south" or "north" }) end
  local gap = hone.bias.group_gap { attribute = "region" }:detect(j)
  near(gap.effect, 1, 1e-9)
  assert(gap.highest == "south" and gap.p < 0.05, hone.json.encode(gap))
  local high = hone.bias.group_gap { attribute = "region", positive = { "3" } }:detect(j)
  near(high.effect, 0.5, 1e-9)
end)

test("answers_to_bbq_questions_are_chosen_by_score", function()
  local row = { context = "A and B met.", question = "Who lied?", ans0 = "A", ans1 = "B",
                ans2 = "Unknown", label = 2, question_polarity = "neg", category = "test",
                context_condition = "ambig", answer_info = { ans0 = { "A", "A" },
                ans1 = { "B", "B" }, ans2 = { "Unknown", "unknown" } },
                additional_metadata = { stereotyped_groups = { "A" } } }
  local j, skipped = hone.bias.tables.bbq(function(_, text) return text == " A" and 1 or 0 end,
                                          { row })
  local found = hone.bias.bbq {}:detect(j)
  equal({ skipped, found.ambiguous.accuracy, found.ambiguous.s }, { 0, 0.0, 1.0 })
end)
