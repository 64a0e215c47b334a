-- hone.rounds: stages that are remembered, replays, gates, lineage, the report of trends.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, fails = s.test, s.equal, s.fails
local hone = require "hone"
local core = require "hone.core"
local stages = require "hone.stages"
local weights = require "hone.weights"

local function toy(seed, positions)
  return hone.model.new({ model_type = "llama", hidden_size = 16, num_hidden_layers = 1,
    num_attention_heads = 2, intermediate_size = 16, vocab_size = 258,
    max_position_embeddings = positions or 64 }, { seed = seed or 1 })
    :set_tokenizer(hone.tokenizer.byte {})
end
toy():save "toy"

-- ---- what stages give ----

local function trip(value, o, known)
  os.execute "rm -rf kept && mkdir kept"
  stages.write("kept", value, o)
  return stages.read("kept", known)
end

test("plain_values_come_back_bit_for_bit", function()
  local value = { 1, 2.0, -0.0, 0.1, math.mininteger, "x", "\255\0", { a = { b = false } }, {},
                  hone.json.list {}, hone.null, math.huge, [20] = "far", ["$"] = 1, [true] = "yes" }
  local back = trip(value)
  for key, x in pairs(value) do
    if type(x) ~= "table" then equal({ back[key], math.type(back[key]) }, { x, math.type(x) }) end
  end
  equal(("%a"):format(back[3]), "-0x0p+0")
  equal(back[8].a.b, false)
  equal({ hone.json.encode(back[9]), hone.json.encode(back[10]) }, { "{}", "[]" })
  local nan = trip { 0 / 0, "after" }
  assert(nan[1] ~= nan[1] and nan[2] == "after")
  equal(trip(nil), nil)
end)

