-- Reward models: losses against values worked out by hand, what they learn, what they are
-- used for, what they refuse.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near = s.test, s.equal, s.near
local hone = require "hone"
local T = hone.tensor
local figures = require "hone.reward_model.figures"
local losses = require "hone.reward_model.losses"

local config = { model_type = "llama", hidden_size = 16, num_hidden_layers = 1,
  num_attention_heads = 2, intermediate_size = 24, vocab_size = 258,
  max_position_embeddings = 64, rms_norm_eps = 1e-5, tie_word_embeddings = true }

local function new_model(seed)
  return hone.model.new(config, { seed = seed or 1 }):set_tokenizer(hone.tokenizer.byte {})
end

-- What a function must raise is kept.
local function fails(name, fn) s.golden("lua-" .. name, s.fails(fn)) end

local function part_of(items)
  return { items = items, set = { data = { where = function(_, i) return "row " .. i end } } }
end

local function values(objective, items, scores, extra)
  return hone.step({ record = false }, function()
    return (objective.values(part_of(items), T(scores), extra and T(extra))):values()
  end)
end

local function sigmoid(x) return 1 / (1 + math.exp(-x)) end

-- ---- losses ----

test("bradley_terry_is_its_formula", function()
  local o = { margin_scale = 0.5, centre = 0.01 }
  local got = values(losses.bradley_terry(o), {
    { noise = 0, margin = 0 }, { noise = 0.2, margin = 3 } }, { 1.0, 0.25, -1, 0.5 })
  near(got[1], -math.log(sigmoid(0.75)) + 0.01 * 1.25 ^ 2, 1e-6)
  near(got[2], -0.8 * math.log(sigmoid(-1.5 - 1.5)) - 0.2 * math.log(sigmoid(1.5 - 1.5)) +
    0.01 * 0.25, 1e-6)
end)

test("davidson_s_three_outcomes_sum_to_one", function()
  local objective = losses.davidson { centre = 0 }
  for _, t in ipairs { -1, 0, 0.7 } do
    local scores = { 1.2, 0.5, 0.5, 1.2, 1.2, 0.5 }
    local got = values(objective, { { noise = 0 }, { noise = 0 }, { tie = true, noise = 0.5 } },
                       scores, { t })
    near(math.exp(-got[1]) + math.exp(-got[2]) + math.exp(-got[3]), 1, 1e-6)
    near(math.exp(-got[3]) / math.sqrt(math.exp(-got[1] - got[2])), math.exp(t), 1e-5)
    near(got[2] - got[1], 0.7, 1e-6)
  end
end)

local function ordinal(items, metrics)
  return losses.ordinal({ metrics = metrics }, { items = items })
end

test("ordinal_levels_have_the_probabilities_between_cut_points", function()
  local items = {}
  for i, y in ipairs { 1, 2, 4 } do
    items[i] = { seen = { { metric = 1, value = y, share = 1 } } }
  end
  local objective = ordinal(items, { "a" })
  equal(objective.levels, { { 1, 2, 4 } })
  -- Scores of 0: each level has its share of the data.
  local got = values(objective, items, { 0, 0, 0 }, objective.start)
  for i = 1, 3 do near(got[i], math.log(3), 1e-5) end
  local raw = { -0.4, math.log(1.5) } -- cut points -0.4 and 1.1
  got = values(objective, items, { 0.3, 0.3, 0.3 }, raw)
  near(math.exp(-got[1]), sigmoid(-0.7), 1e-6)
  near(math.exp(-got[2]), sigmoid(0.8) - sigmoid(-0.7), 1e-6)
  near(math.exp(-got[3]), 1 - sigmoid(0.8), 1e-6)
end)

