-- Judging at a terminal: the program in a pseudo-terminal, key by key.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal = s.test, s.equal
local hone = require "hone"
local terminal = require "hone.terminal"
local json = hone.json

local function store_with(asks, items, more)
  os.execute "rm -f s.db s.db-wal s.db-shm"
  local store = hone.store "s.db"
  local given = { name = "t", overlap = 2, ask = asks, glossary = {
    hedge = "to say less than one knows" } }
  for key, value in pairs(more or {}) do given[key] = value end
  return store, store:task(given):add(items)
end

local function pairs_of(n)
  local list = {}
  for i = 1, n do
    list[i] = { id = "q" .. i, prompt = "Question " .. i .. "?", left = "Left " .. i .. ".",
      right = "Right " .. i .. "." }
  end
  return list
end

-- `hone annotate` under a script of pty.c, in a terminal of this size.
local function drive(script, o)
  o = o or {}
  s.pty(script, o.columns or 100, o.rows or 40, "annotate " .. (o.arguments or "s.db t --as ann"),
    o.env)
end

local function judgements(task)
  local list = {}
  for j in task:judgements() do list[#list + 1] = j end
  return list
end

local function states(store)
  local list = {}
  for a in store:each "assignments" do list[#list + 1] = a.state .. (a.reason and ": " .. a.reason
    or "") end
  return list
end

test("a_person_judges_with_single_keys_reads_steps_back_and_skips", function()
  local store, task = store_with({ hone.ask.preference { strength = 3 },
    hone.ask.rating { name = "tone", scale = { min = 1, max = 5, na = true }, anchors = {
      [5] = "warm" },
                      guideline = "Judge the tone alone." },
    hone.ask.correction {} }, pairs_of(3))
  drive [[
expect 0 judged by you now, 0 of 3 items finished
expect response 1
expect response 2
expect Which response is better?
send 2
expect How much better?
send 1
expect Rate: tone, response 1
expect 5  warm
send 5
expect response 2
send n
expect Correct a response?
send 1
expect What should it say?
send \r
expect >
send  Really.\r
expect 1 judged by you now
send g
expect Judge the tone alone.
send x
expect Which response
send ?
expect hedge: to say less
send x
expect Which response
send u
expect changing the last one
send 13
expect Rate: tone, response 1
send u
expect How much better?
send 213\r
expect 1 judged by you now
expect Which response
send s
expect why skip?
send \r
expect why skip?
send not my field\r
expect Which response
send f
expect why flag?
send cut short\r
expect 1 judgement saved. There is nothing more for you
status 0
cooked
]]
  local list = judgements(task)
  equal(#list, 1)
  local answers = list[1].answers
  equal({ answers.preference, answers.tone }, { { choice = "first", strength = 2 }, { 1, 3 } })
  equal(list[1].supersedes, 1)
  equal(states(store), { "done", "skipped: not my field", "flagged: cut short" })
  assert(store:verify().ok)
  local first
  for j in task:judgements { current = false } do first = first or j end
  local row = task.asks[3]:rows(first.answers.correction, first.content, first.order)[1]
  assert(row.corrected.text:find "Really%.$", row.corrected.text)
end)

test("whatever_ends_it_nothing_is_lost_and_the_lease_is_given_back", function()
  for _, case in ipairs { { "send \\x03", 130 }, { "signal 15", 143 }, { "signal 1", 129 }, {
    "send q", 0 } } do
    local store, task = store_with({ hone.ask.preference {} }, pairs_of(2))
    drive(("expect Which\nsend 1\nexpect 1 judged\nexpect Which\n%s\nstatus %d\ncooked\n"):format(case[1], case[2]))
    equal(#judgements(task), 1)
    equal(states(store), { "done", "released" })
    local c = task:counts()
    equal({ c.live, c.judgements }, { 0, 1 })
  end
end)

test("a_killed_program_has_saved_what_it_acknowledged", function()
  local _, task = store_with({ hone.ask.preference {} }, pairs_of(3))
  drive "expect Which\nsend 1\nexpect 1 judged\nsend 3\nexpect 2 judged\nsignal 9\nstatus 137\n"
  equal(#judgements(task), 2)
  equal(judgements(task)[2].answers.preference, "tie")
end)

test("answers_given_after_the_lease_ended_are_saved_or_said_to_be_lost", function()
  local _, task = store_with({ hone.ask.verdict {} }, { { id = "a", response = "x" } }, { lease = 1 })
  -- No one else took the item: its next lease takes the answer.
  drive "expect What do you\nwait 1500\nsend 1\nexpect 1 judgement saved\nstatus 0\n"
  equal(#judgements(task), 1)
  local store
  store, task = store_with({ hone.ask.verdict {} }, { { id = "a", response = "x" } },
    { lease = 1, overlap = 1 })
  s.write("other.lua", [[
    local hone = require "hone"
    local task = hone.store "s.db":task "t"
    local a = task:next(task.store:annotator "bob")
    task:submit(a, { verdict = "negative" })]])
  drive(("expect What do you\nwait 1500\nrun '%s/hone' run other.lua\nsend 1\nexpect was not saved\n"
      .. "send d\nexpect 0 judgements saved\nstatus 0\n"):format(os.getenv "HONE_BUILD"))
  equal({ #judgements(task), judgements(task)[1].answers.verdict }, { 1, "negative" })
  assert(store:verify().ok)
end)

test("the_screen_follows_the_size_and_long_text_scrolls", function()
  local long = {}
  for i = 1, 60 do long[i] = "line " .. i end
  store_with({ hone.ask.verdict {} }, { { id = "a", prompt = table.concat(long, "\n"),
    response = "The end." } })
  drive([[
expect line 1
expect more lines: space
expect What do you think
resize 30 70
expect line 55
expect What do you think
resize 60 20
expect more lines
send \e[6~
expect line 12
send \e[F
expect The end.
send 2
expect 1 judgement saved
status 0
]], { columns = 60, rows = 20 })
end)

test("what_models_wrote_never_reaches_the_terminal_as_codes", function()
  store_with({ hone.ask.verdict {} }, { { id = "a",
    response = "before\27]0;title\7\27[2Jafter\194\155x" } })
  drive "expect before?]0;title??[2Jafter\nsend q\nstatus 0\n"
  equal(terminal.clean "a\27b\194\155c\rd\te", "a?b?c\nd    e")
end)

test("a_paste_is_no_answer", function()
  local _, task = store_with({ hone.ask.verdict {} }, pairs_of(1))
  drive "expect What do\nsend \\e[200~123\\e[201~\nexpect What do\nsend q\nstatus 0\n"
  equal(#judgements(task), 0)
end)

test("ranks_labels_spans_and_lines_are_entered", function()
  local _, task = store_with({ hone.ask.ranking {}, hone.ask.labels { labels = { "x", "y" },
    many = true, optional = true,
                                                                     name = "l" } },
    { { id = "a", prompt = "p", options = { "one", "two", "three" } } })
  drive [[
expect Rank the responses
send 3\r
expect rank all of them
send =1
expect best first: 3 = 1
send \x7f2
expect best first: 3 > 2
send 1\r
expect Which label fits?, response 1
send 2
expect [x] y
send \r
expect response 2
send \r
expect response 3
send 12\r
expect 1 judgement saved
status 0
]]
  equal(json.encode(judgements(task)[1].answers), '{"l":[["y"],[],["x","y"]],"ranking":[3,2,1]}')
  _, task = store_with({ hone.ask.spans { labels = { "claim" } },
    hone.ask.rating { name = "s", scale = { level = "interval", min = 0, max = 1 } } },
    { { id = "b", prompt = "p", response = "He said it is true." } })
  drive [[
expect 1:He 2:said
send \r
expect >
send 9 claim\r
expect words 9 to 9 (allowed: 1 to 5)
send \r3-5 claim\r
expect   3-5 claim
send d
expect Rate: s (0 to 1)
send \r2\r
expect 2 is not on the scale
send \r0.5\r
expect 1 judgement saved
status 0
]]
  equal(json.encode(judgements(task)[1].answers),
    '{"s":0.5,"spans":[{"end":19,"label":"claim","start":8}]}')
end)

test("a_correction_is_written_in_an_editor", function()
  local _, task = store_with({ hone.ask.verdict { correction = true } },
    { { id = "a", prompt = "p", response = "He sayed\nit." } })
  s.write("editor", "#!/bin/sh\nsed -i s/sayed/said/ \"$1\"\n")
  os.execute "chmod +x editor"
  drive("expect What do you\nsend 2\nexpect What should it say?\nsend e\nexpect 1 judgement saved\nstatus 0\ncooked\n",
    { env = "TERM=xterm EDITOR=./editor VISUAL=" })
  local j = judgements(task)[1]
  equal(json.encode(j.answers),
    '{"verdict":{"correction":{"diff":[["=",1],["-"," sayed"],["+"," said"],["=",1]]},"verdict":"needs improvement"}}')
  equal(task.asks[1]:rows(j.answers.verdict, j.content, j.order)[1].corrected.text, "He said\nit.")
end)

test("two_people_get_each_item_once_and_a_dumb_terminal_will_do", function()
  local _, task = store_with({ hone.ask.preference {} }, pairs_of(2))
  for _, who in ipairs { "ann", "bob" } do
    drive("expect Which\nsend 1\nexpect 1 judged\nsend 2\nexpect 2 judgements saved\nstatus 0\n",
      { arguments = "s.db t --as " .. who, env = "TERM=dumb" })
  end
  local seen = {}
  for _, j in ipairs(judgements(task)) do
    local key = j.item .. j.annotator
    assert(not seen[key])
    seen[key] = true
  end
  equal({ #judgements(task), task:counts().wanted }, { 4, 0 })
end)

test("without_a_terminal_a_store_a_task_or_a_name_it_says_so", function()
  store_with({ hone.ask.preference {} }, pairs_of(1))
  local lines = {}
  for i, arguments in ipairs { "annotate s.db t --as ann", "annotate s.db u --as ann",
    "annotate none.db t --as ann",
                               "annotate s.db t", "annotate s.db", "task s.db lits",
                                 "task s.db show",
                               "task none.db", "task s.db export t", "task s.db adjudicate t" } do
    local out, err, status = s.hone(arguments)
    equal({ out, status }, { "", 1 })
    lines[i] = (err:gsub("%s+$", ""))
  end
  s.golden("annotate-mistakes", table.concat(lines, "\n"))
end)

test("tasks_are_listed_paused_and_looked_into", function()
  local _, task = store_with({ hone.ask.preference {} }, pairs_of(4))
  local pool = hone.simulate.annotators { count = 2, skill = 0.6, truth = function(_,
    o) return o.text:find "Left" and 1 or 0 end }
  task:simulate(pool)
  local said = json.decode((s.hone "task s.db --json"))
  equal({ said.name, said.state, said.items, said.judgements }, { "t", "open", 4, 8 })
  equal((s.hone "task s.db pause t"), "task t is paused\n")
  assert(s.hone("task s.db"):find("paused", 1, true))
  s.golden("annotate-paused", s.fails(task.next, task, hone.store "s.db":annotator "new".id))
  equal((s.hone "task s.db resume t"), "task t is open\n")
  local shown = json.decode((s.hone "task s.db show t --json"))
  equal({ #shown.annotators, shown.annotators[1].judged }, { 2, 4 })
  assert(s.hone("task s.db show t"):find("asks preference", 1, true))
  assert(s.hone("task s.db adjudicate t"):find("disputed item", 1, true))
  equal((s.hone "task s.db guideline t"),
    "there is no guideline\nhedge: to say less than one knows\n")
end)

test("text_is_wrapped_at_the_width_that_it_takes", function()
  equal(terminal.wrap("one two  three", 20), { "one two  three" })
  equal(terminal.wrap("one two three four", 9), { "one two", "three", "four" })
  equal(terminal.wrap("abcdefghijkl mn", 8), { "abcdefgh", "ijkl mn" })
  equal(terminal.wrap("日本語日本語", 8), { "日本語日", "本語" })
  equal(terminal.wrap("  a b c d e f", 8), { "  a b c", "d e f" })
  equal(terminal.width "e\u{301}日", 3)
  equal(terminal.clean "\255\254", "??")
end)

test("what_a_metric_needs_beside_an_answer_is_asked_for_again", function()
  local tone = hone.metric.define { name = "needy", version = "1.0.0",
    scale = { level = "ordinal", min = 1, max = 3 }, score = function() return 1 end,
    human = { verdict = { positive = { 3 }, negative = { 1, 2 } }, correction = { "negative" } } }
  local _, task = store_with({ hone.ask.rating(tone), hone.ask.correction { optional = true } },
    pairs_of(1))
  drive [[
expect response 1
send 2
expect response 2
send 3
expect Correct a response?
send \r
expect 2 is negative, which needs a correction
send 1
expect What should it say?
send \r
expect >
send  Better.\r
expect 1 judgement saved. There is nothing more for you
status 0
]]
  equal(#judgements(task), 1)
end)

test("the_pieces_of_lua_in_the_tutorial_and_the_example_run", function()
  local source, found = os.getenv "HONE_SOURCE", 0
  for piece in s.read(source .. "/docs/annotate.md"):gmatch "```lua\n(.-)```" do
    found = found + 1
    s.write("piece.lua", piece)
    local _, err, status = s.hone "run piece.lua"
    equal({ status, err }, { 0, "" })
  end
  equal(found, 3)
  local example = "run " .. source .. "/examples/judge.lua store=judge.db"
  local _, err, status = s.hone(example)
  equal(status, 75)
  s.golden("annotate-waiting", (err:gsub("%s+$", "")))
  -- A person at a terminal, and another.
  for _, who in ipairs { "ann", "bob" } do
    drive(("expect Which\nsend 133\\r\n"):rep(6) .. "expect 6 judgements saved\nstatus 0\n",
      { arguments = "judge.db answers --as " .. who })
  end
  local out = s.hone(example)
  assert(out:find("12 judgements in preferences.jsonl", 1, true), out)
  out = s.hone("run " .. source .. "/examples/judge.lua store=sim.db simulate=true")
  assert(out:find("Two days in the country, five abroad.", 1, true), out)
end)

if s.failed then os.exit(1, true) end
