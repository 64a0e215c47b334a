-- People, or simulated ones, judge two answers to each question; what they say is checked,
-- and becomes rows to learn from.
--
--   hone run judge.lua                     makes the task, then says how to judge
--   hone annotate feedback.db answers --as YOU
--   hone run judge.lua                     again, when enough is judged: the rows
--   hone run judge.lua simulate=true       the same with annotators that are not people
local hone = require "hone"
local args = hone.args { store = "feedback.db", overlap = 2, simulate = false,
  out = "preferences.jsonl" }

local answers = {
  { "How do I reset my password?", "Open Settings, Account, Reset password.",
    "Passwords are an important part of security, and there are many ways to think about them." },
  { "Is the shop open on Sunday?", "Yes, from ten to four.",
    "It might be, you could try to call." },
  { "Can I return shoes that I wore?", "Within 30 days, if the soles are clean.", "No." },
  { "What does the warranty cover?", "Faults of material for two years; not wear.",
    "The warranty covers what is covered by the warranty." },
  { "How long is delivery?", "It depends.", "Two days in the country, five abroad." },
  { "Do you ship to islands?", "Yes; it takes two days more.", "Islands are surrounded by water." },
}
local items = {}
for i, a in ipairs(answers) do
  items[i] = { id = "q" .. i, prompt = a[1], left = a[2], right = a[3] }
end

-- What 'good' means here, for those who judge.
local helpful = { name = "helpful", scale = { level = "ordinal", min = 1, max = 3, na = true },
                  question = "How much does it help?",
                  anchors = { [1] = "not at all", [2] = "one would ask again",
                    [3] = "it settles the question" } }

local store = hone.store(args.store)
local task = store:task { name = "answers", overlap = args.overlap,
  ask = { hone.ask.preference { bad = true }, hone.ask.rating(helpful), hone.ask.correction {} },
  glossary = { settle = "nothing is left to ask" } }
task:add(items)

if args.simulate then
  -- What they take for better: the second answer to the fifth question, else the first.
  local function truth(item, option)
    return (option.place == 1) == (item.id ~= "q5") and 3 or 1
  end
  store:attach(function(t)
    t:simulate(hone.simulate.annotators { count = 6, skill = 0.9, truth = truth,
      groups = { region = { north = 0.5, south = 0.5 } } })
  end)
end

local said = task:wait()          -- until people did it, the program ends here
print(said)
local checked = said:check { hone.quality.agreement {} }
local labels = checked:aggregate { preference = hone.quality.bradley_terry {},
  helpful = hone.quality.majority {} }
for _, row in ipairs((labels.preference:rows { left = "left", right = "right" })) do
  print(("%-36s %s"):format(row.prompt, row.chosen))
end
local report = hone.formats.export(task, args.out, { format = "preference" })
print(("%d judgements in %s"):format(report.rows, args.out))