test("ordinal_metrics_have_their_own_cut_points_and_missing_ratings_are_left_out", function()
  local items = {
    { seen = { { metric = 1, value = 1, share = 0.5 }, { metric = 2, value = 5, share = 0.5 } } },
    { seen = { { metric = 2, value = 3, share = 1 } } },
    { seen = { { metric = 1, value = 2, share = 1 } } } }
  local objective = ordinal(items, { "a", "b" })
  local got = values(objective, items, { { 0.2, 9 }, { 9, -0.1 }, { 1, 9 } }, { 0.5, -1 })
  near(got[1], -0.5 * math.log(sigmoid(0.5 - 0.2)) - 0.5 * math.log(sigmoid(9 + 1)), 1e-5)
  near(got[2], -math.log(sigmoid(-1 + 0.1)), 1e-5)
  near(got[3], -math.log(sigmoid(1 - 0.5)), 1e-5)
end)

test("soft_labels_are_expected_losses", function()
  local items = { { seen = { { metric = 1, value = 1, share = 0.25 },
                             { metric = 1, value = 2, share = 0.75 } } } }
  local got = values(ordinal(items, { "a" }), items, { 0.4 }, { 0.1 })
  near(got[1], -0.25 * math.log(sigmoid(-0.3)) - 0.75 * math.log(sigmoid(0.3)), 1e-6)
  items[1].seen[1].value, items[1].seen[2].value = "no", "yes"
  got = values(losses.classification { classes = { "no", "yes" } }, items, { { 0.2, 1 } })
  near(got[1], -0.25 * math.log(sigmoid(-0.8)) - 0.75 * math.log(sigmoid(0.8)), 1e-6)
end)

test("regression_is_of_standardised_ratings", function()
  local items = {}
  for i, y in ipairs { 2, 4, 6 } do
    items[i] = { seen = { { metric = 1, value = y, share = 1 } } }
  end
  local objective = losses.regression({ metrics = { "a" } }, { items = items })
  equal(objective.moments, { { mean = 4.0, sd = 2.0 } })
  local got = values(objective, items, { 0, 0.5, 0 })
  for i, want in ipairs { 1, 0.25, 1 } do near(got[i], want, 1e-6) end
end)

test("figures_count_what_they_say", function()
  local items = {}
  for i, l in ipairs { { 3, 2 }, { 1, 4 }, { 2, 2 }, { 9, 1 } } do
    items[i] = { lengths = { chosen = l[1], rejected = l[2] }, tie = i == 4 }
  end
  local f = figures.pairs({ items = items }, { 1, 0, 0, 2, 1, 1, 5, 0 })
  equal({ f.pairs, f.accuracy, f.longer, f.shorter }, { 3, 0.5, 0.5, 0.5 })
  near(f.margin, -1 / 3, 1e-12)
  local p1, p2 = sigmoid(1), sigmoid(2)
  near(f.ece, (math.abs(1 - p1) + p2 + 0) / 3, 1e-12)
  near(f.reliability[1].right, 0.5, 1e-12)
  equal(f.reliability[5].pairs, 1)
end)

-- ---- learning ----

local function rows(n)
  local out = {}
  for i = 1, n do
    out[i] = { prompt = ("q%d:"):format(i), chosen = ("good %d"):format(i),
               rejected = ("bad %d"):format(i * 7 % 91) }
  end
  return out
end

local function learn(more)
  local o = { base = new_model(), batch = { tokens = 512 }, eval = { samples = 0 },
              optimizer = hone.optimizer.adamw { lr = 1e-2 } }
  for key, value in pairs(more) do o[key] = value end
  return hone.reward_model(o)
end

local parts = hone.data.new(rows(120), "rows"):split { train = 0.8, validation = 0.1, test = 0.1,
                                                       seed = 1 }
local liked = learn { data = parts, epochs = 2, name = "liked" }
local texts = {}
for i = 1, 12 do
  texts[i] = { prompt = "q" .. i .. ":", response = (i % 2 == 0 and "good " or "bad ") .. i }
end
local samples = hone.samples(texts)

test("it_learns_and_tells_its_figures", function()
  local result = liked:test()
  assert(result.accuracy > 0.9 and result.margin > 1, tostring(result))
  assert(tostring(result):find "^test: loss .* accuracy .* calibration error", tostring(result))
  local record = hone.json.read "runs/liked/run.json"
  equal({ record.kind, record.status, record.tested.accuracy, record.validated.pairs },
        { "reward_model", "finished", result.accuracy, 12 })
  equal(record.tested.longer, result.longer)
  local page = s.read "runs/liked/report.html"
  assert(page:find("How good the scores are", 1, true) and page:find("by the probability said", 1, true))
  local first = liked.run:history()[1]
  assert(first.validation_accuracy and first.validation_ece, "the curves lack figures")
end)

