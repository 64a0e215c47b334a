-- Preferences: rows of every form, losses equal to TRL's, and runs equal to themselves.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near, fails = s.test, s.equal, s.near, s.fails
local hone = require "hone"
local losses = require "hone.losses"
local objectives = require "hone.objective"
local pair_set = require "hone.pair_set"
local references = require "hone.reference"
local update = require "hone.preference_update"
local json, T = hone.json, hone.tensor

local config = { model_type = "llama", hidden_size = 32, num_hidden_layers = 2,
  num_attention_heads = 4, intermediate_size = 48, vocab_size = 258,
  max_position_embeddings = 128, rms_norm_eps = 1e-5, tie_word_embeddings = true }

local function new_model(seed)
  return hone.model.new(config, { seed = seed or 1 }):set_tokenizer(hone.tokenizer.byte {})
end

local function rows(n)
  local out = {}
  for i = 1, n do
    out[i] = { prompt = ("%d+%d="):format(i, i % 7), chosen = ("%d"):format(i + i % 7),
               rejected = ("no idea, %d?"):format(i) }
  end
  return out
end

local function objective(o)
  for key, value in pairs { beta = 0.1, sft = 0, corrections = 1, margin_scale = 0 } do
    if o[key] == nil then o[key] = value end
  end
  return objectives.new(o)
end

-- ---- losses ----

test("losses_have_the_values_of_the_reference", function()
  local function value(loss, noise, norm)
    return objective { loss = loss, norm = norm }:values {
      policy = { chosen = T { -10 }, rejected = T { -12 } },
      reference = { chosen = T { -11 }, rejected = T { -11.5 } },
      lengths = { chosen = T { 5 }, rejected = T { 6 } }, margin = T { 0 },
      noise = T { noise or 0 }, noisy = noise ~= nil, count = 1, shift = 0 }:item()
  end
  for name, expected in pairs { sigmoid = .620957, hinge = .85, ipo = 22.246944,
    nca_pair = 1.350825, bco_pair = 1.312856, sppo_hard = 36.25, apo_zero = .962523,
    apo_down = .987549 } do
    near(value(name), expected, 2e-6)
  end
  near(value("cdpo", 0.1), .635957, 2e-6)
  near(value("sigmoid", 0.1), .635957, 2e-6)
  near(value("robust", 0.1), .602207, 2e-6)
  near(value("ipo", nil, "sum"), 12.25, 2e-6)
end)

-- b of TRL's fixture, its policy as leaves.
local function trl_batch(shared, noise)
  local function both(t) return { chosen = T(t[1]), rejected = T(t[2]) } end
  local n = #shared.policy[1]
  local b = { policy = both(shared.policy), reference = both(shared.reference),
              lengths = both(shared.lengths), noisy = noise > 0, count = n, shift = 0 }
  b.noise, b.margin = T.zeros { n } + noise, T.zeros { n }
  b.policy.chosen:require_grad()
  b.policy.rejected:require_grad()
  return b
end

test("losses_and_their_gradients_equal_those_of_trl", function()
  local fixture, seen = json.read(s.file "parity/expect/trl_losses.json"), {}
  for _, case in ipairs(fixture.cases) do
    if case.name ~= "kto" then
      seen[case.name] = true
      hone.step(function()
        local b = trl_batch(fixture.shared, case.noise)
        local values = objective { loss = case.name, beta = case.beta, gamma = case.gamma }:values(b)
        local mean = values:mean()
        near(mean:item(), case.loss, 1e-5 * math.max(1, math.abs(case.loss)))
        mean:backward()
        for _, side in ipairs { "chosen", "rejected" } do
          local expected = case.gradients["policy_" .. side]
          for i, g in ipairs(b.policy[side]:grad():values()) do
            near(g, expected[i], 1e-5 * math.max(1, math.abs(expected[i])))
          end
        end
      end)
    end
  end
  for name, loss in pairs(losses) do                  -- sft, kto and cdpo are tested apart
    assert(seen[name] or ({ sft = 1, kto = 1, cdpo = 1 })[name], name)
    assert(loss.doc and loss.paper, name)
  end
end)

