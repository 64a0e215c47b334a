-- A score that says who will commit another crime (COMPAS; ProPublica 2016): is it wrong equally
-- often for everyone? Medium or high counts as "will".
--   hone run examples/compas.lua data=compas-scores-two-years.csv
local hone = require "hone"
local args = hone.args { data = hone.required.path }

local scores = hone.judgements.load(args.data, {
  item = "id", annotator = "type_of_assessment", value = "score_text", level = "ordinal",
  labels = { "Low", "Medium", "High" }, item_attributes = { "race", "two_year_recid" },
})
local audit = hone.bias.audit { scores, hone.bias.equalised_odds {
  attribute = "race", truth = "two_year_recid", positive = { "Medium", "High" } } }
print(audit)

local groups = audit.findings[1].result.groups
local all = { group = "all", tn = 0, fp = 0, fn = 0, tp = 0 }
for _, g in ipairs(groups) do
  for _, cell in ipairs { "tn", "fp", "fn", "tp" } do all[cell] = all[cell] + g[cell] end
end
print "group               TN    FP    FN    TP    false positives  false negatives"
for _, g in ipairs { all, table.unpack(groups) } do
  local rates = ("%.2f %%          %.2f %%"):format(100 * g.fp / (g.fp + g.tn),
                                                    100 * g.fn / (g.fn + g.tp))
  print(("%-17s %5d %5d %5d %5d    %s"):format(g.group, g.tn, g.fp, g.fn, g.tp, rates))
end