test("a_score_does_not_depend_on_what_is_scored_beside_it", function()
  local all = liked:scores(samples)
  for i = 1, #texts do equal(liked:scores(hone.samples { texts[i] }), { all[i] }) end
  local reversed = {}
  for i = #texts, 1, -1 do reversed[#reversed + 1] = texts[i] end
  local other = liked:scores(hone.samples(reversed))
  for i = 1, #texts do equal(other[#texts + 1 - i], all[i]) end
end)

test("tokens_and_texts_of_a_sample_get_one_score", function()
  local model = liked.model
  local answers = model:generate { prompts = { "q1:", "q2:" }, max_tokens = 5, samples = 2,
                                   temperature = 1, ignore_eos = true }
  local by_tokens, again = liked:scores(answers), {}
  for i = 1, #answers do
    local batch <close> = hone.batch()
    batch:add_end(answers[i].tokens)
    again[i] = hone.step({ record = false }, function()
      return model:head(model:hidden(batch), "score"):item()
    end)
  end
  equal(by_tokens, again)
end)

test("bytes_that_are_no_text_are_scored_and_tokens_of_others_refused", function()
  local wild = new_model(5):generate { prompts = { "q" }, max_tokens = 30, samples = 8,
                                       temperature = 2, ignore_eos = true }
  for _, x in ipairs((liked:scores(wild))) do assert(x == x) end
  local others = hone.model.new(config, { seed = 1 })
    :set_tokenizer(hone.tokenizer.bpe {}:train({ "the theme of the thesis" }, 258))
  local answers = others:generate { prompts = { { 1, 2 } }, max_tokens = 30, samples = 4,
                                    temperature = 1, ignore_eos = true }
  fails("reward-model-tokenizer", function() liked:scores(answers) end)
end)