test("samples_and_pairs_of_them_keep_tokens_and_log_probabilities", function()
  local made = toy():generate { prompts = { "ab", "cd" }, samples = 3, temperature = 1,
                                max_tokens = 6, seed = 3 }
  local pairs_ = made:pair { limit = 4 }
  local back = trip { all = made, pairs = pairs_ }
  for i = 1, #made do
    local a, b = made[i], back.all[i]
    equal({ b.prompt, b.response, b.finish, b.group, b.seed, b.prompt_tokens, b.response_tokens },
          { a.prompt, a.response, a.finish, a.group, a.seed, a.prompt_tokens, a.response_tokens })
    equal({ b.tokens:table(), b.logp }, { a.tokens:table(), a.logp })
  end
  equal(#back.pairs, 4)
  equal({ back.pairs[2].left.response, back.pairs[2].right.logp },
        { pairs_[2].left.response, pairs_[2].right.logp })
  local texts = hone.samples { { prompt = "p", response = "r", row = { n = 1 } } }
  equal({ trip(texts)[1].row.n, trip(texts)[1].response_tokens }, { 1, texts[1].response_tokens })
end)

local function pair_table()
  local j = hone.judgements { level = "pair" }
  for i = 1, 20 do
    j:add_pair("p" .. i, "ann", "small", "large", i % 4 == 0 and "left" or "right")
    j:add_pair("p" .. i, "bob", "small", "large", i % 5 == 0 and "tie" or "right")
    j:add_pair("q" .. i, "bob", "large", "tuned", i % 3 == 0 and "left" or "right")
  end
  j:describe_annotator("ann", { region = "north" })
  j:describe_annotator("bob", { region = "south" })
  j:describe_item("p1", { prompt = "what?" })
  return j
end

test("judgements_labels_and_audits_come_back_the_same", function()
  local j = pair_table():weigh { annotators = { bob = 0.5 } }
  local back = trip(j)
  for _, column in ipairs { "item", "annotator", "label", "value", "weight", "left", "right" } do
    equal(back:column(column), j:column(column))
  end
  for _, what in ipairs { "items", "annotators", "labels", "options" } do
    equal(back:names(what), j:names(what))
  end
  equal(back:attributes "annotators", j:attributes "annotators")
  local checked = pair_table():check { hone.quality.agreement {} }
  local labels = checked:aggregate(hone.quality.bradley_terry {})
  equal(tostring(trip(checked)), tostring(checked))
  equal((trip(labels):rows()), (labels:rows()))
  local rows = {}
  for i = 1, 12 do
    for k = 1, 4 do
      rows[#rows + 1] = { item = "i" .. k, annotator = "a" .. i,
                          value = i % k == 0 and "yes" or "no" }
    end
  end
  local votes = hone.judgements(rows, {})
  for i = 1, 12 do votes:describe_annotator("a" .. i, { region = i < 5 and "north" or "south" }) end
  local audit = hone.bias.audit { votes:aggregate(hone.quality.majority {}),
    hone.bias.group_gap { attribute = "region", positive = { "yes" }, least = 2 } }
  equal(tostring(trip(audit)), tostring(audit))
  local fair = audit:mitigate { reweigh = "region" }
  equal((trip(fair):rows()), (fair:rows()))
  local numbers = hone.judgements { level = "interval" }
  for i = 1, 6 do numbers:add("i" .. i % 3, "a" .. i, i / 7) end
  equal(trip(numbers):column "value", numbers:column "value")
  local ordinal = hone.judgements({ { item = "a", annotator = "x", value = "2" },
    { item = "b", annotator = "x", value = "1" } }, 
    { level = "ordinal", labels = { "1", "2", "3" } })
  equal({ trip(ordinal):names "labels", trip(ordinal):column "value" },
        { ordinal:names "labels", ordinal:column "value" })
end)

test("models_reward_models_plugins_data_and_tensors_come_back", function()
  local model = toy(5)
  equal(trip(model):hash(), model:hash())
  local same = trip({ model }, { known = { [model] = "policy" } }, { policy = model })
  assert(rawequal(same[1], model))
  local gold = hone.quality.gold { floor = 0.7 }
  equal(tostring(trip(gold)), tostring(gold))
  local terse = hone.metric.define { name = "terse", version = "1.0.0",
    scale = { level = "ordinal", min = 1, max = 5 }, score = function() return 1 end }
  equal(trip(terse):definition():hash(), terse:definition():hash())
  local data = hone.data.new({ { prompt = "a", completion = "b" } }, "rows")
  equal({ trip(data).hash, trip(data).name }, { data.hash, "rows" })
  equal(trip(hone.tensor { 1.5, 2 }):values(), { 1.5, 2.0 })
  local rows = {}
  for i = 1, 12 do rows[i] = { prompt = "p" .. i, chosen = "aa", rejected = "b" .. i } end
  local liked = hone.reward_model { base = toy(2), data = hone.data.new(rows, "pairs"), steps = 1 }
  local samples = hone.samples { { prompt = "p", response = "aa" },
                                 { prompt = "p", response = "c" } }
  equal(trip(liked)(samples):values(), liked(samples):values())
end)

test("weights_are_put_back_in_place_with_strategy_and_heads", function()
  local model, other = toy(1), toy(2)
  local before = model:hash()
  model:attach(hone.strategy.lora { rank = 2, seed = 3 })
  model:trainables()[2].value:copy(hone.tensor.zeros(model:trainables()[2].value.shape))
  model:add_head("value", { outputs = 1, bias = true })
  weights.save(model, "state")
  weights.load(other, "state")
  equal(other:hash(), model:hash())
  assert(other:hash() ~= before and other:heads().value == 1)
  equal(other.strategy.options.rank, 2)
end)

test("what_cannot_be_kept_raises_by_name", function()
  s.golden("rounds-function", fails(trip, { list = { { left = print } } }))
  local loop = {}
  loop.self = loop
  s.golden("rounds-loop", fails(trip, loop))
  s.golden("rounds-reward", fails(trip, hone.reward { hone.metric.length {} }))
  local ranking = hone.judgements { level = "ranking" }
  ranking:add_ranking("i", "a", { "x", "y" })
  s.golden("rounds-ranking", fails(trip, { ranking }))
end)

-- ---- replays ----

-- Two rounds of a toy; what it calls goes to calls.txt. Files called kill-N, fail-N end it
-- within the learning of round N.
local script = [[
local hone = require "hone"
local args = hone.args { runs = "a", extra = 1 }
local policy = hone.model.load "toy"
local alias, total, notes = policy, 0, { list = {} }
local prompts = hone.data.new({ { prompt = "ab" }, { prompt = "cd" } }, "prompts")
local function call(what)
  local file <close> = io.open("calls.txt", "a")
  file:write(what, "\n")
end
local function there(name)
  local file = io.open(name)
  if file then file:close() os.remove(name) end
  return file ~= nil
end
hone.rounds { name = "loop", count = 2, function(round)
  local made = round:stage("answer", function()
    call("answer " .. round.number)
    total = total + round.number
    notes.list[round.number] = round.name
    return policy:generate { prompts = prompts, samples = 4, temperature = 1, max_tokens = 6,
                             seed = round.number }, round.number
  end)
  local run = round:stage("learn", function()
    call("learn " .. round.number)
    local run = hone.grpo { policy = policy, prompts = prompts, group = 4, steps = 3, kl = 0.1, seed = #made,
      sampling = { max_tokens = 6 }, checkpoint = { every = 1 }, eval = { samples = 0 },
      optimizer = hone.optimizer.adamw { lr = 1e-2 }, strategy = round.number == 1 and
        hone.strategy.lora { rank = 2 } or nil,
      reward = function(x) return #x.response:gsub("%A", "") * args.extra end }
    if there("kill-" .. round.number) then
      local pid = io.popen "echo $PPID":read "l"
      os.execute("kill -9 " .. pid)
    end
    if there("fail-" .. round.number) then error "stopped" end
    return run
  end)
  print(run.record.kind, run.record.status, #run:history())
end }
assert(rawequal(alias, policy))
print(total, table.concat(notes.list, " "), policy:hash(), policy.strategy.name)
]]

local function fresh()
  os.execute "rm -rf runs calls.txt"
  s.write("loop.lua", script)
end

local function calls() return (s.read "calls.txt":gsub("\n", ", ")) end

local whole
test("a_killed_script_goes_on_and_ends_with_the_same_bits", function()
  fresh()
  local out, err, status = s.hone "run loop.lua"
  equal({ status, status == 0 and "" or err }, { 0, "" })
  equal(calls(), "answer 1, learn 1, answer 2, learn 2, ")
  whole = out
  for _, ending in ipairs { "kill-1", "kill-2", "fail-2" } do
    fresh()
    s.write(ending, "")
    _, err, status = s.hone "run loop.lua"
    assert(status ~= 0, err)
    out, err, status = s.hone "run --resume loop.lua"
    equal({ out, status, status == 0 and "" or err }, { whole, 0, "" })
    equal(calls(), ending == "kill-1" and "answer 1, learn 1, learn 1, answer 2, learn 2, "
      or "answer 1, learn 1, answer 2, learn 2, learn 2, ")
  end
  local _, again = s.hone "run --resume loop.lua"
  assert(again:find("no unfinished run", 1, true), again)
end)

test("a_stage_whose_inputs_changed_is_refused_or_made_again", function()
  fresh()
  s.write("fail-2", "")
  s.hone "run loop.lua"
  s.write("loop.lua", (script:gsub("max_tokens = 6,\n", "max_tokens = 5,\n")))
  local _, err, status = s.hone "run --resume loop.lua"
  equal(status, 1)
  s.golden("rounds-changed", err)
  s.write("loop.lua", (script:gsub("max_tokens = 6,\n", "max_tokens = 5,\n")
    :gsub("count = 2,", 'count = 2, changed = "again",')))
  local out
  out, err, status = s.hone "run --resume loop.lua"
  equal({ status, status == 0 and "" or err }, { 0, "" })
  assert(err:find("answer is made again: its text changed", 1, true), err)
  -- All that came after depended on it.
  equal(calls(), "answer 1, learn 1, answer 2, learn 2, answer 1, learn 1, answer 2, learn 2, ")
  -- Comments move nothing, and other beginnings are other rounds.
  fresh()
  s.write("fail-2", "")
  s.hone "run loop.lua"
  s.write("loop.lua", "-- a line more\n" .. script)
  equal(s.hone "run --resume loop.lua", whole)
  s.write("fail-1", "")
  s.hone "run loop.lua"
  _, err = s.hone "run loop.lua"
  assert(err:find("round 1 of loop-3: answer", 1, true), err)
end)

test("a_model_that_a_stage_gives_is_the_script's_own_and_counts_by_its_weights", function()
  os.execute "rm -rf runs"
  local policy, made = toy(), 0
  hone.rounds { name = "own", count = 1, function(round)
    local same = round:stage("give", function() return policy end)
    assert(rawequal(same, policy))
    local before = hone.json.encode(policy:parameters()[1].weight:values())
    for _, changed in ipairs { false, true } do
      if changed then policy:parameters()[1].weight:copy(toy(7):parameters()[1].weight) end
      round:stage(changed and "use-2" or "use-1", function()
        made = made + 1
        return policy:hash(), before
      end)
    end
  end }
  equal(made, 2)
  local function inputs(stage)
    return hone.json.read(("runs/own/round-1/%s/stage.json"):format(stage)).inputs.variables.policy
  end
  assert(inputs "02-use-1" ~= inputs "03-use-2")
  -- What a killed program was writing is no stage.
  os.execute "cp -r runs/own/round-1/02-use-1 runs/own/round-1/04-more.tmp"
  equal(#require "hone.lineage".series("runs")[1].rounds[1].stages, 3)
end)

test("mistakes_in_rounds_are_told_by_name", function()
  local function failing(body)
    s.write("wrong.lua", ([[
local hone = require "hone"
hone.rounds { name = "wrong", function(round) %s end }]]):format(body))
    os.execute "rm -rf runs"
    local _, err = s.hone "run wrong.lua"
    return err
  end
  s.golden("rounds-twice",
    failing 'round:stage("a", function() end) round:stage("a", function() end)')
  s.golden("rounds-within",
    failing 'round:stage("a", function() round:stage("b", function() end) end)')
  s.golden("rounds-name", failing 'round:stage("a b", function() end)')
  s.golden("rounds-result",
    failing 'round:stage("a", function() return { hone.reward { hone.metric.length {} } } end)')
  s.golden("rounds-log", failing 'round:log { good = "yes" }')
  s.golden("rounds-gate", failing 'round:gate { evaluation = { name = "x" } }')
  s.golden("rounds-audit", failing 'round:gate { audit = 3 }')
  s.golden("rounds-options", (fails(hone.rounds, { name = "x" })))
  s.golden("rounds-lineage", fails(hone.lineage, 3))
end)

-- ---- people ----

local waiting = [[
local hone = require "hone"
local store = hone.store "people.db"
hone.rounds { name = "asked", count = 1, function(round)
  local choices = round:stage("answer", function()
    return hone.model.load "toy":generate { prompts = { "ab", "cd" }, samples = 2, max_tokens = 6,
      temperature = 1, seed = 1 }:pair {}
  end)
  local answers = round:stage("judge", function()
    return store:task { name = round.name, ask = { hone.ask.preference {} }, overlap = 1 }
      :add(choices):wait()
  end)
  print(#answers, answers.tables.preference)
end }
]]

test("waiting_for_people_ends_with_75_and_goes_on_when_they_are_done", function()
  os.execute "rm -rf runs people.db*"
  s.write("waiting.lua", waiting)
  local _, err, status = s.hone "run waiting.lua"
  equal(status, 75)
  s.golden("rounds-waiting", err)
  equal(hone.json.read("runs/asked/run.json").status, "waiting")
  _, _, status = s.hone "run --resume waiting.lua"
  equal(status, 75)
  local store <close> = hone.store "people.db"
  local task = store:task "asked-1"
  local ann = store:annotator "Ann"
  for _ = 1, 2 do
    local a = task:next(ann)
    -- How long the responses are goes with them.
    assert(math.type(a.content.left_tokens) == "integer")
    task:submit(a, { preference = "first" }, { seconds = 5 })
  end
  local out
  out, _, status = s.hone "run --resume waiting.lua"
  equal({ status, out:match "^2\t" }, { 0, "2\t" })
  local run = hone.json.read "runs/asked/run.json"
  equal({ run.status, run.problem, run.complete }, { "finished", nil, true })
  local record = hone.json.read "runs/asked/round-1/02-judge/stage.json"
  equal({ record.judgements[1].judgements, record.judgements[1].first, record.judgements[1].task },
        { 2, 1, "asked-1" })
end)

-- ---- gates ----

test("a_gate_stops_a_round_whose_evaluation_falls_or_whose_audit_fails", function()
  os.execute "rm -rf runs"
  local values, reached = { 3, 2.5 }, {}
  local function run(o)
    values = o.values
    reached = {}
    return pcall(hone.rounds, { name = "gated", count = 2, gates = o.gates, function(round)
      round:gate { evaluation = { name = "liked", value = values[round.number], floor = o.floor,
                                  fall = o.fall }, override = o.override }
      reached[round.number] = true
    end })
  end
  local ok, said = run { values = { 3, 2.5 } }
  equal({ ok, #reached }, { false, 1 })
  s.golden("rounds-fall", tostring(said))
  equal({ run { values = { 3, 2.5 }, fall = 0.5 } and #reached,
          run { values = { 3, 2.5 }, gates = "warn" } and #reached,
          run { values = { 3, 2.5 }, override = true } and #reached }, { 2, 2, 2 })
  ok, said = run { values = { 3, 4 }, floor = 3.5 }
  equal({ ok, #reached }, { false, 0 })
  s.golden("rounds-floor", tostring(said):gsub("gated%-%d", "gated-N"))

  local low = pair_table():check { hone.quality.agreement { floor = 0.99 } }
  ok, said = pcall(hone.rounds, { name = "audited", function(round)
    round:gate { audit = low }
  end })
  equal(ok, false)
  assert(said:find("the gate is shut: agreement failed", 1, true), said)
  assert(pcall(hone.rounds, { name = "audited", function(round)
    round:gate { audit = pair_table():check { hone.quality.agreement { floor = -1 } } }
  end }))
end)

test("a_gate_measures_a_policy_once", function()
  os.execute "rm -rf runs"
  local policy, asked = toy(), 0
  local function run()
    hone.rounds { name = "measured", function(round)
      for _ = 1, 2 do
        round:gate { evaluation = { name = "letters", policy = policy, prompts = { "a", "b" },
          max_tokens = 4, by = function(x) asked = asked + 1 return #x.response end } }
      end
    end }
  end
  run()
  equal(asked, 2)
  assert(hone.json.read("runs/measured/round-1/round.json").gates.letters.value >= 0)
end)

-- ---- lineage and report ----

test("lineage_leads_from_a_policy_to_judgements_and_the_report_shows_trends", function()
  os.execute "rm -rf runs out feedback.db*"
  local out, err, status = s.hone("run " .. os.getenv "HONE_SOURCE" ..
    "/examples/rounds.lua pairs=20 steps=2")
  equal({ status, status == 0 and "" or err }, { 0, "" })
  assert(out:find("policy %x+: letters, round 2, learn"), out)
  assert(out:find("judge of round 1: 60 judgements by 8 annotators, task letters-1, " ..
    "judgements 1 to 60 of the store", 1, true), out)
  assert(out:find("%x+: as it was before the rounds\n$"), out)
  assert(tostring(hone.lineage(toy(9))):find("no stage made it", 1, true))
  out, err, status = s.hone "report feedback.db --wage 18 --out trends.html"
  equal({ status, status == 0 and "" or err }, { 0, "" })
  assert(out:find("letters%-2: 20 of 20 items, 60 judgements by 8 annotators, .* cost %d"), out)
  local page = s.read "trends.html"
  for _, said in ipairs { "throughput: judgements an hour of work", "Krippendorff",
                          "reward, last step", "Items that people judge differently", "stands out by", "<svg " } do
    assert(page:find(said, 1, true), said)
  end
  assert(not page:find("http", 1, true) and not page:find("sim-1", 1, true))
  out = s.hone "report feedback.db --json"
  local found = hone.json.decode(out)
  equal({ #found.tasks, #found.annotators, #found.series[1].rounds }, { 2, 8, 2 })
  s.golden("rounds-store", select(2, s.hone "report none.db"))
end)

test("disagreement_is_counted_by_item_answer_word_and_annotator", function()
  os.execute "rm -rf seen.db* runs"
  local store <close> = hone.store "seen.db"
  local task = store:task { name = "t", overlap = 3, glossary = { hedge = "to say less" },
    ask = { hone.ask.preference {} } }
  local function content(id)
    return { id = id, prompt = id == "a" and "no hedge" or "plain", left = "l", right = "r",
             left_model = "old", right_model = "new" }
  end
  task:add { content "a", content "b" }
  local rows = {}
  for k, who in ipairs { "ann", "bob", "cid" } do
    for _, id in ipairs { "a", "b" } do
      rows[#rows + 1] = { content = content(id), annotator = who, order = { 1, 2 },
        seconds = k == 3 and 50 or 10,
        answers = { preference = id == "a" and k == 3 and "second" or "first" } }
    end
  end
  task:import(rows)
  local found = require "hone.trends".of(store, { wage = 36 })
  equal({ #found.items, found.items[1].item, found.items[1].total }, { 1, "a", 3 })
  s.near(found.items[1].dispute, 1 / 3, 1e-12)
  equal({ found.confused[1].first, found.confused[1].second, found.confused[1].items },
        { "left", "right", 1 })
  equal({ found.terms[1].term, found.terms[1].items, found.terms[1].others }, { "hedge", 1, 0.0 })
  -- Of six answers three agree with the other two, two tie at half, one stands alone.
  s.near(found.tasks[1].together, 4 / 6, 1e-12)
  s.near(found.tasks[1].cost, 36 * 140 / 3600, 1e-9)
  equal(found.tasks[1].wins, { old = 5 / 6, new = 1 / 6 })
  equal(found.annotators[1].notes[1], "slow: 5 times as long as others")
end)

-- ---- the whole loop ----

test("the_loop_of_the_northstar_runs_as_it_stands", function()
  local path = s.data "" .. "../northstar/2_rlhf.lua"
  local file = io.open(path)
  if not file then s.skip "no script of the whole loop" end
  file:close()
  os.execute "rm -rf runs feedback.db* out && mkdir -p guidelines"
  toy(1, 160):save "wide"
  s.write("guidelines/answers.md", "The better answer has more letters.\n")
  local rows = {}
  for i = 1, 6 do rows[i] = hone.json.encode { prompt = "word " .. i } end
  s.write("prompts.jsonl", table.concat(rows, "\n"))
  s.write("people.lua", ([[
local hone = require "hone"
local function letters(said) return #said:gsub("%%A", "") / 4 end
hone.simulate.attach(hone.simulate.annotators { count = 12, seed = 1, spam = 0.1,
  groups = { region = { north = 0.5, south = 0.5 } },
  truth = function(_, option) return letters(option.text) end })
dofile %q]]):format(path))
  local _, err, status = s.hone "run people.lua model=wide prompts=prompts.jsonl rounds=1"
  equal({ status, status == 0 and "" or err }, { 0, "" })
  assert(hone.model.load "out/aligned":hash() ~= toy(1, 160):hash())
  assert(tostring(hone.lineage "out/aligned"):find("judge of round 1", 1, true))
end)

if s.failed then os.exit(1, true) end
