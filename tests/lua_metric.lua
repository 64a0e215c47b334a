-- The qualitative metric: scale, versions, guidelines, people's part, calibration, audits.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near, fails = s.test, s.equal, s.near, s.fails
local hone = require "hone"
local core = require "hone.core"

local function texts(list)
  local out = {}
  for i, text in ipairs(list) do out[i] = { prompt = "p", response = text, row = { n = i } } end
  return hone.samples(out)
end

local function copy(base, changes)
  local out = {}
  for key, value in pairs(base) do out[key] = value end
  for key, value in pairs(changes or {}) do out[key] = value end
  return out
end

local concise = {
  name = "concise", version = "1.0.0", scale = { level = "ordinal", min = 1, max = 5 },
  guideline = "5: every word earns its place. 1: the answer drowns in filler.",
  anchors = { [1] = "Repeats the question, hedges, apologises.", [5] = "One clear sentence." },
  score = function(x) return math.max(1, 5 - #x.response / 64) end,
}

test("one_definition_serves_people_and_machines", function()
  local metric = hone.metric.define(concise)
  equal(metric(texts { ("x"):rep(64) })[1], 4.0)
  local d = metric:definition()
  equal({ d.name, d.unit, d.scale.max, d.anchors[5].text, d.human.raters },
        { "concise", "response", 5, "One clear sentence.", 1 })
  equal(#metric:hash(), 64)
  equal(tostring(d), "concise 1.0.0: response, ordinal (1 to 5)")
  local ask = hone.ask.rating(metric)
  equal({ ask.name, ask.scale.max, ask.metric.hash == metric:hash() }, { "concise", 5, true })
  equal(hone.metric.length {}:definition(), nil)
  equal(d:spec(), hone.json.decode(hone.json.encode(d:spec())))
end)

test("answers_are_checked_against_the_scale", function()
  local d = hone.metric.define(concise):definition()
  equal({ d:problem(3), d:problem(3.0) }, {})
  s.golden("lua-metric-scale-six", d:problem(6))
  s.golden("lua-metric-scale-half", d:problem(2.5))
  s.golden("lua-metric-scale-na", d:problem "na")
  local tone = hone.metric.define { name = "tone", question = "How does it sound?",
    scale = { level = "nominal", labels = { "warm", "cold" }, na = true } }:definition()
  equal({ tone:problem "warm", tone:problem "na", tone:number "cold" }, { nil, nil, 2 })
  s.golden("lua-metric-scale-label", tone:problem "tepid")
  local free = hone.metric.define { name = "free", question = "How much?",
    scale = { level = "interval", min = 0, max = 1 } }:definition()
  equal(free:problem(0.25), nil)
  s.golden("lua-metric-scale-interval", free:problem(1.25))
end)

test("answers_come_to_verdicts_that_may_need_more", function()
  local d = hone.metric.define { name = "useful", scale = { level = "ordinal", min = 1, max = 5 },
    question = "How useful is it?", human = { raters = 2, confidence = 0.9,
      verdict = { positive = { 4, 5 }, needs_improvement = { 3 }, negative = { 1, 2 } },
      span = { "negative" }, correction = { "needs improvement" } } }:definition()
  equal({ d:verdict(5), d:verdict(3), d:verdict(1) },
        { "positive", "needs improvement", "negative" })
  equal({ d:requires(3), d:requires(1), d:requires(4) },
        { { span = false, correction = true }, { span = true, correction = false },
          { span = false, correction = false } })
  equal({ d:enough { 4 }, d:enough { 4, 4 }, d:enough { 4, 4, 4, 4 } }, { false, false, true })
end)

test("a_metric_that_people_alone_judge_says_so", function()
  local kind = hone.metric.define { name = "kind", question = "Is it kind?",
    scale = { level = "nominal", labels = { "yes", "no" } } }
  local state, said = kind(texts { "x" }):state(1)
  equal({ state, said }, { "failed", "kind is judged by people: it has no automatic part" })
end)

test("other_metrics_reward_models_and_judges_score_for_a_definition", function()
  local scale = { level = "interval", min = 0, max = 9 }
  local by_metric = hone.metric.define { name = "by_metric", scale = scale,
    metric = hone.metric.length { unit = "chars" } }
  equal(by_metric(texts { "ab" })[1], 2.0)
  local model = setmetatable({}, { __call = function(_, all) return hone.tensor { 0.5, #all } end })
  local by_model = hone.metric.define { name = "by_model", scale = scale, model = model }
  equal({ by_model(texts { "a", "b" })[1], by_model(texts { "a", "b" })[2] }, { 0.5, 2.0 })
  s.golden("lua-metric-two", fails(hone.metric.define, { name = "two", score = print,
                                                         model = model }))
  s.golden("lua-metric-model", fails(hone.metric.define, { name = "two", model = 3 }))
end)

-- ---- judges ----

test("a_judge_is_parsed_strictly", function()
  local parse = require "hone.metric.judge".parse
  local d = hone.metric.define(concise):definition()
  equal({ parse(d, " 4\nmore"), parse(d, "5") }, { 4, 5 })
  s.golden("lua-metric-judge-words", select(2, parse(d, "I think 4")))
  s.golden("lua-metric-judge-range", select(2, parse(d, "6")))
  s.golden("lua-metric-judge-na", select(2, parse(d, "na")))
  local tone = hone.metric.define { name = "tone", question = "How does it sound?",
    scale = { level = "nominal", labels = { "warm", "cold" }, na = true } }:definition()
  equal({ parse(tone, "cold"), parse(tone, "na") }, { 2, hone.null })
  local free = hone.metric.define { name = "free", question = "How much?",
    scale = { level = "interval", min = 0, max = 1 } }:definition()
  equal(parse(free, "0.25\n"), 0.25)
  s.golden("lua-metric-judge-number", select(2, parse(free, "1e3")))
end)

test("a_model_judges_by_a_template_and_fails_sample_by_sample", function()
  local model = hone.model.new({ model_type = "llama", hidden_size = 16, num_hidden_layers = 1,
    num_attention_heads = 2, intermediate_size = 16, vocab_size = 258,
    max_position_embeddings = 128 }, { seed = 1 }):set_tokenizer(hone.tokenizer.byte {})
  local judged = hone.metric.define { name = "judged", scale = concise.scale,
    judge = { model = model, prompt = "{response} by {n}, {scale}: ", max_tokens = 2 } }
  local rows = { { prompt = "p", response = "a", row = { n = 1 } },
                 { prompt = "p", response = "b" } }
  local one, two = judged(hone.samples(rows)), judged(hone.samples(rows))
  assert(select(2, one:state(1)):find("^the judge said '"), select(2, one:state(1)))
  equal({ one:state(1) }, { two:state(1) })
  s.golden("lua-metric-judge-column", select(2, one:state(2)))
end)

-- ---- versions ----

test("what_changes_meaning_asks_for_a_new_version", function()
  hone.metric.define(concise)
  local function redefined(name, changes)
    s.golden("lua-metric-version-" .. name, fails(hone.metric.define, copy(concise, changes)))
  end
  redefined("scale", { scale = { level = "ordinal", min = 1, max = 7 } })
  redefined("scale-minor", { scale = { level = "ordinal", min = 1, max = 7 }, version = "1.1.0" })
  redefined("anchors", { anchors = { [1] = "Drowns in filler." } })
  redefined("guideline", { guideline = "Short is good." })
  redefined("guideline-patch", { guideline = "Short is good.", version = "1.0.1" })
  redefined("question", { question = "How long is it?" })
  redefined("reward", { reward = { weight = 2 } })
  redefined("form", { version = "one" })
  hone.metric.define(copy(concise, { score = function() return 3 end })) -- code is not meaning
  hone.metric.define(copy(concise, { guideline = "Short is good.", version = "1.1.0" }))
  hone.metric.define(copy(concise, { scale = { level = "interval", min = 0, max = 1 },
                                     anchors = { [1] = "best" }, version = "2.0.0" }))
end)

test("judgements_of_older_versions_are_stale_by_rule", function()
  local d = hone.metric.define { name = "stale", version = "2.3.1", question = "?" }:definition()
  equal({ d:stale "2.3.1", d:stale "2.3.0", d:stale "2.2.9", d:stale "1.3.1", d:stale "3.0.0" },
        { "no", "no", "recheck", "void", "void" })
  local again = hone.metric.define { name = "stale", version = "2.3.2", question = "?",
    summary = "x" }:definition()
  equal({ again:changes(d:spec())[1].field, again:changes(d:spec())[1].part }, { "summary", "patch" })
end)

-- ---- guidelines ----

test("guidelines_are_texts_or_files_and_part_of_the_version", function()
  s.write("short.md", "Short is good.\n")
  local base = { name = "guided", question = "Short?", guideline = "short.md",
                 glossary = { filler = "words that add nothing" } }
  local d = hone.metric.define(base):definition()
  equal({ d.guideline, d.guideline_file, d.glossary.filler },
        { "Short is good.\n", "short.md", "words that add nothing" })
  s.write("short.md", "Long is good.\n")
  s.golden("lua-metric-guideline-changed", fails(hone.metric.define, base))
  os.remove "short.md"
  s.golden("lua-metric-guideline-vanished", fails(hone.metric.define, base))
  s.write("empty.txt", " \n")
  s.golden("lua-metric-guideline-empty", fails(hone.metric.define,
    { name = "guided", question = "?", guideline = { file = "empty.txt" } }))
  s.write("bytes.txt", "\xff\xfe")
  s.golden("lua-metric-guideline-bytes", fails(hone.metric.define,
    { name = "guided", question = "?", guideline = "bytes.txt" }))
  s.golden("lua-metric-guideline-number", fails(hone.metric.define,
    { name = "guided", question = "?", guideline = 3 }))
end)

test("settings_define_metrics", function()
  s.write("words.lua", [[
    local hone = require "hone"
    local d = hone.metric.terse {}:definition()
    print(d, d.anchors[5].text, d:verdict(4), d.guideline)
    print(hone.metric.terse {}(hone.samples { { response = "one two" } })[1])]])
  local function run(text)
    s.write("hone.conf", text)
    return s.hone "run --config hone.conf words.lua"
  end
  local good = [[metrics = { terse = { version = "1.0.0"; question = "How terse?";
    scale = { level = "ordinal"; min = 1; max = 5; }; guideline = "Short is good.";
    anchors = ( { at = 1; text = "Rambles."; }, { at = 5; text = "One sentence."; } );
    human = { verdict = { positive = [4, 5]; needs_improvement = [3]; negative = [1, 2]; }; };
    metric = { plugin = "length"; unit = "words"; }; }; };]]
  local out, err = run(good)
  equal(out .. err, "terse 1.0.0: response, ordinal (1 to 5)\tOne sentence.\tpositive\t" ..
        "Short is good.\n2.0\n")
  for name, change in pairs { field = { "question", "qestion" }, plugin = { '"length"', '"lenght"' },
                              group = { "metrics = {.*", "metrics = { terse = 3; };" } } do
    local _, said, status = run((good:gsub(change[1], change[2])))
    equal(status, 1)
    s.golden("lua-metric-settings-" .. name, (said:gsub("%s+$", "")))
  end
end)

test("definitions_that_cannot_be_are_refused", function()
  local function refused(name, changes)
    local made = copy({ name = "bad", question = "?" }, changes)
    s.golden("lua-metric-bad-" .. name, fails(hone.metric.define, made))
  end
  local five = { level = "ordinal", min = 1, max = 5 }
  refused("level", { scale = { level = "nomnal" } })
  refused("labels", { scale = { level = "nominal" } })
  refused("one-label", { scale = { level = "nominal", labels = { "x" } } })
  refused("both", { scale = { level = "ordinal", labels = { "x", "y" }, min = 1 } })
  refused("order", { scale = { level = "ordinal", min = 5, max = 1 } })
  refused("steps", { scale = { level = "ordinal", min = 0.5, max = 4 } })
  refused("anchor", { scale = five, anchors = { [6] = "x" } })
  refused("anchor-text", { scale = five, anchors = { [5] = 3 } })
  refused("anchor-scale", { anchors = { [5] = "x" } })
  refused("verdict-twice", { scale = five, human = { verdict = { positive = { 4, 5 },
    negative = { 1, 2, 3, 4 } } } })
  refused("verdict-none", { scale = five, human = { verdict = { positive = { 4, 5 } } } })
  refused("verdict-scale", { human = { verdict = { positive = { 4, 5 } } } })
  refused("verdict-word", { scale = five, human = { span = { "bad" } } })
  refused("verdict-map", { scale = five, human = { span = { "negative" } } })
  refused("glossary", { glossary = { "x" } })
  refused("raters", { human = { raters = 0 } })
end)

-- ---- calibration ----

test("isotonic_and_platt_equal_scikit_learn", function()
  local expected = hone.json.read(s.file "parity/expect/calibration.json")
  for _, case in ipairs(expected.cases) do
    local tuned = core.instance("metric", "calibrated", (function()
      local from, to = core.isotonic(case.x, case.y, case.weight)
      return { metric = hone.metric.length { unit = "chars" }, from = from, to = to }
    end)())
    for i, length in ipairs(expected.lengths) do
      near(tuned(texts { ("x"):rep(length) })[1], case.isotonic[i], 1e-9)
    end
    local constant, slope = core.platt(case.x, case.share, case.weight)
    near(constant, case.constant, 2e-5)
    near(slope, case.slope, 2e-5)
    local rho = core.rank_correlation(case.x, case.y, 0.95)
    near(rho.value, case.rho, 1e-12)
  end
end)

-- Scores of 1 to n and what people said of them, better where the score is high.
local function pairs_of(n, noise)
  local random, list = hone.random(3, "pairs"), {}
  for i = 1, n do
    local value = 1 + 4 * i / n + noise * random:normal()
    list[i] = { i / n, math.max(1, math.min(5, math.floor(value + 0.5))) }
  end
  return list
end

test("a_calibrated_metric_is_on_peoples_scale", function()
  local raw = hone.metric.define { name = "raw", scale = { level = "ordinal", min = 1, max = 5 },
    reward = { weight = 0.5 }, score = function(x)
      if x.response == "na" then return nil end
      if x.response == "bad" then error "no" end
      return #x.response / 100
    end }
  for _, method in ipairs { "isotonic", "platt" } do
    local tuned, found = raw:calibrate(pairs_of(200, 0.4), { method = method })
    equal({ found.pairs, found.frozen, found.method }, { 200, false, method })
    assert(found.agreement.interval[1] > 0.8)
    local scores = tuned(texts { "", ("x"):rep(50), ("x"):rep(100), "na", "bad" })
    assert(scores[1] < 1.8 and scores[3] > 4.2 and scores[1] >= 1 and scores[3] <= 5)
    near(scores[2], 3, 0.4)
    equal({ scores:state(4), scores:state(5) }, { "na", "failed", (select(2, scores:state(5))) })
    equal(scores:head(2, "raw"), 0.5)
    equal(tuned:definition().name, "raw")
    local _, components = hone.reward { tuned } (texts { "x" })
    equal({ components[1].name, components[1].weight }, { "raw", 0.5 })
    local again = tuned:calibrate(pairs_of(100, 0.1)) -- from raw scores, not twice
    equal(again.options.metric.plugin, "raw")
  end
end)

test("labels_calibrate_by_the_texts_of_their_items", function()
  local words = hone.metric.define { name = "shortness",
    scale = { level = "ordinal", min = 1, max = 3 },
    score = function(x) return -#x.response end }
  local rows = {}
  for i = 1, 60 do
    for _, who in ipairs { "ann", "bob", "cid" } do
      rows[#rows + 1] = { item = "q" .. i, annotator = who,
                          value = tostring(i <= 20 and 3 or i <= 40 and 2 or 1) }
    end
  end
  local j = hone.judgements(rows, { level = "ordinal", labels = { "1", "2", "3" } })
  for i = 1, 60 do j:describe_item("q" .. i, { prompt = "p", response = ("x"):rep(i) }) end
  local labels = j:aggregate(hone.quality.majority {})
  local tuned, found = words:calibrate(labels)
  equal({ found.pairs, found.left_out }, { 60, 0 })
  local scores = tuned(texts { "x", ("x"):rep(30), ("x"):rep(60) })
  near(scores[1], 3, 1e-9)
  near(scores[2], 2, 1e-9)
  near(scores[3], 1, 1e-9)
end)

test("too_few_pairs_are_refused_and_weak_agreement_freezes", function()
  local raw = hone.metric.define { name = "weak", scale = { level = "ordinal", min = 1, max = 5 },
    score = function(x) return #x.response / 100 end }
  s.golden("lua-metric-calibrate-few", fails(raw.calibrate, raw, pairs_of(12, 0)))
  s.golden("lua-metric-calibrate-pair", fails(raw.calibrate, raw, { { 1, "good" } }))
  s.golden("lua-metric-calibrate-what", fails(raw.calibrate, raw, 3))
  s.golden("lua-metric-calibrate-option", fails(raw.calibrate, raw, {}, { method = "plat" }))
  local tone = hone.metric.define { name = "shade", score = function() return 1 end,
    scale = { level = "nominal", labels = { "a", "b", "c" } } }
  s.golden("lua-metric-calibrate-nominal", fails(tone.calibrate, tone, {}))
  local random, noise = hone.random(5, "noise"), {}
  for i = 1, 80 do noise[i] = { random:uniform(), 1 + random:below(5) } end
  local same, found = raw:calibrate(noise)
  equal({ same.name, found.frozen }, { "weak", true })
  s.golden("lua-metric-calibrate-frozen", found.message)
  local tuned = raw:calibrate(pairs_of(100, 0.2))
  local kept, later = tuned:calibrate(noise)
  equal({ kept.name, later.frozen, kept.options }, { "calibrated", true, tuned.options })
  s.golden("lua-metric-calibrate-kept", later.message)
end)

test("a_calibrated_plugin_checks_its_corners", function()
  local length = hone.metric.length {}
  s.golden("lua-metric-corners", fails(hone.metric.calibrated, { metric = length,
    from = { 1, 1 }, to = { 0, 1 } }))
  s.golden("lua-metric-corners-count", fails(hone.metric.calibrated, { metric = length,
    from = { 1 }, to = { 0, 1 } }))
  s.golden("lua-metric-corners-none", fails(hone.metric.calibrated { metric = length },
                                            texts { "x" }))
end)

-- ---- audits ----

test("audits_find_what_should_not_matter_and_limits_fail_a_run", function()
  local function made(name, limits)
    return hone.metric.define { name = name, scale = { level = "interval", min = 0, max = 99 },
      audit = { groups = { "region" }, swaps = { { "he", "she" } }, limits = limits },
      score = function(x) return #x.response + (x.region == "north" and 10 or 0) end }
  end
  local rows = {}
  for i = 1, 8 do
    rows[i] = { prompt = "p", response = i % 2 == 0 and "He said so" or ("y"):rep(i),
                row = { region = i % 2 == 0 and "north" or "south" } }
  end
  local found = made("audited", {}):audit(hone.samples(rows))
  equal({ found[1].name, found[1].value, found[1].n }, { "gap", 16.0, 8 })
  equal({ found[2].name, found[2].value, found[2].n }, { "swap", 1.0, 4 })
  equal({ found[3].name, found[3].n }, { "length", 8 })
  local strict = made("strict", { gap = 5, swap = 2, length = 0.5 })
  s.golden("lua-metric-audit", fails(strict.audit, strict, hone.samples(rows)))
  equal(strict:audit(hone.samples(rows), { check = false })[1].failed, true)
  local plain = hone.metric.length {}
  s.golden("lua-metric-audit-none", fails(plain.audit, plain, hone.samples(rows)))
end)

test("every_piece_of_lua_in_the_guide_to_metrics_runs", function()
  local found = 0
  for piece in s.read(s.file "../docs/metrics.md"):gmatch("```lua\n(.-)```") do
    found = found + 1
    s.write("piece.lua", piece)
    local _, err, status = s.hone "run piece.lua"
    equal({ status, err }, { 0, "" })
  end
  equal(found, 5)
end)

if s.failed then os.exit(1, true) end