test("saved_and_loaded_it_gives_the_same_bits", function()
  liked:normalise(samples)
  local scores = liked:scores(samples)
  local sum, squares = 0, 0
  for _, x in ipairs(scores) do sum, squares = sum + x, squares + x * x end
  near(sum, 0, 1e-9)
  near(squares / (#texts - 1), 1, 1e-9)
  liked:save "out/liked"
  equal(hone.reward_model.load("out/liked"):scores(samples), scores)
  local saved = hone.json.read "out/liked/config.json"
  equal({ saved.architectures[1], saved.num_labels }, { "LlamaForSequenceClassification", 1 })
end)

test("it_is_a_reward_and_a_metric", function()
  local scores = liked:scores(samples)
  local reward = hone.reward { { liked, weight = 2 } }(samples)
  for i = 1, #texts do near(reward:get(i), 2 * scores[i], 1e-5) end
  local metric = liked:metric { name = "liked" }
  equal(metric.name, "liked")
  near(metric(samples)[3], scores[3], 1e-12)
  local run = hone.sft { model = new_model(), steps = 1, name = "metric", eval = {
    samples = 1, max_tokens = 4, metrics = { metric } },
    data = hone.data.new { { prompt = "a", completion = "b" } } }
  local kept = hone.json.read(run:path "samples-after.json")
  assert(kept.metrics.liked.numbers == 1, hone.json.encode(kept.metrics))
end)

test("an_ensemble_is_careful_where_its_members_disagree", function()
  local other = learn { data = parts, epochs = 1, base = new_model(2), name = "other" }
  other:normalise(samples)
  local both = hone.reward_model.ensemble { liked, other, k = 2 }
  local a, b = liked:scores(samples), other:scores(samples)
  local values_of, heads = both(samples)
  for i = 1, #texts do
    local sd = math.abs(a[i] - b[i]) / math.sqrt(2)
    near(heads.disagreement:get(i), sd, 1e-5)
    near(heads.mean:get(i), (a[i] + b[i]) / 2, 1e-5)
    near(values_of:get(i), (a[i] + b[i]) / 2 - 2 * sd, 1e-5)
  end
  local scores = both:metric { name = "both" }(samples)
  near(scores:head(1, "disagreement"), heads.disagreement:get(1), 1e-5)
end)

test("a_run_that_goes_on_ends_with_the_same_bits", function()
  s.write("resume.lua", [[
    local hone = require "hone"
    local rows = {}
    for i = 1, 40 do rows[i] = { prompt = "q" .. i, chosen = "good " .. i, rejected = "bad " .. i, tie = i % 5 == 0 } end
    local model = hone.model.new(hone.json.read "config.json", { seed = 1 }):set_tokenizer(hone.tokenizer.byte {})
    local advance = require("hone.update")
    local liked = hone.reward_model { base = model, data = hone.data.new(rows), loss = "davidson", steps = 6,
      batch = { tokens = 128 }, checkpoint = { every = 2 }, eval = { samples = 0 }, name = arg[1],
      schedule = function(step) if step == 5 and arg[2] == "stop" and not os.rename("stopped", "stopped") then
        io.open("stopped", "w"):close(); os.exit(9) end return 1 end }
    print(model:hash())]])
  hone.json.write("config.json", config)
  local whole, _, status = s.hone "run resume.lua whole"
  equal(status, 0)
  local _, _, stopped = s.hone "run resume.lua parted stop"
  equal(stopped, 9)
  local rest, err = s.hone "run --resume resume.lua parted stop"
  equal({ rest, err:find("Error", 1, true) }, { whole, nil })
end)

test("one_batch_or_several_weighted_items_count_alike", function()
  local list, told = rows(24), {}
  for i, row in ipairs(list) do row.weight = i % 3 end
  for k, batch in ipairs { { tokens = 1 << 20 }, { tokens = 60, accumulate = 100 } } do
    local run = learn({ data = hone.data.new(list, "rows"), batch = batch, steps = 3, centre = 0.1,
                        name = "alike-" .. k }).run
    told[k] = {}
    for _, line in ipairs(run:history()) do
      table.insert(told[k], line.loss)
      table.insert(told[k], line.norm)
      table.insert(told[k], line.accuracy)
    end
  end
  equal(#told[1], 9)
  assert(s.deviation(told[2], told[1]) < 1e-4)
end)

test("what_is_learned_beside_the_head_moves_and_is_kept", function()
  local list = rows(40)
  for i = 1, 40, 2 do list[i].tie = true end
  local tied = learn { data = hone.data.new(list, "ties"), loss = "davidson", epochs = 3, name = "ties" }
  local t
  for _, p in ipairs(tied.model:parameters()) do if p.name == "ties" then t = p.bias:item() end end
  assert(t ~= 0, "the tie parameter did not move")
  tied:save "out/ties"
  for _, p in ipairs(hone.reward_model.load("out/ties").model:parameters()) do
    if p.name == "ties" then equal(p.bias:item(), t) end
  end
end)

local function rated(n)
  local out = {}
  for i = 1, n do
    local y = i % 3
    out[i] = { prompt = "q" .. i .. ":", completion = i .. " " .. ("abc"):sub(y + 1, y + 1),
      helpful = y + 1, brief = i % 4 ~= 0 and 3 - y or nil,
      verdict = y == 2 and "positive" or "negative" }
  end
  return out
end

test("several_metrics_are_several_heads", function()
  local set = hone.data.new(rated(60), "rated"):split { train = 0.8, test = 0.2, seed = 1 }
  for _, loss in ipairs { "ordinal", "regression" } do
    local both = learn { data = set, loss = loss, metrics = { "helpful", "brief" }, epochs = 20,
                         weights = { 1, 0 }, name = "several-" .. loss }
    local result = both:test()
    assert(result.metrics.helpful.correlation > 0.7 and result.metrics.brief.correlation > 0.7,
      tostring(result))
    local total, heads = both(samples)
    equal(total:values(), heads.helpful:values())
    assert(heads.brief:get(1) ~= heads.helpful:get(1))
    both:save("out/" .. loss)
    local loaded = hone.reward_model.load("out/" .. loss)
    equal(loaded(samples):values(), total:values())
    equal(hone.json.read("out/" .. loss .. "/config.json").id2label,
          { ["0"] = "helpful", ["1"] = "brief" })
    near(both:metric { name = "several" }(samples):head(1, "brief"), heads.brief:get(1), 1e-5)
  end
end)

test("classes_give_an_expected_value", function()
  local set = hone.data.new(rated(60), "rated"):split { train = 0.8, test = 0.2, seed = 1 }
  local verdict = learn { data = set, loss = "classification", epochs = 20, name = "verdicts" }
  assert(verdict:test().accuracy > 0.8)
  local total, heads = verdict(samples)
  near(total:get(1), heads.positive:get(1) - heads.negative:get(1), 1e-6)
end)

test("labels_of_people_are_data", function()
  local said = {}
  for i = 1, 20 do
    for k, who in ipairs { "ann", "bob", "cid" } do
      said[#said + 1] = { item = "p" .. i, annotator = who,
        value = (i + (k == 3 and i % 4 == 0 and 1 or 0)) % 2 == 0 and "left" or "right" }
    end
  end
  local j = hone.judgements(said, {})
  for i = 1, 20 do
    j:describe_item("p" .. i, { prompt = "q" .. i, left = i % 2 == 0 and "good " .. i or "bad " .. i,
      right = i % 2 == 0 and "bad " .. i or "good " .. i })
  end
  local labels = j:check {}:aggregate(hone.quality.majority {})
  local of_labels = learn { data = labels, name = "labels", epochs = 3 }
  local noises = {}
  for _, item in ipairs(of_labels.run:set("train").items) do noises[item.noise] = true end
  assert(next(noises, next(noises)), "posteriors are not soft labels")
  local scores = of_labels:scores(hone.samples { { prompt = "q1", response = "good 1" },
                                                 { prompt = "q1", response = "bad 1" } })
  assert(scores[1] > scores[2])
end)

test("a_set_of_labels_is_several_metrics", function()
  local by = {}
  for _, name in ipairs { "brief", "clear" } do
    local said = {}
    for i = 1, 12 do
      if name == "clear" or i > 2 then
        for _, who in ipairs { "ann", "bob" } do
          said[#said + 1] = { item = "p" .. i, annotator = who, value = tostring(1 + i % 3) }
        end
      end
    end
    by[name] = hone.judgements(said, { level = "ordinal", labels = { "1", "2", "3" } })
    for i = name == "clear" and 1 or 3, 12 do
      by[name]:describe_item("p" .. i, { prompt = "q" .. i, response = "answer " .. i })
    end
  end
  local labels = hone.judgements.set(by):check {}:aggregate {
    brief = hone.quality.majority {}, clear = hone.quality.majority {} }
  local two = learn { data = labels, loss = "ordinal", name = "label-set" }
  equal(two.made.metrics, { "brief", "clear" })
  local counts = {}
  for _, item in ipairs(two.run:set("train").items) do
    counts[#item.seen] = (counts[#item.seen] or 0) + 1
  end
  equal(counts, { [1] = 2, [2] = 10 })
  fails("reward-model-set", function() learn { data = labels, name = "set" } end)
  fails("reward-model-set-name", function()
    learn { data = labels, loss = "ordinal", metrics = { "briefly" }, name = "set-name" }
  end)
end)

test("a_folder_of_transformers_is_a_reward", function()
  local one = hone.reward_model.load(s.file "parity/models/gpt2_score")
  local ids = hone.json.read(s.file "parity/expect/gpt2_score.json").ids
  local expected = hone.tensors.open(s.file "parity/expect/gpt2_score.safetensors")
  for i, tokens in ipairs(ids) do
    local batch <close> = hone.batch()
    batch:add_end(tokens)
    local got = hone.step({ record = false }, function()
      return one.model:head(one.model:hidden(batch), "score"):item()
    end)
    near(got, expected:read("scores." .. i - 1):item(), 1e-5)
  end
  fails("reward-model-none", function() hone.reward_model.load(s.file "parity/models/llama") end)
end)

-- ---- refusals ----

test("bad_pairs_are_refused_with_their_row_or_dropped", function()
  local bad = {
    equal = { prompt = "p", chosen = "a", rejected = "a" },
    empty = { prompt = "p", chosen = "a", rejected = " " },
    prompts = { chosen = { { role = "user", content = "p" }, { role = "assistant", content = "a" } },
                rejected = { { role = "user", content = "q" }, { role = "assistant", content = "b" } } },
    weight = { prompt = "p", chosen = "a", rejected = "b", weight = "much" },
    long = { prompt = ("p"):rep(80), chosen = "a", rejected = "b" },
  }
  for name, row in pairs(bad) do
    local data = hone.data.new({ { prompt = "p", chosen = "a", rejected = "b" }, row }, "pairs")
    fails("reward-model-" .. name, function()
      learn { data = data, too_long = "error", name = "bad-" .. name }
    end)
  end
  local data = hone.data.new({ { prompt = "p", chosen = "a", rejected = "b" }, bad.equal, bad.long,
                               bad.empty }, "pairs")
  equal(#learn({ data = data, bad = "drop", name = "dropped" }).run:set "train", 1)
  equal(#learn({ data = data, bad = "drop", too_long = "truncate", name = "cut" }).run:set "train", 2)
end)

test("a_loss_that_is_no_number_names_its_rows_and_leaves_the_model", function()
  local model = new_model()
  for _, p in ipairs(model:parameters()) do
    if p.name == "model.norm" then p.weight:copy(p.weight * (0 / 0)) end
  end
  fails("reward-model-nan", function()
    learn { base = model, data = hone.data.new(rows(4), "rows"), selftest = false, name = "nan" }
  end)
  fails("reward-model-selftest", function()
    learn { base = model, data = hone.data.new(rows(4), "rows"), name = "nan-selftest" }
  end)
end)

test("options_that_cannot_be_are_refused", function()
  local data = hone.data.new(rows(4), "rows")
  local three = new_model():add_head("score", { outputs = 3 })
  for name, o in pairs {
    data = { data = 3 }, loss = { data = data, loss = "bt" }, unknown = { data = data, centring = 1 },
    head = { data = data, base = three }, ratings = { data = data, loss = "ordinal" },
    level = { data = hone.data.new(rated(3), "rated"):take(1), loss = "ordinal", metrics = { "helpful" } },
    rating = { data = hone.data.new { { prompt = "p", completion = "a", good = "very" } },
               loss = "regression", metrics = { "good" } },
    class = { data = hone.data.new { { prompt = "p", completion = "a", verdict = "so so" } },
              loss = "classification" },
    values = { data = data, loss = "classification", values = { 1 } },
    weights = { data = data, loss = "ordinal", metrics = { "a", "b" }, weights = { 1 } },
  } do
    o.name = "refused-" .. name
    fails("reward-model-option-" .. name, function() learn(o) end)
  end
end)

test("what_cannot_be_scored_has_no_score", function()
  local odd = hone.samples { { prompt = "p", response = "fine" }, { prompt = "p", response = "" },
                             { prompt = ("p"):rep(90), response = "late" } }
  local scores = liked:scores(odd)
  assert(scores[1] == scores[1] and scores[2] ~= scores[2] and scores[3] ~= scores[3])
  local metric = liked:metric { name = "odd" }(odd)
  equal({ (metric:state(1)), (metric:state(2)) }, { "number", "failed" })
  fails("reward-model-samples", function() liked "text" end)
  fails("reward-model-flat", function() liked:normalise(hone.samples { texts[1], texts[1] }) end)
  fails("reward-model-few", function() hone.reward_model.ensemble { liked } end)
  fails("reward-model-member", function() hone.reward_model.ensemble { liked, 3 } end)
  fails("reward-model-loaded", function() hone.reward_model.load("out/liked"):test() end)
  fails("reward-model-head-option", function() new_model():add_head("value", { output = 2 }) end)
  fails("reward-model-head-name", function()
    local m = new_model()
    m:head(T.zeros { 1, 16 }, "value")
  end)
end)

if s.failed then os.exit(1, true) end
