-- Asks: what values they take, what they say of others, the judgements they become; and
-- simulated annotators.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near = s.test, s.equal, s.near
local hone = require "hone"
local core = require "hone.core"
local content = require "hone.ask.content"
local json = hone.json
local Sheet = require "hone.sheet"
local words = require "hone.ask.words"

local pair = { prompt = "Why?", left = "It is so.", right = "Perhaps, I think, it is so." }
local one = { prompt = "Why?", response = "It is a fact, he said." }
local three = { prompt = "Why?", options = { "a", "b", "c" } }
local picture = { media = { { kind = "image", path = "cat.png", width = 100, height = 50 },
                            { kind = "audio", path = "cat.wav", duration = 2 } } }
local talk = { messages = { { role = "user", content = "Hi" }, { role = "assistant",
  content = "Hello you" },
                            { role = "user", content = "Bye" }, { role = "assistant",
                              content = "Bye" } } }

-- Messages of values that are refused, one a line, against one golden file.
local function refused(name, ask, c, order, values)
  local lines = {}
  for i, value in ipairs(values) do
    local problem = ask:validate(value, c, order)
    assert(problem, ("%s: value %d was taken"):format(name, i))
    lines[i] = problem
  end
  s.golden("ask-" .. name, table.concat(lines, "\n"))
end

local function taken(ask, c, order, values)
  for _, value in ipairs(values) do equal(ask:validate(value, c, order), nil) end
end

test("an_ask_comes_back_from_its_spec_through_json", function()
  for _, ask in ipairs {
    hone.ask.preference { ties = false, bad = true, strength = 3 }, hone.ask.ranking {
      partial = true },
    hone.ask.rating { name = "tone", scale = { min = 1, max = 5, na = true }, anchors = {
      [1] = "cold" } },
    hone.ask.labels { labels = { "a", "b" }, many = true }, hone.ask.spans { labels = { "x" } },
    hone.ask.verdict { correction = true }, hone.ask.correction {},
    hone.ask.conversation { ask = hone.ask.verdict { correction = true } },
    hone.ask.regions { labels = { "x" } },
  } do
    local spec = json.encode(ask:spec())
    equal(json.encode(hone.ask.of(json.decode(spec)):spec()), spec)
    equal(hone.ask.of(json.decode(spec)).name, ask.name)
  end
  equal(hone.ask.correction {}:spec().text, true)
end)

test("mistakes_in_asks_are_told", function()
  local lines = {}
  for i, fn in ipairs {
    function() return hone.ask.preferense {} end,
    function() hone.ask.preference { tie = true } end,
    function() hone.ask.preference { strength = 12 } end,
    function() hone.ask.preference { name = "a b" } end,
    function() hone.ask.rating { name = "x" } end,
    function() hone.ask.rating { name = "x", scale = { min = 5, max = 1 } } end,
    function() hone.ask.rating { name = "x", scale = { level = "nominal" } } end,
    function() hone.ask.rating { name = "x", scale = { min = 0.5, max = 2 } } end,
    function() hone.ask.rating(hone.metric.length {}) end,
    function() hone.ask.labels { labels = { "a" } } end,
    function() hone.ask.labels { labels = { "a", "a" } } end,
    function() hone.ask.conversation { ask = hone.ask.preference {} } end,
    function() hone.ask.list { hone.ask.preference {}, hone.ask.preference {} } end,
    function() hone.ask.list {} end,
    function() hone.ask.of { kind = "rankin" } end,
  } do lines[i] = s.fails(fn) end
  s.golden("ask-made", table.concat(lines, "\n"))
end)

test("a_preference_is_between_what_was_shown_and_its_order_is_undone", function()
  local ask = hone.ask.preference { bad = true, strength = 3 }
  taken(ask, pair, nil, { "first", "second", "tie", "bad", { choice = "second", strength = 3 } })
  refused("preference", ask, pair, nil, { "left", 1, { choice = "first", strength = 4 },
    { choice = "tie", strength = 1 }, { strength = 1 }, hone.null })
  refused("preference-one", ask, one, nil, { "first" })
  refused("preference-plain", hone.ask.preference { ties = false }, pair, nil,
    { "tie", "bad", { choice = "first", strength = 1 } })
  local row = ask:rows({ choice = "first", strength = 2 }, pair, { 2, 1 })[1]
  equal({ row.value, row.order, row.strength }, { "right", 2, 2 })
  row = ask:rows("first", pair, { 1, 2 })[1]
  equal({ row.value, row.order }, { "left", 1 })
  equal(ask:rows("first", pair, nil)[1].order, nil)
  s.golden("ask-order", s.fails(content.places, { 1, 1 }, 2))
end)

