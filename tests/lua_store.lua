-- hone.store and its tasks from Lua: what a script and `hone annotate` do with them.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, fails = s.test, s.equal, s.fails
local hone = require "hone"

local now, count = 1000, 0

-- A fresh store, its clock ours.
local function open()
  count = count + 1
  local path = ("store-%d.db"):format(count)
  for _, ending in ipairs { "", "-wal", "-shm" } do os.remove(path .. ending) end
  return hone.store(path, { clock = function() return now end, durable = false }), path
end

local function pair(n)
  return { prompt = "question " .. n, left = "yes " .. n, right = "no " .. n }
end

local function task_of(store, more)
  local o = { name = "answers", ask = { hone.ask.preference {} }, overlap = 2 }
  for key, value in pairs(more or {}) do o[key] = value end
  return store:task(o)
end

local function judge(task, annotator, value)
  local a = task:next(annotator)
  return a and task:submit(a, { preference = value }, { seconds = 2 }), a
end

test("a_task_is_served_judged_and_answered", function()
  local store = open()
  local task = task_of(store):add { pair(1), pair(2) }
  for _, name in ipairs { "Ann", "Bob" } do
    local who = store:annotator { name = name, attributes = { region = "north" } }
    assert(judge(task, who, "first") and judge(task, who, "second"))
    equal(task:next(who), nil)
  end
  equal(task:counts().wanted, 0)
  local answers = task:wait()
  equal(#answers, 4)
  equal(#answers.tables.preference, 4)
  equal(store:verify().ok, true)
end)

test("waiting_for_people_ends_with_status_75_and_says_what_to_do", function()
  local store = open()
  local task = task_of(store):add { pair(1) }
  local problem = fails(task.wait, task)
  equal(problem.status, 75)
  s.golden("lua-store-wait", tostring(problem))
  s.golden("lua-store-empty", fails(function() task_of(store, { name = "none" }):wait() end))
end)

test("attached_workers_are_asked_before_people", function()
  local store = open()
  store:attach(function(task)
    for i = 1, 2 do judge(task, store:annotator("worker " .. i), "first") end
  end)
  equal(#task_of(store):add({ pair(1) }):wait(), 2)
end)

test("answers_are_checked_by_the_asks_before_they_are_kept", function()
  local store = open()
  local task = task_of(store):add { pair(1) }
  local a = task:next(store:annotator "Ann")
  s.golden("lua-store-value", fails(task.submit, task, a, { preference = "best" }))
  s.golden("lua-store-ask", fails(task.submit, task, a, { prefrence = "first" }))
  s.golden("lua-store-seconds", fails(task.submit, task, a, { preference = "first" }, { seconds = -1 }))
  equal(task:counts().judgements, 0)
end)

test("changes_skips_flags_and_releases", function()
  local store = open()
  local ann = store:annotator "Ann"
  local task = task_of(store, { overlap = 1 }):add { pair(1), pair(2), pair(3) }
  local done, a = judge(task, ann, "first")
  task:change(done.judgement, a, { preference = "second" }, { seconds = 1 })
  task:skip(task:next(ann), "not mine")
  local b = task:next(ann)
  s.golden("lua-store-flag", fails(task.flag, task, b))
  task:release(b)
  equal(task:next(ann).item, b.item)
  local seen = {}
  for j in task:judgements() do seen[#seen + 1] = j.answers.preference end
  equal(seen, { "second" })
  equal(#store:list("judgements", { task = "answers", current = false }), 2)
end)

test("the_same_name_is_the_same_task_and_says_what_differs", function()
  local store, path = open()
  s.write("guide.md", "Prefer what is true.\n")
  local task = task_of(store, { guideline = "guide.md", glossary = { true_ = "so" } })
  equal(task:guideline(), "Prefer what is true.\n")
  equal(task_of(store, { guideline = "guide.md", glossary = { true_ = "so" } }).version, 1)
  equal(store:task("answers").definition.overlap, 2)
  s.write("guide.md", "Prefer what is kind.\n")
  local again = task_of(store, { guideline = "guide.md", glossary = { true_ = "so" }, revise = true })
  equal(again.version, 2)
  equal(again:guideline(), "Prefer what is kind.\n")
  s.golden("lua-store-differs", fails(task_of, store, { overlap = 3, glossary = { true_ = "so" },
                                                         guideline = "guide.md" }))
  os.remove("guide.md")
  s.golden("lua-store-guideline", fails(task_of, store, { guideline = "guide.md" }))
  s.golden("lua-store-name", fails(store.task, store, "answer"))
  s.golden("lua-store-option", fails(task_of, store, { overlp = 3 }))
  s.golden("lua-store-path", fails(hone.store, 3))
  store:close()
  equal(hone.store(path):task("answers").version, 2)
end)

test("what_raises_in_a_batch_is_undone", function()
  local store = open()
  local task = task_of(store)
  fails(store.atomically, store, function()
    task:add { pair(1) }
    error "no"
  end)
  equal(task:counts().items, 0)
  store:atomically(function() task:add { pair(1) } end)
  equal(task:counts().items, 1)
end)

test("lines_go_out_and_in_and_a_broken_one_is_named", function()
  local store = open()
  local task = task_of(store)
  local line = '{"content":{"prompt":"p","left":"a","right":"b"},"annotator":"x%d",'
    .. '"answers":{"%s":"first"},"order":[2,1],"seconds":3.5,"at":5}\n'
  s.write("good.jsonl", line:format(1, "preference") .. line:format(2, "preference")
    .. '{"content":{"prompt":"q","left":"a","right":"b"},"sides":2}\n')
  equal(task:load("good.jsonl"), { lines = 3, judgements = 2, items = 2, again = 0, broken = 0,
                                   errors = {} })
  s.write("bad.jsonl", line:format(3, "preference") .. "\n" .. line:format(4, "prefers")
    .. "{ no\n" .. line:format(5, "preference"))
  s.golden("lua-store-line", fails(task.load, task, "bad.jsonl"))
  equal(task:counts().judgements, 2)
  local report = task:load("bad.jsonl", { keep = true })
  equal({ report.judgements, report.broken, report.lines }, { 2, 2, 4 })
  for i, said in ipairs(report.errors) do s.golden("lua-store-line-" .. i, said) end
  equal(store:export("judgements", "out.jsonl", { task = "answers", limit = 3 }), 4)
  local rows = {}
  for text in io.lines "out.jsonl" do rows[#rows + 1] = hone.json.decode(text) end
  equal(rows[4].answers, { preference = "first" })
  equal(rows[1].order, { 2, 1 })
  s.golden("lua-store-line-none", fails(task.load, task, "none.jsonl"))
end)

test("an_erased_annotator_is_gone_and_the_log_holds", function()
  local store = open()
  local task = task_of(store):add { pair(1) }
  local ann = store:annotator { name = "Ann", details = { mail = "ann@example.org" } }
  judge(task, ann, "first")
  local head = store:verify()
  store:erase(ann.id, { text = true, reason = "asked" })
  equal(store:annotators()[1].name, nil)
  equal(store:verify(head).ok, true)
  equal(store:verify({ row = 99, hash = head.hash }).ok, false)
end)

test("a_store_plugin_is_a_kind_like_others", function()
  local plugin = hone.store.sqlite { path = ":memory:" }
  equal(plugin.kind, "store")
  equal(plugin:request("list", { what = "tasks" }).rows, {})
  s.golden("lua-store-request", fails(plugin.request, plugin, "nxt", {}))
  s.golden("lua-store-busy", fails(hone.store, "x.db", { busy = -1 }))
end)
