-- What metrics ask of tasks: versions, raters, when people may stop, what answers must come with.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, fails = s.test, s.equal, s.fails
local hone = require "hone"

-- A script of its own: another process does not know what was defined before.
local function define(more, after)
  s.write("define.lua", ([[
local hone = require "hone"
local given = { name = "tone", version = "1.0.0", scale = { level = "ordinal", min = 1, max = 3 },
                question = "How warm?" }
for key, value in pairs(%s) do given[key] = value end
local tone = hone.metric.define(given)
local store <close> = hone.store "tone.db"
local task = store:task { name = "t", overlap = 2, ask = { hone.ask.rating(tone) } }
%s]]):format(more, after or ""))
  return s.hone "run define.lua"
end

test("a_metric_redefined_with_the_same_version_is_refused_by_the_store", function()
  os.execute "rm -f tone.db*"
  local judge = [[
task:add { { id = "q", prompt = "p", response = "r" } }
local ann = store:annotator "Ann"
task:submit(task:next(ann), { tone = 2 }, { seconds = 4 })
local r = task:answers()
print(#r, r.tables.tone and #r.tables.tone or 0, r.report.recheck.tone, r.report.void.tone)]]
  local show = judge:match "local r = .*"
  equal(define("{}", judge), "1\t1\t0\t0\n")
  local _, err = define [[{ question = "How warm is it?" }]]
  s.golden("task-metric-changed", err)
  _, err = define [[{ scale = { level = "ordinal", min = 1, max = 5 }, version = "1.1.0" }]]
  s.golden("task-metric-scale", err)
  -- With its version it still is another task, unless that is meant.
  local script = [[{ question = "How warm is it?", version = "1.1.0" }]]
  _, err = define(script)
  s.golden("task-metric-other", err)
  local function with_revise(more)
    define(more, show)
    s.write("define.lua", (s.read "define.lua":gsub("overlap = 2", "overlap = 2, revise = true")))
    return (s.hone "run define.lua")
  end
  equal(with_revise(script), "1\t1\t1\t0\n")
  equal(with_revise [[{ version = "2.0.0", scale = { level = "ordinal", min = 1, max = 5 } }]],
        "1\t0\t0\t1\n")
end)

local count = 0
local function task_of(human, asks, overlap)
  count = count + 1
  os.execute(("rm -f m-%d.db*"):format(count))
  local store = hone.store(("m-%d.db"):format(count), { durable = false })
  local metric = hone.metric.define { name = "m" .. count, version = "1.0.0", human = human,
    scale = { level = "ordinal", min = 1, max = 3 }, score = function() return 1 end }
  local list = { hone.ask.rating { metric = metric, name = "m" } }
  for _, ask in ipairs(asks or {}) do list[#list + 1] = ask end
  return store:task { name = "t", overlap = overlap, ask = list }:add {
    { id = "q", prompt = "p", response = "words" } }, store
end

local function judge(task, store, who, answers)
  local a = task:next(store:annotator(who))
  return a and task:submit(a, answers, { seconds = 3 })
end

test("an_item_wants_as_many_people_as_the_metric_does", function()
  equal(task_of({ raters = 5 }, nil, 2):counts().wanted, 5)
  equal(task_of({ raters = 2 }, nil, 4):counts().wanted, 4)
end)

test("people_stop_when_the_metric_is_sure", function()
  local task, store = task_of({ raters = 2, confidence = 0.8 }, nil, 6)
  judge(task, store, "a", { m = 3 })
  equal(task:counts().wanted, 5)
  judge(task, store, "b", { m = 3 })
  -- Two of two: the chance that most people agree is 0.875.
  equal({ task:counts().wanted, task:counts().judgements }, { 0, 2 })
  assert(not judge(task, store, "c", { m = 3 }))
  task, store = task_of({ raters = 2, confidence = 0.8 }, nil, 6)
  judge(task, store, "a", { m = 3 })
  judge(task, store, "b", { m = 1 })
  equal(task:counts().wanted, 4)
end)

test("answers_come_with_the_correction_or_span_that_the_metric_needs", function()
  local human = { verdict = { positive = { 3 }, ["needs improvement"] = { 2 }, negative = { 1 } },
                  correction = { "needs improvement" } }
  s.golden("task-metric-lacks", fails(task_of, human))
  local task, store = task_of(human, { hone.ask.correction { optional = true } })
  s.golden("task-metric-correction", fails(judge, task, store, "a", { m = 2 }))
  -- One that changes nothing is none.
  assert(fails(judge, task, store, "a", { m = 2, correction = { text = "words" } })
    :find("needs a correction", 1, true))
  assert(judge(task, store, "a", { m = 2, correction = { text = "better words" } }))
  assert(judge(task, store, "b", { m = 3 }))
  task, store = task_of({ verdict = human.verdict, span = { "negative" } },
    { hone.ask.spans { labels = { "here" }, optional = true } })
  s.golden("task-metric-span", fails(judge, task, store, "a", { m = 1 }))
  assert(judge(task, store, "a", { m = 1, spans = { { label = "here", start = 0, ["end"] = 2 } } }))
end)

if s.failed then os.exit(1, true) end
