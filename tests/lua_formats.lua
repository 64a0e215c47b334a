-- Formats of other tools: in, out, and what is said of rows that cannot be taken.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal = s.test, s.equal
local hone = require "hone"
local core = require "hone.core"
local formats = hone.formats
local json = hone.json

local stores = 0
local function task_for(path, format)
  stores = stores + 1
  return hone.store(("%d.db"):format(stores)):task { name = "t", overlap = 1,
    ask = formats.asks(path, format) }
end

local function write_rows(path, rows)
  local lines = {}
  for i, row in ipairs(rows) do lines[i] = json.encode(row) end
  s.write(path, table.concat(lines, "\n") .. "\n")
end

local function rows_of(path)
  local list, rows = {}, core.rows(path)
  while true do
    local row, line, problem = rows:next()
    if not line then return list end
    assert(not problem, problem)
    list[#list + 1] = row
  end
end

-- Import, export, and the rows without what the store added.
local function round(name, rows)
  write_rows("in.jsonl", rows)
  local task = task_for("in.jsonl", name)
  local report = formats.import(task, "in.jsonl")
  equal({ report.format, report.rows, report.broken }, { name, #rows, 0 })
  formats.export(task, "out.jsonl", { format = name })
  local out = rows_of "out.jsonl"
  for _, row in ipairs(out) do row.item, row.annotator = nil, nil end
  return out, task, report
end

local rows = {
  { prompt = "P1", chosen = "b good", rejected = "a bad", order = 1, seconds = 3.5 },
  { prompt = "P1", chosen = "a bad", rejected = "b good", order = 2, margin = 2 },
  { prompt = "P2", chosen = "x", rejected = "y", tie = true, weight = 0.5, posterior = 0.51 },
  { prompt = { { role = "user", content = "hi" } }, chosen = "hello", rejected = "go" },
}

test("preferences_come_out_as_they_went_in", function()
  local out, task = round("preference", rows)
  for i, row in ipairs(rows) do equal(out[i], row) end
  -- Two people on the same pair judged one item, from either side.
  equal(task:counts().items, 3)
  local values = {}
  for j in task:judgements() do
    values[#values + 1] = task.asks[1]:rows(j.answers.preference, j.content, j.order)[1]
  end
  equal({ values[1].value, values[1].order, values[2].value, values[2].order, values[2].strength },
        { "right", 2, "left", 2, 2 })
  equal({ values[3].value, values[3].order }, { "tie" })
end)

test("the_same_file_again_adds_nothing", function()
  local _, task = round("preference", rows)
  local report = formats.import(task, "in.jsonl")
  equal({ report.judgements, report.again }, { 0, 4 })
  equal(task.store:verify().judgements, 4)
end)

test("messages_without_a_prompt_have_it_in_common", function()
  write_rows("in.jsonl", { { chosen = { { role = "user", content = "a" }, { role = "assistant",
    content = "b" } },
                             rejected = { { role = "user", content = "a" }, { role = "assistant",
                               content = "c" } } } })
  local record = formats.read("in.jsonl")()
  equal({ record.content.left, record.content.right, record.content.prompt[1].content }, { "b",
    "c", "a" })
end)

test("completions_with_labels_are_verdicts", function()
  local given = { { prompt = "p", completion = "a", label = true }, { prompt = "p",
    completion = "b", label = false } }
  local out, task = round("completion", given)
  equal(out, given)
  local work = task.store:annotator "ann"
  task:add { { prompt = "p", response = "c" } }
  task:submit(task:next(work.id), { verdict = "needs improvement" })
  local report = formats.export(task, "out.jsonl", { format = "completion" })
  equal({ report.rows, report.skipped["needs improvement is neither true nor false"] }, { 2, 1 })
end)

test("hh_transcripts_keep_their_turns", function()
  local given = { { chosen =
    "\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: Name: who?\n\nAssistant: Me.",
                    rejected = "\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: Name: who?\n\nAssistant: No" } }
  equal((round("hh", given)), given)
  write_rows("pref.jsonl", { { prompt = { { role = "system", content = "s" }, { role = "user",
    content = "q" } },
                               chosen = "a", rejected = "b" } })
  local task = task_for "pref.jsonl"
  formats.import(task, "pref.jsonl")
  local report = formats.export(task, "out.jsonl", { format = "hh" })
  equal(report.lost, { ["turns of system"] = 1 })
  equal(rows_of "out.jsonl"[1].chosen, "\n\nHuman: q\n\nAssistant: a")
end)

test("helpsteer_attributes_are_ratings", function()
  local given = { { prompt = "p", response = "r", helpfulness = 4, verbosity = 0 } }
  local out, task = round("helpsteer", given)
  equal(out, given)
  local report = formats.export(task, "out.jsonl", { format = "preference" })
  equal({ report.rows, report.skipped }, { 0, { ["no preference"] = 1 } })
end)

test("arena_battles_keep_their_models", function()
  local function talk(text) return { { role = "user", content = "q" }, { role = "assistant",
    content = text } } end
  local given = {
    { model_a = "m1", model_b = "m2", winner = "model_b", conversation_a = talk "z",
      conversation_b = talk "a" },
    { model_a = "m2", model_b = "m3", winner = "tie (bothbad)", conversation_a = talk "u",
      conversation_b = talk "v" } }
  local out, task = round("arena", given)
  equal(out, given)
  local board = task:answers():models "preference":aggregate(hone.quality.bradley_terry {})
  assert(board:option("m2").strength > board:option("m1").strength)
end)

local studio = { { id = 7, data = { prompt = "p", answer1 = "one", answer2 = "two" },
  annotations = {
  { completed_by = { id = 3, email = "ann@example.org" }, lead_time = 9.5,
    result = { { type = "pairwise", from_name = "pw", value = { selected = "right" } },
               { type = "rating", from_name = "tone", value = { rating = 4 } } } },
  { completed_by = 4, was_cancelled = true, result = {} },
  { completed_by = 5, result = { { type = "pairwise", from_name = "pw", value = {
    selected = "left" } } } } } } }

test("label_studio_tasks_are_read_and_written", function()
  s.write("ls.json", json.encode(json.list(studio)))
  local record = formats.read("ls.json")()
  equal({ record.content.left, record.annotator, record.seconds, record.answers[1].value }, {
    "one", "ann@example.org", 9.5, "second" })
  studio[1].annotations[1].result[2] = nil
  s.write("ls.json", "[\n" .. json.encode(studio[1]) .. " ]")
  local task = task_for "ls.json"
  local report = formats.import(task, "ls.json")
  equal({ report.format, report.rows, report.judgements, report.items }, { "label_studio", 2, 2,
    1 })
  formats.export(task, "out.json", { format = "label_studio" })
  local out = rows_of "out.json"
  equal({ #out, out[1].data.left, out[1].annotations[1].result[1].value.selected }, { 2, "one",
    "right" })
  local again = task_for "out.json"
  formats.import(again, "out.json")
  local values = {}
  for j in again:judgements() do values[#values + 1] = j.answers.pw end
  equal(values, { "second", "first" })
end)

test("broken_rows_are_named_and_nothing_is_half_imported", function()
  s.write("bad.jsonl", table.concat({ '{"prompt":"p","chosen":"a","rejected":"b"}',
    '{"prompt":"p","chosen":3,"rejected":"b"}',
    'nonsense', '', '[1]', '{"prompt":"p","chosen":"a","rejected":"b","order":3}',
      '{"chosen":"a","rejected":"b"}',
    '{"prompt":"p","chosen":"c","rejected":"d","seconds":-1}',
      '{"prompt":"p","chosen":"c","rejected":"d","annotator":{}}',
    '{"prompt":"p","chosen":"e","rejected":"f"' }, "\n"))
  local task = task_for("bad.jsonl")
  s.golden("formats-broken", s.fails(formats.import, task, "bad.jsonl"))
  equal({ task:counts().items, task:counts().judgements }, { 0, 0 })
  local report = formats.import(task, "bad.jsonl", { partial = true })
  equal({ report.judgements, report.broken, #report.problems, report.problems[1].line }, { 1, 8, 8,
    2 })
  assert(task.store:verify().ok)
  s.write("many.jsonl", '{"prompt":"p","chosen":"a","rejected":"b"}\n' .. ("x\n"):rep(50))
  s.golden("formats-many", s.fails(formats.import, task, "many.jsonl"))
end)

test("other_formats_tell_what_is_wrong_with_a_row", function()
  local lines = {}
  for i, case in ipairs {
    { "hh", { chosen = "no turn", rejected = "x" } },
    { "hh", { chosen = "\n\nHuman: a\n\nAssistant: b",
      rejected = "\n\nHuman: c\n\nAssistant: d" } },
    { "hh", { chosen = "\n\nHuman: a", rejected = "\n\nHuman: a" } },
    { "completion", { prompt = "p", completion = "c", label = 1 } },
    { "helpsteer", { prompt = "p", response = "c", helpfulness = 5 } },
    { "arena", { model_a = "a", model_b = "b", winner = "c", response_a = "x", response_b = "y" } },
    { "arena", { model_a = "a", model_b = "b", winner = "tie" } },
    { "label_studio", { data = 1 } },
    { "label_studio", { data = {}, annotations = { { result = { { type = "brush" } } } } } },
  } do
    write_rows("one.jsonl", { case[2] })
    local record, line, field, problem = formats.read("one.jsonl", case[1])()
    equal(record, nil)
    lines[i] = ("%s: line %d: %s: %s"):format(case[1], line, field, problem)
  end
  s.golden("formats-rows", table.concat(lines, "\n"))
  s.write("empty.jsonl", "\n")
  s.write("odd.jsonl", '{"a":1}\n')
  s.golden("formats-files", table.concat({ s.fails(formats.read, "empty.jsonl"),
    s.fails(formats.read, "odd.jsonl"),
    s.fails(formats.read, "none.jsonl"), s.fails(formats.read, "odd.jsonl", "prefrence"),
      s.fails(formats.read, "-") }, "\n"))
end)

test("a_file_may_be_one_list_zipped_or_cut_short", function()
  local function count(path)
    local n, rows_ = 0, core.rows(path)
    while true do
      local _, line, problem = rows_:next()
      if not line then return n end
      if problem then return n, line end
      n = n + 1
    end
  end
  s.write("a.json", '\239\187\191 [ {"a":"]},{\\""} ,\n 3, "x,]", [1,[2]] ]')
  equal(count "a.json", 4)
  s.write("b.jsonl", '{"a":1}\n\n{"a":2}')
  equal(count "b.jsonl", 2)
  if os.execute "gzip -kf b.jsonl 2>/dev/null" then equal(count "b.jsonl.gz", 2) end
  s.write("c.json", '[{"a":1},\n{"a":')
  equal({ count "c.json" }, { 1, 2 })
  s.write("d.json", "[]")
  equal(count "d.json", 0)
end)

test("the_program_imports_and_exports", function()
  write_rows("in.jsonl", rows)
  local out = s.hone "task p.db import t in.jsonl"
  equal(out, "4 rows as preference: 4 judgements, 3 items new; 0 here already\n")
  local said, err = s.hone "task p.db export t - --format arena"
  equal(select(2, said:gsub("\n", "")), 4)
  equal(err, "4 rows as arena\n")
  equal(json.decode((s.hone "task p.db export t o.jsonl --json")).rows, 4)
  local _, problem, status = s.hone "task p.db export t no/such/folder.jsonl"
  equal(status, 1)
  s.golden("formats-folder", (problem:gsub("%s+$", "")))
end)

if s.failed then os.exit(1, true) end