test("kto_equals_that_of_trl", function()
  local fixture = json.read(s.file "parity/expect/trl_losses.json")
  local one, kl = fixture.unpaired, 0
  for i = 1, #one.policy do kl = kl + (one.policy_other[i] - one.reference_other[i]) / #one.policy end
  assert(kl > 0)
  for _, case in ipairs(fixture.cases) do
    if case.name == "kto" then
      local good = {}
      for i, label in ipairs(one.labels) do good[i] = label and 1 or 0 end
      hone.step(function()
        local policy = T(one.policy):require_grad()
        local zeros = T.zeros { #good }
        local values = objective { loss = "kto", beta = case.beta, desirable = case.desirable,
          undesirable = case.undesirable }:values { policy = { completion = policy },
          reference = { completion = T(one.reference) }, lengths = { completion = zeros + 1 },
          good = T(good), kl = kl, noise = zeros, margin = zeros, count = #good }
        local mean = values:mean()
        near(mean:item(), case.loss, 1e-5)
        mean:backward()
        for i, g in ipairs(policy:grad():values()) do near(g, case.gradients.policy[i], 1e-5) end
      end)
    end
  end
end)

test("orpo_keeps_its_accuracy_next_to_certainty", function()
  local value = objective { loss = "orpo", beta = 1 }:values {
    policy = { chosen = T { -1e-6 }, rejected = T { -2 } }, lengths = { chosen = T { 1 },
    rejected = T { 1 } }, noise = T { 0 }, margin = T { 0 }, count = 1 }:item()
  local odds = -1e-6 - math.log(1e-6) + 2 + math.log(1 - math.exp(-2))
  near(value, math.log(1 + math.exp(-odds)), 1e-9)
end)

-- A batch of ids as update.step takes it, prompts apart from answers.
local function batch_of_ids(pairs_of_ids)
  local part = { members = {}, examples = {}, outputs = {}, batch = hone.batch(), noisy = false,
                 places = { chosen = {}, rejected = {} }, weight = #pairs_of_ids,
                 set = { examples = "ids" } }
  local lengths = { chosen = {}, rejected = {} }
  for i, p in ipairs(pairs_of_ids) do
    part.members[i] = i
    for _, side in ipairs { "chosen", "rejected" } do
      local ids, weights, answer = { table.unpack(p.prompt_ids) }, {}, p[side .. "_ids"]
      for k = 1, #ids do weights[k] = 0 end
      for _, id in ipairs(answer) do ids[#ids + 1], weights[#weights + 1] = id, 1 end
      part.batch:add(ids, weights)
      part.examples[#part.examples + 1], part.outputs[#part.outputs + 1] = p[side .. "_key"], #answer
      part.places[side][i], lengths[side][i] = #part.examples, #answer
    end
  end
  local zeros = T.zeros { #pairs_of_ids }
  part.lengths = { chosen = T(lengths.chosen), rejected = T(lengths.rejected) }
  part.weights, part.margins, part.noises = zeros + 1, zeros, zeros
  return part
end

test("twenty_steps_of_dpo_follow_trl", function()
  local curve = json.read(s.file "parity/expect/trl_curve.json")
  local o, values = curve.options, {}
  local model = hone.model.load(s.file "parity/models/llama"):attach(hone.strategy.full {})
  for i, p in ipairs(curve.pairs) do
    p.chosen_key, p.rejected_key = 2 * i - 1, 2 * i
    local part = batch_of_ids { p }
    local found = hone.step({ record = false }, function() return update.sums(model, part):values() end)
    values[2 * i - 1], values[2 * i] = found[1], found[2]
  end
  local reference = { of = function(_, _, part)
    local out = {}
    for i, key in ipairs(part.examples) do out[i] = values[key] end
    return out
  end }
  local optimizer = hone.optimizer.adamw { lr = o.lr, weight_decay = o.weight_decay, eps = o.eps }
    :on(model)
  for step, order in ipairs(curve.order) do
    local chosen = {}
    for i, k in ipairs(order) do chosen[i] = curve.pairs[k + 1] end
    local part = batch_of_ids(chosen)
    local loss, _, seen = update.step(model, optimizer, { part, weight = part.weight },
      { objective = objective { loss = "sigmoid", beta = o.beta }, reference = reference,
        beta = o.beta, seed = 1, clip = o.clip })
    near(loss, curve.losses[step], 1e-3)
    near(seen.margin, curve.margins[step], 2e-3)
  end
end)

-- ---- rows ----

local function read(list, o) return hone.pairs(hone.data.new(list, "rows"), o) end

test("rows_of_every_form_become_pairs", function()
  local function one(row, o) return read({ row }, o).pairs[1] end
  local function user(text) return { { role = "user", content = text } } end
  local function answer(text) return { { role = "assistant", content = text } } end
  local function talk(q, a)
    return { { role = "user", content = q }, { role = "assistant", content = a } }
  end
  local texts = { prompt = { text = "p" }, chosen = "a", rejected = "b" }
  local lists = { prompt = { messages = user "p" }, chosen = "a", rejected = "b" }
  local function same(row, expected, o)
    local p = one(row, o)
    equal({ prompt = p.prompt, chosen = p.chosen, rejected = p.rejected }, expected)
    return p
  end
  same({ prompt = "p", chosen = "a", rejected = "b" }, texts)
  same({ prompt = user "p", chosen = answer "a", rejected = answer "b" }, lists)
  same({ prompt = user "p", chosen = "a", rejected = "b" }, lists)
  same({ prompt = "p", chosen = talk("p", "a"), rejected = talk("p", "b") }, lists)
  same({ prompt = "p", chosen = answer "a", rejected = answer "b" }, lists)
  same({ chosen = talk("p", "a"), rejected = talk("p", "b") }, lists)
  same({ chosen = { { from = "human", value = "p" }, { from = "gpt", value = "a" } },
         rejected = { { from = "human", value = "p" }, { from = "gpt", value = "b" } } }, lists)
  same({ chosen = "\n\nHuman: p\n\nAssistant: a", rejected = "\n\nHuman: p\n\nAssistant: b" }, lists)
  same({ chosen = "the cat sat", rejected = "the cat ran" },
       { prompt = { text = "the cat" }, chosen = " sat", rejected = " ran" })
  same({ instruction = "p", input = "i", response1 = "b", response2 = "a", winner = 2 },
       { prompt = { instruction = "p", input = "i" }, chosen = "a", rejected = "b" })
  same({ input = "p", output_1 = "b", output_2 = "a", label = 2 }, texts)
  same({ conversation_a = talk("p", "a"), conversation_b = talk("p", "b"), model_a = "x",
         model_b = "y", winner = "model_a" }, lists)
  same({ prompt = "p", response_a = "b", response_b = "a", winner_model_a = 0, winner_model_b = 1 },
       texts)
  equal(same({ context = user "p", response1 = "a", response2 = "b", overall_preference = -2 },
             lists).margin, 2)
  equal(same({ prompt = "p", response_1 = "b", response_2 = "a", preference_strength = 3 },
             texts).margin, 3)
end)

test("ratings_of_answers_to_one_prompt_make_pairs_with_margins", function()
  local set = read({ { prompt = "p", response = "good", helpfulness = 4 },
    { prompt = "q", response = "alone", helpfulness = 4 },
    { prompt = "p", response = "bad", helpfulness = 1 },
    { prompt = "p", response = "as bad", helpfulness = 1 } }, { bad = "drop" })
  equal(#set.pairs, 2)
  for _, p in ipairs(set.pairs) do equal({ p.chosen, p.margin }, { "good", 3 }) end
  equal({ set.report.ties, set.report.dropped.unpaired.count }, { 1, 1 })
end)

test("columns_go_with_a_pair_and_ties_are_dropped_learned_or_refused", function()
  local row = { prompt = "p", chosen = "a", rejected = "b", weight = 2, margin = 0.5, noise = 0.25,
                posterior = 0.75 }
  local p = read({ row }).pairs[1]
  equal({ p.weight, p.margin, p.noise }, { 2, 0.5, 0.25 })
  row.noise = nil
  equal(read({ row }, { soft = true }).pairs[1].noise, 0.25)
  equal(read({ row }, { noise = 0.125 }).pairs[1].noise, 0.125)
  local tie = { prompt = "p", response1 = "a", response2 = "b", winner = "tie" }
  equal(read({ row, tie }).report.ties, 1)
  equal(read({ tie }, { ties = "learn" }).pairs[1].noise, 0.5)
  s.golden("preference-tie", fails(read, { tie }, { ties = "error" }))
end)

test("verdicts_are_positive_negative_or_a_correction", function()
  local set = read { { prompt = "p", completion = "a", label = true },
    { prompt = "p", response = "b", verdict = "negative" },
    { prompt = { { role = "user", content = "p" } }, completion = { { role = "assistant",
      content = "c" } }, label = 0 },
    { prompt = "p", completion = "d", verdict = "needs improvement", correction = "e" } }
  local good = {}
  for i, v in ipairs(set.verdicts) do good[i] = v.good end
  equal(good, { true, false, false })
  equal({ set.pairs[1].chosen, set.pairs[1].rejected, #set.sft }, { "e", "d", 1 })
  equal(set.sft[1], { prompt = "p", completion = "e" })
end)

test("rows_that_cannot_be_learned_from_are_refused_by_name_or_counted", function()
  local function talk(q, a)
    return { { role = "user", content = q }, { role = "assistant", content = a } }
  end
  local bad = {
    equal = { prompt = "p", chosen = "a", rejected = "a" },
    empty = { prompt = "p", chosen = "a", rejected = " \n" },
    prompts = { chosen = talk("p", "a"), rejected = talk("q", "b") },
    ["no-prompt"] = { chosen = "one", rejected = "two" },
    text = { prompt = "p", chosen = true, rejected = "b" },
    role = { chosen = { { role = "tool", content = "x" } }, rejected = talk("p", "b") },
    last = { chosen = { { role = "user", content = "x" } }, rejected = talk("p", "b") },
    winner = { prompt = "p", response1 = "a", response2 = "b", winner = "me" },
    verdict = { prompt = "p", completion = "a", label = "perhaps" },
    correction = { prompt = "p", completion = "a", verdict = "needs_improvement" },
  }
  local fine = { prompt = "p", chosen = "a", rejected = "b" }
  for name, row in pairs(bad) do
    s.golden("preference-" .. name, fails(read, { fine, row }))
    local set, dropped = read({ fine, row }, { bad = "drop" }), 0
    for _, d in pairs(set.report.dropped) do dropped = dropped + d.count end
    equal({ #set.pairs, dropped }, { 1, 1 })
  end
  s.golden("preference-form", fails(read, { { text = "x", style = "y" } }))
  s.golden("preference-none", fails(read, { bad.equal }, { bad = "drop" }))
  s.golden("preference-weight", fails(read, { { prompt = "p", chosen = "a", rejected = "b",
    weight = -1 } }))
end)

test("rows_of_hh_pandalm_and_llmbar_are_read", function()
  local hh = hone.data.load(s.data "preference/hh_harmless_1800.jsonl.gz")
  local set = hone.pairs(hh, { bad = "drop" })
  equal({ #set.pairs, set.report.dropped.prompts.count, set.report.dropped.empty.count },
        { 1794, 2, 4 })
  for i, row in ipairs { 1255, 1689 } do
    equal(set.report.dropped.prompts.examples[i]:match ":(%d+)$", tostring(row))
  end
  equal(#hone.pairs(hone.data.load(s.data "preference/llmbar/natural.json")).pairs, 100)
  local panda, votes = json.read(s.data "preference/pandalm/testset-v1.json"), {}
  for i, row in ipairs(panda) do
    local count = { [0] = 0, 0, 0 }
    for k = 1, 3 do count[row["annotator" .. k]] = count[row["annotator" .. k]] + 1 end
    row.winner = count[1] >= 2 and 1 or count[2] >= 2 and 2 or 0
    votes[i] = row
  end
  local read_rows = hone.pairs(hone.data.new(votes, "pandalm"), { bad = "drop" })
  equal({ #read_rows.pairs + read_rows.report.ties, read_rows.report.dropped.malformed.count > 0 },
        { 999 - (function()
          local n = 0
          for _, d in pairs(read_rows.report.dropped) do n = n + d.count end
          return n
        end)(), true })
end)

test("labels_of_judgements_make_pairs", function()
  local said = {}
  for i = 1, 3 do
    for k, who in ipairs { "ann", "bob", "cid" } do
      said[#said + 1] = { item = "i" .. i, annotator = who,
                          value = (i + k) % 3 == 0 and "left" or "right" }
    end
  end
  local j = hone.judgements(said, {})
  for i = 1, 3 do
    j:describe_item("i" .. i, { prompt = "p" .. i, a = "one " .. i, b = "two " .. i })
  end
  local labels = j:aggregate(hone.quality.majority {})
  local made = labels:rows { left = "a", right = "b" }
  local set = hone.pairs(hone.data.new(made, "labels"), { soft = true })
  equal(#set.pairs, 3)
  for i, p in ipairs(set.pairs) do
    equal({ p.prompt, p.chosen, p.rejected }, { { text = "p" .. i }, "two " .. i, "one " .. i })
    near(p.noise, 1 / 3, 1e-9)
  end
end)

-- ---- tokens ----

test("only_the_last_answer_is_learned_and_the_prompt_is_a_prefix", function()
  local model = new_model()
  local talk = { { role = "user", content = "a" }, { role = "assistant", content = "b" },
                 { role = "user", content = "c" } }
  for _, template in ipairs { "plain", "chatml" } do
    local row = hone.pairs.row({ messages = talk }, "answer")
    local data = hone.data.new({ row }, "rows")
    local examples = data:encode(model, { template = template, last_answer = true })
    local e, prompt = examples:get(1), data:prompt(1, model, { template = template })
    equal(e.prompt, #prompt)
    for i = 1, #e.tokens do equal(e.weights[i], i > #prompt and 1.0 or 0.0) end
    local _, before, learned = examples:size(1)
    equal({ before, learned }, { #prompt, #e.tokens - #prompt })
  end
end)

test("a_prompt_computed_once_gives_the_log_probabilities_of_two_segments", function()
  local model, list = new_model(3), rows(5)
  list[3].prompt = list[2].prompt
  local set = pair_set.new(read(list), model, { template = "plain", too_long = "drop" })
  local part = set:batch { 1, 2, 3, 4, 5 }
  local apart = set.examples:batch(part.examples, false)
  assert(part.tokens < apart.tokens and part.batch.outputs == apart.outputs)
  local function sums(batch)
    return hone.step({ record = false }, function()
      return model:logp(batch):segment_sum(part.outputs):values()
    end)
  end
  local a, b = sums(part.batch), sums(apart)
  for i = 1, #a do near(a[i], b[i], 1e-4) end
end)

test("pairs_longer_than_the_window_are_dropped_refused_or_cut", function()
  local model, list = new_model(), rows(4)
  list[2].rejected = ("x"):rep(200)
  local function make(too_long)
    return pair_set.new(read(list), model, { template = "plain", too_long = too_long })
  end
  local set = make "drop"
  equal({ #set, set.report.dropped, set.report.dropped_rows }, { 3, 1, { "rows:2" } })
  s.golden("preference-long", fails(make, "error"))
  set = make "truncate"
  equal({ #set, (set.examples:size(set.items[2].rejected)) }, { 4, 128 })
  list[2].prompt = ("y"):rep(200)
  equal(#make "truncate", 3)
end)

-- ---- steps ----

-- Loss, norm, statistics and weights after a step over these groups of members.
local function one_step(list, o, groups, noise)
  local model = new_model(5):attach(hone.strategy.full {})
  local objective = objective(o)
  local set = pair_set.new(read(list, { noise = noise }), model, { template = "plain",
    too_long = "drop", unpaired = objective.unpaired })
  local references_of = references.new { model = new_model(6), tokens = 256,
    sets = { train = set } }
  local optimizer = hone.optimizer.sgd { lr = 0.1 }:on(model)
  local group = { weight = 0 }
  for i, members in ipairs(groups) do
    group[i] = set:batch(members)
    group.weight = group.weight + group[i].weight
  end
  local loss, norm, seen = update.step(model, optimizer, group, { objective = objective,
    reference = objective.reference and references_of or nil, beta = 0.1, shift = 0.25, seed = 1,
    clip = 0 })
  return { loss, norm, seen.accuracy, seen.margin }, model, loss and seen or norm
end

test("accumulated_batches_equal_one_batch_for_every_loss", function()
  for name in pairs(losses) do
    local list, o = rows(6), { loss = name, sft = 0.1 }
    if not losses[name].whole then
      for i, row in ipairs(list) do row.weight, row.noise = i / 4, i / 16 end
    end
    local n = name == "kto" and 12 or 6
    local all, halves = {}, { {}, {}, {} }
    for i = 1, n do
      all[i] = i
      table.insert(halves[(i - 1) * 3 // n + 1], i)
    end
    local a, b = one_step(list, o, { all }), one_step(list, o, halves)
    for i = 1, 4 do near(a[i], b[i], 2e-5 * math.max(1, math.abs(a[i]))) end
  end
end)

test("a_weight_counts_a_pair_twice_and_noise_mixes_it_with_its_reverse", function()
  local list = rows(3)
  list[2].weight = 2
  local twice = rows(3)
  twice[4] = twice[2]
  local a, b = one_step(list, { loss = "apo_zero" }, { { 1, 2, 3 } }),
    one_step(twice, { loss = "apo_zero" }, { { 1, 2, 3, 4 } })
  for i = 1, 4 do near(a[i], b[i], 2e-5) end
  local both = {}
  for i, row in ipairs(rows(2)) do
    both[2 * i - 1], both[2 * i] = row, { prompt = row.prompt, chosen = row.rejected,
                                          rejected = row.chosen }
    both[2 * i - 1].weight, both[2 * i].weight = 3, 1
  end
  a = one_step(rows(2), { loss = "apo_zero" }, { { 1, 2 } }, 0.25)
  b = one_step(both, { loss = "apo_zero" }, { { 1, 2, 3, 4 } })
  near(a[1], b[1], 2e-5)
  near(a[2], b[2], 2e-5)
end)

test("losses_add_by_weight_and_sft_is_the_mean_of_a_token", function()
  local all = { { 1, 2, 3 } }
  local a = one_step(rows(3), { loss = "sigmoid" }, all)[1]
  local b = one_step(rows(3), { loss = "hinge" }, all)[1]
  local c = one_step(rows(3), { loss = "sft" }, all)[1]
  local mixed = one_step(rows(3), { loss = { { "sigmoid", weight = 0.25 }, { "hinge", weight = 2 } },
    sft = 0.5 }, all)[1]
  near(mixed, 0.25 * a + 2 * b + 0.5 * c, 1e-5)
  local corrected = one_step({ { prompt = "p", completion = "d", verdict = "needs improvement",
    correction = "e" }, rows(1)[1] }, { loss = "sigmoid", corrections = 3 }, { { 1, 2 } })[1]
  local plain = one_step({ { prompt = "p", rejected = "d", chosen = "e" }, rows(1)[1] },
    { loss = { { "sigmoid" } } }, { { 1, 2 } })[1]
  local sft = one_step({ { prompt = "p", rejected = "d", chosen = "e" } }, { loss = "sft" }, { { 1 } })
  near(corrected, plain + 3 * sft[1] / 2, 1e-4)
end)

test("kl_of_kto_is_of_mismatched_answers_and_not_below_0", function()
  local _, _, seen = one_step(rows(4), { loss = "kto" }, { { 1, 2, 3, 4, 5, 6, 7, 8 } })
  local model, reference = new_model(5), new_model(6)
  local set = pair_set.new(read(rows(4)), model, { template = "plain", too_long = "drop",
    unpaired = true })
  local total = 0
  for k, it in ipairs(set.items) do
    local e = set.mismatches:get(it.mismatched)
    equal(model.tokenizer:decode(e.tokens):sub(1, #it.prompt.text), it.prompt.text)
    local part = set:mismatched { members = { k } }
    local function logp(m)
      return hone.step({ record = false }, function() return update.sums(m, part):item() end)
    end
    total = total + logp(model) - logp(reference)
  end
  near(seen.kl, math.max(0, total / #set), 1e-3)
end)

-- ---- runs ----

local function parts_of(n)
  return hone.data.new(rows(n), "rows"):split { train = 0.8, validation = 0.1, test = 0.1, seed = 1 }
end

test("a_run_learns_pairs_and_logs_what_it_saw", function()
  local run = hone.preference { model = new_model(), data = parts_of(60), epochs = 3,
    batch = { tokens = 256 }, optimizer = hone.optimizer.adamw { lr = 3e-3 }, name = "dpo",
    eval = { samples = 1, max_tokens = 4 } }
  local history = run:history()
  near(history[2].validation_loss, math.log(2), 1e-6)
  for _, name in ipairs { "loss", "accuracy", "margin", "reward_chosen", "reward_rejected",
    "logp_chosen", "logp_rejected", "norm", "lr", "tokens", "seconds", "epoch" } do
    assert(history[3][name], name)
  end
  near(history[3].loss, math.log(2), 1e-6)
  local result = run:test()
  assert(result.loss < 0.3 and result.accuracy == 1 and result.margin > 1, tostring(result))
  equal(json.read("runs/dpo/run.json").tested.loss, result.loss)
  local page = s.read "runs/dpo/report.html"
  for _, word in ipairs { "margin of rewards", "On the test part", "Preferences", "</html>" } do
    assert(page:find(word, 1, true), word)
  end
end)

test("the_reference_is_the_model_without_its_adapter_or_computed_once", function()
  local values = {}
  for i, strategy in ipairs { hone.strategy.lora { rank = 2 }, hone.strategy.full {} } do
    local run = hone.preference { model = new_model(), data = parts_of(30), strategy = strategy,
      optimizer = hone.optimizer.adamw { lr = 1e-2 }, steps = 2, batch = { tokens = 200 },
      eval = { samples = 0 }, name = "reference" .. i }
    local set = run:set "train"
    values[i] = run.reference:of(set.examples, set:batch { 1, 2, 3 })
    equal({ run.reference.adapter or false, run.reference.cached or false }, { i == 1, false })
  end
  assert(s.deviation(values[1], values[2]) < 1e-6)
  equal(io.open "runs/reference1/reference/key.json", nil)
  assert(io.open "runs/reference2/reference/key.json")
end)

test("pairs_that_are_left_out_play_no_part", function()
  local list = rows(20)
  list[3].rejected = ("x"):rep(300)
  for _, loss in ipairs { "sigmoid", "kto" } do
    local run = hone.preference { model = new_model(), data = hone.data.new(list, "rows"), loss = loss,
      steps = 2, batch = { tokens = 200 }, eval = { samples = 0 }, name = "left-out" }
    equal(run.record.data.train.encoded.dropped, 1)
  end
end)

test("an_adapter_that_is_there_is_merged_and_learning_goes_on_from_it", function()
  local model = new_model():attach(hone.strategy.lora { rank = 2 })
  for _, t in ipairs(model:trainables()) do t.value:copy(t.value * 0 + 0.02) end
  local ids = { 5, 6, 7, 8 }
  local function nats() return hone.likelihood(model, { "some words" })[1] end
  local before = nats()
  hone.preference { model = model, data = parts_of(30), steps = 1, batch = { tokens = 200 },
    optimizer = hone.optimizer.sgd { lr = 0 }, eval = { samples = 0 }, name = "merged" }
  near(nats(), before, 1e-4)
  equal({ model.strategy.name, #ids }, { "full", 4 })
end)

test("log_probabilities_that_were_kept_are_read_and_others_computed_anew", function()
  local model, other = new_model(1), new_model(2)
  local set = pair_set.new(read(rows(5)), model, { template = "plain", too_long = "drop" })
  local function open(m, data)
    return references.new { model = m, tokens = 64, folder = "kept",
      sets = { train = set }, key = { weights = m:hash(), data = data } }
  end
  local part = set:batch { 2, 4 }
  local first, again = open(model, "x"), open(model, "x")
  equal({ first.cached, again.cached }, { false, true })
  equal(again:of(set.examples, part), first:of(set.examples, part))
  equal({ open(other, "x").cached, open(model, "y").cached, open(model, "y").cached },
        { false, false, true })
  s.write("kept/logps.safetensors", "not tensors")
  local repaired = open(model, "y")
  equal(repaired.cached, false)
  equal(repaired:of(set.examples, part), first:of(set.examples, part))
end)

local script = [[
  local hone = require "hone"
  local args = hone.args { strategy = "full", loss = "bco_pair" }
  local model = hone.model.new(hone.json.read "config.json", { seed = 3 })
    :set_tokenizer(hone.tokenizer.byte {})
  local parts = hone.data.new(hone.json.read "rows.json", "rows")
    :split { train = 0.8, validation = 0.2, seed = 5 }
  local stop = tonumber((io.open("stop") or io.tmpfile()):read "a")
  local run = hone.preference {
    model = model, data = parts, epochs = 2, seed = 11, batch = { tokens = 96, accumulate = 2 },
    loss = args.loss, strategy = args.strategy == "lora" and
      hone.strategy.lora { rank = 2, dropout = 0.25 } or hone.strategy.full {},
    optimizer = hone.optimizer.adamw { lr = 1e-2 }, eval = { every = 3, samples = 0 },
    schedule = function(step)
      if step == stop then require("hone.core").interrupt() end
      return 1
    end,
  }
  print(model:hash(), run.state.step, run.state.best.loss, run.state.shift)]]

for how, options in pairs { full = "strategy=full loss=bco_pair", lora = "strategy=lora loss=kto" } do
  test(("a_%s_run_that_stopped_and_went_on_has_the_bits_of_one_that_did_not"):format(how),
    function()
    s.write("script.lua", script)
    s.write("config.json", json.encode(config))
    s.write("rows.json", json.encode(rows(20)))
    os.execute "rm -rf runs stop"
    local whole, err, status = s.hone("run script.lua " .. options)
    equal({ status, status == 0 and "" or err }, { 0, "" })
    os.execute "rm -rf runs"
    s.write("stop", "4")
    local _, _, code = s.hone("run script.lua " .. options)
    equal(code, 130)
    os.remove "stop"
    equal((s.hone("run script.lua --resume " .. options)), whole)
  end)
end

test("a_self_test_that_fails_stops_the_run_and_says_which", function()
  local function start(name, more)
    local o = { model = new_model(), data = hone.data.new(rows(9), "rows"), steps = 1,
                batch = { tokens = 200 }, eval = { samples = 0 }, name = name }
    for key, value in pairs(more or {}) do o[key] = value end
    return hone.preference(o)
  end
  local fn = losses.sigmoid.fn
  losses.sigmoid.fn = function(b, o) return fn(b, o) + 1e-5 end
  local wrong = fails(start, "wrong")
  start("untested", { selftest = false })
  losses.sigmoid.fn = fn
  s.golden("preference-selftest-loss", wrong)
  local of = update.sums
  local calls = 0
  update.sums = function(...)
    calls = calls + 1
    return of(...) + (calls == 1 and 1 or 0)
  end
  local moved = fails(start, "moved")
  update.sums = of
  assert(moved:find("self%-test: rows:%d+: a log%-probability alone and in a batch differ"), moved)
  start("fine")
end)

test("wrong_options_losses_and_references_are_refused_by_name", function()
  local function start(more)
    local o = { model = new_model(), data = hone.data.new(rows(9), "rows"), steps = 1,
                eval = { samples = 0 }, name = "refused" }
    for key, value in pairs(more) do o[key] = value end
    return hone.preference(o)
  end
  s.golden("preference-loss", fails(start, { loss = "sigmod" }))
  s.golden("preference-loss-type", fails(start, { loss = 3 }))
  s.golden("preference-loss-option", fails(start, { loss = { { "hinge", gamma = 1 } } }))
  s.golden("preference-loss-mixed", fails(start, { loss = { "sigmoid", { "kto" } } }))
  s.golden("preference-option", fails(start, { betta = 1 }))
  s.golden("preference-shape", fails(start, { loss = function(b) return b.policy.chosen:sum() end }))
  s.golden("preference-number", fails(start, { loss = function() return 1 end }))
  s.golden("preference-statistic", fails(start, { loss = function(b)
    return b.policy.chosen, { odd = T { 1, 2, 3 } }
  end }))
  s.golden("preference-noise", fails(start, { loss = "robust", noise = 0.5 }))
  local weighed = rows(4)
  weighed[3].weight = 2
  s.golden("preference-whole", fails(start, { loss = "aot", data = hone.data.new(weighed, "rows") }))
  local other = { table.unpack { config } }
  other = json.decode(json.encode(config))
  other.vocab_size = 300
  s.golden("preference-vocabulary", fails(start, { reference =
    hone.model.new(other, { seed = 1 }):set_tokenizer(hone.tokenizer.byte {}) }))
  s.golden("preference-verdicts", fails(start, { data = hone.data.new({ { prompt = "p",
    completion = "c", label = true } }, "verdicts") }))
  s.golden("preference-one-prompt", fails(start, { loss = "kto", data = hone.data.new({
    { prompt = "p", completion = "c", label = true },
    { prompt = "p", completion = "d", label = false } }, "verdicts") }))
end)

test("a_loss_that_is_no_number_names_its_pairs", function()
  local said = fails(hone.preference, { model = new_model(), data = hone.data.new(rows(4), "rows"),
    steps = 3, eval = { samples = 0 }, name = "nan", selftest = false,
    loss = function(b) return (b.policy.chosen * 0 - b.lengths.rejected + 11.5):log() end })
  assert(said:find("step 1: the loss is nan; pairs: rows:"), said)
end)

test("northstar_script_runs_as_it_stands", function()
  local path = s.data "../northstar/3_new_algorithm.lua"
  if not io.open(path) then s.skip "no northstar folder" end
  new_model():save "tiny"
  local lines = {}
  for i, row in ipairs(rows(12)) do lines[i] = json.encode(row) end
  s.write("pairs.jsonl", table.concat(lines, "\n"))
  local _, err, status = s.hone(("run %s model=tiny data=pairs.jsonl"):format(path))
  equal({ status, status == 0 and "" or err }, { 0, "" })
end)

test("examples_of_dpo_and_kto_learn_what_is_liked", function()
  for _, example in ipairs { "dpo", "kto" } do
    local out, err, status = s.hone(("run %s/examples/%s.lua messages=40 epochs=2 lr=1e-3"):format(
      os.getenv "HONE_SOURCE", example))
    equal({ status, status == 0 and "" or err }, { 0, "" })
    local before, after = out:match "(%d+) %% before, (%d+) %% after"
    assert(tonumber(after) > tonumber(before) + 10, out)
  end
end)

test("every_piece_of_lua_in_the_section_on_preferences_runs", function()
  new_model():save "tiny"
  local lines = {}
  for i, row in ipairs(rows(12)) do lines[i] = json.encode(row) end
  s.write("pairs.jsonl", table.concat(lines, "\n"))
  local text, found = s.read(os.getenv "HONE_SOURCE" .. "/docs/algorithms.md"), 0
  local section = text:match "\n## Preference losses\n(.*)" or ""
  section = section:match "^(.-)\n## " or section
  for piece in section:gmatch "```lua\n(.-)```" do
    found = found + 1
    s.write("piece.lua", piece)
    local _, err, status = s.hone "run piece.lua"
    equal({ status, status == 0 and "" or err }, { 0, "" })
  end
  assert(found >= 2, found)
end)

if s.failed then os.exit(1, true) end