test("a_ranking_may_be_tied_and_partial_where_it_says_so", function()
  local ask = hone.ask.ranking { partial = true }
  taken(ask, three, nil, { { 3, 1, 2 }, { { 1, 2 }, 3 }, { 2, 1 } })
  refused("ranking", ask, three, nil, { {}, "a", { 1 }, { 1, 4 }, { 1, 1 }, { 1, "b" } })
  refused("ranking-strict", hone.ask.ranking { ties = false }, three, nil, { { 1, 2 }, { { 1, 2 },
    3 } })
  equal(json.encode(ask:rows({ 1, { 2, 3 } }, three, { 3, 1, 2 })[1].ranking), "[3,[1,2]]")
end)

test("a_rating_is_on_its_scale_and_one_a_response", function()
  local ask = hone.ask.rating { name = "tone", scale = { min = 1, max = 5, na = true } }
  taken(ask, one, nil, { 1, 5, 3.0, "na" })
  refused("rating", ask, one, nil, { 0, 6, 2.5, "5", { 1 } })
  taken(ask, pair, nil, { { 1, 5 }, { "na", 2 } })
  refused("rating-pair", ask, pair, nil, { 1, { 1 }, { 1, 9 }, { 1, hone.null } })
  local rows = ask:rows({ 2, 4 }, pair, { 2, 1 })
  equal({ rows[1].place, rows[1].value, rows[2].place, rows[2].value }, { 2, "2", 1, "4" })
  equal(#ask:rows("na", one), 0)
  equal(ask:table().labels, { "1", "2", "3", "4", "5" })
  local words_ = hone.ask.rating { name = "w", scale = { level = "nominal", labels = { "warm",
    "cold" } } }
  taken(words_, one, nil, { "warm" })
  refused("rating-words", words_, one, nil, { "war", 1, "na" })
  local share = hone.ask.rating { name = "s", scale = { level = "interval", min = 0, max = 1 } }
  taken(share, one, nil, { 0, 0.25, 1 })
  refused("rating-interval", share, one, nil, { 1.5, 1 / 0, "x" })
  equal(share:rows(0.25, one)[1].value, 0.25)
end)

test("labels_are_of_the_list", function()
  local ask = hone.ask.labels { labels = { "a", "b", "c" } }
  taken(ask, one, nil, { "a" })
  refused("labels", ask, one, nil, { "d", { "a" } })
  local many = hone.ask.labels { labels = { "a", "b", "c" }, many = true, least = 1 }
  taken(many, one, nil, { { "a", "c" } })
  refused("labels-many", many, one, nil, { {}, "a", { "a", "a" }, { "x" } })
  local rows = many:rows({ "c" }, one)
  equal({ rows[1].part, rows[1].value, rows[3].value }, { "a", "no", "yes" })
end)

test("spans_lie_in_the_text_and_count_characters", function()
  local ask = hone.ask.spans { labels = { "claim" } }
  local c = { response = "für dich" }
  taken(ask, c, nil, { {}, { { label = "claim", start = 4, ["end"] = 8 } } })
  refused("spans", ask, c, nil, { "x", { { label = "claim", start = 4, ["end"] = 9 } },
    { { label = "x", start = 0, ["end"] = 1 } }, { { label = "claim", start = 2, ["end"] = 2 } },
    { { label = "claim", start = 0, ["end"] = 3 }, { label = "claim", start = 2, ["end"] = 4 } }, {
      1 } })
  local field = ask:fields(c)[1]
  equal(field.parse "1-2 claim", { label = "claim", start = 0, ["end"] = 8 })
  equal(field.parse "2 claim", { label = "claim", start = 4, ["end"] = 8 })
  local _, problem = field.parse "3 claim"
  s.golden("ask-spans-parse", problem)
  equal(ask:rows({ { label = "claim", start = 0, ["end"] = 3 } }, c)[1].region, { 0, 3 })
end)

test("a_difference_of_words_makes_its_text_again", function()
  local random = hone.random(7, "words")
  for _ = 1, 300 do
    local sides = {}
    for k = 1, 2 do
      local list = {}
      for i = 1, random:below(12) - 1 do
        list[i] = ("abc"):sub(random:below(3)):sub(1, 1) .. (random:below(5) == 1 and "\n" or "")
      end
      sides[k] = table.concat(list, " ") .. (random:below(4) == 1 and "  " or "")
    end
    equal(words.apply(sides[1], words.diff(sides[1], sides[2])), sides[2])
  end
  equal(words.diff("a bad day", "a good day"), { { "=", 1 }, { "-", " bad" }, { "+", " good" }, {
    "=", 1 } })
  local before = words.most
  words.most = 1
  equal(words.apply("a b c", words.diff("a b c", "x y z")), "x y z")
  words.most = before
  equal({ words.apply("a b", { { "=", 1 } }) }, { nil, "it covers 1 of 2 words" })
end)

test("a_correction_is_kept_as_a_difference_and_says_what_it_corrects", function()
  local ask = hone.ask.correction {}
  taken(ask, one, nil, { { text = "It is true." }, hone.null })
  refused("correction", ask, one, nil, { "x", { text = 1 }, { text = " " }, {}, { text = "\255" },
    { diff = { { "-", "none" } } }, { diff = { 1 } }, { diff = 1 } })
  refused("correction-pair", ask, pair, nil, { { text = "x" }, { of = 3, text = "x" } })
  local packed = ask:pack({ of = 1, text = "It is not so." }, pair, { 1, 2 })
  equal(packed.text, nil)
  taken(ask, pair, { 1, 2 }, { packed })
  local row = ask:rows(packed, pair, { 1, 2 })[1]
  equal({ row.place, row.value, row.corrected.text }, { 1, "changed", "It is not so." })
  equal(ask:rows({ text = one.response }, one)[1].value, "unchanged")
end)

test("needs_improvement_asks_for_a_correction", function()
  local ask = hone.ask.verdict { correction = true }
  local value = { verdict = "needs improvement", correction = { text = "Better." } }
  taken(ask, one, nil, { "positive", "negative", value })
  refused("verdict", ask, one, nil, { "good", "needs improvement", { verdict = "positive",
    correction = { text = "x" } },
    { verdict = "needs improvement", correction = { text = "" } } })
  refused("verdict-plain", hone.ask.verdict {}, one, nil, { value })
  equal(ask:rows(ask:pack(value, one), one)[1].corrected.text, "Better.")
  equal(ask:table().labels[2], "needs improvement")
end)

test("a_conversation_is_judged_turn_by_turn", function()
  local ask = hone.ask.conversation { ask = hone.ask.verdict {} }
  taken(ask, talk, nil, { { "positive", "negative" } })
  refused("conversation", ask, talk, nil, { "positive", { "positive" }, { "positive", "x" }, {
    "positive", hone.null } })
  refused("conversation-none", ask, one, nil, { { "positive" } })
  local rows = ask:rows({ "positive", "negative" }, talk)
  equal({ rows[1].part, rows[2].part, rows[2].value }, { "turn 2", "turn 4", "negative" })
  local sheet = Sheet.new({ ask }, talk)
  sheet:answer "positive"
  sheet:answer "negative"
  equal(sheet:answers(), { conversation = { "positive", "negative" } })
end)

test("regions_lie_in_their_medium", function()
  local ask = hone.ask.regions { labels = { "cat" }, points = 2 }
  local good = { { label = "cat", shape = "box", box = { 0, 0, 100, 50 } },
    { label = "cat", shape = "polygon", points = { { 0, 0 }, { 9, 0 }, { 9, 9 } } },
    { label = "cat", shape = "keypoints", points = { { 1, 1 }, { 2, 2 } } },
    { label = "cat", shape = "segment", medium = 2, start = 0.5, ["end"] = 2 } }
  taken(ask, picture, nil, { {}, good })
  local function region(r) r.label = r.label or "cat" return { r } end
  refused("regions", ask, picture, nil, {
    "x", region { shape = "circle" }, region { shape = "box", label = "dog", box = { 0, 0, 1, 1 } },
    region { shape = "box", box = { 0, 0, 1 } }, region { shape = "box", box = { 90, 0, 11, 5 } },
    region { shape = "box", box = { -1, 0, 5, 5 } }, region { shape = "box", box = { 0, 0, 0, 5 } },
    region { shape = "polygon", points = { { 0, 0 }, { 1, 1 } } },
    region { shape = "polygon", points = { { 0, 0 }, { 9, 9 }, { 9, 0 }, { 0, 9 } } },
    region { shape = "polygon", points = { { 0, 0 }, { 1, 99 }, { 3, 3 } } },
    region { shape = "keypoints", points = { { 1, 1 } } },
    region { shape = "segment", start = 0, ["end"] = 1 },
    region { shape = "segment", medium = 2, start = 1, ["end"] = 3 },
    region { shape = "segment", medium = 2, start = 1, ["end"] = 1 },
    region { shape = "box", medium = 3, box = { 0, 0, 1, 1 } },
    region { shape = "box", medium = 2, box = { 0, 0, 1, 1 } } })
  refused("regions-none", ask, one, nil, { {} })
  local parse = ask:fields(picture)[1].parse
  equal(parse("box cat 1 2 3 4").box, { 1, 2, 3, 4 })
  equal(parse("polygon cat 0 0 9 0 9 9").points[3], { 9, 9 })
  equal(select(2, parse "box cat 1 2"), "box: expected { x, y, width, height }")
  local rows = ask:rows(good, picture)
  equal({ rows[2].region, rows[4].region, rows[4].part }, { { 0, 0, 9, 9 }, { 0.5, 2 },
    "medium 2/time" })
end)

test("overlap_is_that_of_the_shapes", function()
  local iou = require "hone.ask.regions".iou
  local function polygon(...) return { shape = "polygon", points = { ... } } end
  local square = polygon({ 0, 0 }, { 2, 0 }, { 2, 2 }, { 0, 2 })
  near(iou(square, square), 1, 1e-12)
  near(iou(square, polygon({ 1, 0 }, { 3, 0 }, { 3, 2 }, { 1, 2 })), 1 / 3, 1e-12)
  -- Turned the other way round, and against a box.
  near(iou(square, polygon({ 0, 2 }, { 2, 2 }, { 2, 0 }, { 0, 0 })), 1, 1e-12)
  near(iou(square, { shape = "box", box = { 0, 0, 1, 2 } }), 0.5, 1e-12)
  -- An L of area 3 and the square of its notch share nothing; with the whole, 3 of 4.
  local l = polygon({ 0, 0 }, { 2, 0 }, { 2, 1 }, { 1, 1 }, { 1, 2 }, { 0, 2 })
  near(iou(l, square), 0.75, 1e-12)
  near(iou(l, polygon({ 1, 1 }, { 2, 1 }, { 2, 2 }, { 1, 2 })), 0, 1e-12)
  near(iou(polygon({ 0, 0 }, { 4, 0 }, { 0, 4 }), polygon({ 0, 0 }, { 4, 0 }, { 4, 4 })), 4 / 12,
    1e-12)
  near(iou({ shape = "segment", start = 0, ["end"] = 2 }, { shape = "segment", start = 1,
    ["end"] = 3 }), 1 / 3, 1e-12)
  equal(iou({ shape = "segment", start = 0, ["end"] = 2 }, square), 0.0)
  near(iou({ shape = "keypoints", points = { { 0, 0 }, { 9, 9 } } },
           { shape = "keypoints", points = { { 0, 0 }, { 9, 9 } } }), 1, 1e-12)
  equal(core.polygon_crossing(square.points), nil)
  s.fails(core.polygon_iou, { { 1 } }, { { 1, 2 } })
end)

test("answers_are_checked_together", function()
  local asks = hone.ask.list { hone.ask.preference {}, hone.ask.correction {} }
  equal(hone.ask.problem(asks, { preference = "first" }, pair), nil)
  local lines = {}
  for i, answers in ipairs { {}, { preference = "first", tone = 3 }, { preferense = "first" }, "x",
                             { preference = "first", correction = 7 } } do
    lines[i] = hone.ask.problem(asks, answers, pair)
  end
  s.golden("ask-answers", table.concat(lines, "\n"))
end)

test("a_sheet_goes_forth_and_back", function()
  local sheet = Sheet.new(hone.ask.list { hone.ask.preference { strength = 2 },
    hone.ask.rating { name = "q", scale = { min = 1, max = 3 } } }, pair)
  equal(sheet:undo(), false)
  sheet:answer "first"
  sheet:answer(2)
  sheet:answer(1)
  sheet:answer(3)
  equal(sheet:field(), nil)
  equal(json.encode(sheet:answers()), '{"preference":{"choice":"first","strength":2},"q":[1,3]}')
  equal(sheet:undo(), true)
  equal(json.encode(sheet:answers()), '{"preference":{"choice":"first","strength":2},"q":[1,null]}')
  sheet:undo()
  sheet:undo()
  sheet:undo()
  equal({ sheet:field().kind, next(sheet:answers()) }, { "key" })
  sheet:answer "tie"
  assert(sheet:field().title:find("q", 1, true))
end)

-- ---- simulated annotators ----

local function quality(_, option) return tonumber(option.text:match "%d+") end
local function items(n)
  local list = {}
  for i = 1, n do
    list[i] = { id = "q" .. i, prompt = "p" .. i, left = "left 1", right = "right 2", truth = { 1,
      2 } }
  end
  return list
end

test("simulated_annotators_prefer_by_their_skill_and_see_their_biases", function()
  local function share(options, order)
    options.count, options.ties, options.seed = 1, 0, 3
    local pool = hone.simulate.annotators(options)
    local asks, n = hone.ask.list { hone.ask.preference {} }, 0
    for i = 1, 2000 do
      local c = { prompt = "p" .. i, left = options.left or "a 1", right = "b 2" }
      if hone.simulate.answer(pool, pool.people[1], asks, c, order).preference == "second" then
        n = n + 1
      end
    end
    return n / 2000
  end
  near(share { skill = 0.8, truth = quality }, 0.8, 0.03)
  near(share { skill = 0.5, truth = quality }, 0.5, 0.04)
  equal(share { skill = 1, truth = quality }, 1.0)
  -- logit(.8) (1 - 1) = 0: a bias of one unit towards the first makes it even.
  near(share { skill = 0.8, truth = quality, position_bias = 1 }, 0.5, 0.04)
  near(share({ skill = 0.8, truth = quality }, { 2, 1 }), 0.2, 0.03)
  assert(share { skill = 0.8, truth = function() return 0 end, length_bias = -3, spam = 0 } > 0.4)
end)

test("a_plan_tells_cost_agreement_and_accuracy_and_more_skill_is_better", function()
  local last = 0
  for _, skill in ipairs { 0.6, 0.8, 0.95 } do
    local plan = hone.simulate.plan { items = 100, overlap = 3, pool = { count = 12,
      skill = skill },
                                      cost = 0.1, rounds = 2 }
    equal({ plan.judgements, plan.items }, { 300, 100 })
    near(plan.cost, 30, 1e-9)
    assert(plan.asks[1].accuracy > last and plan.hours > 0)
    last = plan.asks[1].accuracy
  end
  local a = hone.simulate.plan { items = items(20), pool = { count = 5 }, rounds = 1 }
  local b = hone.simulate.plan { items = items(20), pool = { count = 5 }, rounds = 1 }
  equal(tostring(a), tostring(b))
  s.golden("simulate-plan", table.concat({
    s.fails(hone.simulate.plan, { items = 2, overlap = 3, pool = { count = 2 } }),
    s.fails(hone.simulate.plan, { items = 0, pool = { count = 5 } }),
    s.fails(hone.simulate.annotators, { skill = "high" }),
    s.fails(hone.simulate.annotators, { groups = { region = {} } }),
    s.fails(hone.simulate.plan, { items = { { left = "a", right = "b" } }, pool = {
      count = 5 } }) }, "\n"))
end)

test("simulated_annotators_answer_a_task_and_the_plugins_take_what_they_said", function()
  local function collect(path)
    local store = hone.store(path)
    local task = store:task { name = "t", overlap = 3, ask = {
      hone.ask.preference { bad = true }, hone.ask.rating { name = "q", scale = { min = 1, max = 5,
        na = true } },
      hone.ask.verdict { correction = true }, hone.ask.correction { name = "fix" } } }
    local list = items(40)
    for i, c in ipairs(list) do
      c.left, c.right, c.reference = "left 1 " .. i, "right 2 " .. i, "reference " .. i
    end
    task:add(list)
    local pool = hone.simulate.annotators { count = 8, spam = 0.125, truth = quality, skill = 0.9,
      seed = 5,
      groups = { region = { north = 0.5, south = { share = 0.5,
        values = function() return 0 end } } } }
    local _, count, seconds = task:simulate(pool, { start = 1000 })
    equal(count, 120)
    assert(seconds > 30)
    return task:wait(), store
  end
  local answers, store = collect "a.db"
  local again = collect "b.db"
  local function values(j) return json.encode { j:column "value":table(),
    j:column "item":table() } end
  if type(answers.tables.q:column "value") == "table" then
    values = function(j) return json.encode { j:column "value", j:column "item" }
  end
  end
  equal(values(answers.tables.q), values(again.tables.q))
  equal({ answers.tables.preference.level, answers.tables.q.level, answers.tables.verdict.level },
        { "pair", "ordinal", "ordinal" })
  local checked = answers:check { hone.quality.agreement {}, hone.quality.speed { floor = 3,
    share = 0.5 } }
  local labels = checked:aggregate { preference = hone.quality.bradley_terry {},
    q = hone.quality.dawid_skene {} }
  local rows = labels.preference:rows { left = "left", right = "right" }
  local right = 0
  for _, row in ipairs(rows) do right = right + (row.chosen:find("right 2", 1, true) and 1 or 0) end
  assert(right > 0.7 * #rows, "the better response is chosen")
  assert(rows[1].prompt:find "^p%d")
  local audit = hone.bias.audit { labels, hone.bias.position { options = 0 }, hone.bias.length {},
    hone.bias.group_gap { attribute = "region", positive = { "left", "4", "5" } } }
  assert(#audit.findings > 0)
  local learn, prefer = answers:corrections()
  assert(#learn > 0 and #learn == #prefer)
  assert(prefer[1].chosen ~= prefer[1].rejected and learn[1].completion == prefer[1].chosen)
  assert(store:verify().ok)
end)

test("gold_and_models_and_what_was_left_out_are_known", function()
  local collected = require "hone.collected"
  local asks = hone.ask.list { hone.ask.preference {}, hone.ask.rating { name = "q", scale = {
    min = 1, max = 3, na = true } } }
  local records = {}
  for i = 1, 6 do
    local c = { id = "i" .. i, prompt = "p", left = "x" .. i, right = "y" .. i,
      left_model = "small", right_model = "big" }
    for k, who in ipairs { "ann", "bob" } do
      records[#records + 1] = { item = "hash" .. i, content = c, annotator = who, order = k == 1
        and { 1, 2 } or { 2, 1 },
        gold = { preference = "right", q = { 1, 3 } }, seconds = 5,
        answers = { preference = k == 1 and "second" or "first", q = i == 1 and { "na", 3 } or { 1,
          3 } } }
    end
  end
  local answers = collected.new { asks = asks, records = records, attributes = { ann = {
    region = "n" } } }
  equal(#answers.tables.q, 22)
  local gold = hone.quality.gold { least = 1 }:check(answers.tables.preference)
  equal({ gold.gold_answers, gold.annotators[1].right }, { 12, 6 })
  local board = answers:models "preference":aggregate(hone.quality.bradley_terry {})
  assert(board:option("big").strength > board:option("small").strength)
  local item = answers.tables.q:attributes "items"[1]
  assert(item.prompt == "p" and item.response and item.gold)
  s.golden("collected", table.concat({ s.fails(answers.models, answers, "q"),
    s.fails(function() collected.new { asks = asks, records = {} }:check {} end) }, "\n"))
end)

if s.failed then os.exit(1, true) end
