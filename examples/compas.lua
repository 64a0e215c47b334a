-- A score that says who will commit another crime (COMPAS; ProPublica 2016): is it wrong equally often
-- for everyone? Medium or high counts as "will".
--   hone run examples/compas.lua data=compas-scores-two-years.csv
local hone = require "hone"
local args = hone.args { data = hone.required.path }

local people = hone.data.load(args.data)
local groups = { all = { 0, 0, 0, 0 } }
local function count(group, cell)
  groups[group] = groups[group] or { 0, 0, 0, 0 }
  groups[group][cell] = groups[group][cell] + 1
end
for i = 1, #people do
  local person = people[i]
  local said, did = person.score_text ~= "Low", person.two_year_recid == "1"
  local cell = did and (said and 4 or 3) or (said and 2 or 1)
  count("all", cell)
  count(person.race, cell)
end

print "group               TN    FP    FN    TP    false positives  false negatives"
for _, group in ipairs { "all", "African-American", "Caucasian" } do
  local tn, fp, fn, tp = table.unpack(groups[group])
  print(("%-17s %5d %5d %5d %5d    %.2f %%          %.2f %%"):format(group, tn, fp, fn, tp,
    100 * fp / (fp + tn), 100 * fn / (fn + tp)))
end
