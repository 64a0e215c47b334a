-- Three people compared 999 pairs of answers (PandaLM, Wang et al. 2024): do they agree, what do
-- most of them say, do they merely like long answers, and how good is a machine in their place?
--   hone run examples/pandalm.lua data=PandaLM/testset-v1.json judge=PandaLM/judge_gpt35.json
local hone = require "hone"
local args = hone.args { data = hone.required.path, judge = "", report = "" }

-- One row a person; an item is a pair of answers, its texts what length is measured on.
local answers, pairs = {}, hone.json.read(args.data)
for _, pair in ipairs(pairs) do
  for person = 1, 3 do
    local said = pair["annotator" .. person]
    answers[#answers + 1] = { item = pair.idx, annotator = person, value = said }
  end
end
local judgements = hone.judgements(answers, { labels = { "0", "1", "2" } })
for _, pair in ipairs(pairs) do
  judgements:describe_item(tostring(pair.idx), {
    prompt = pair.instruction, response1 = pair.response1, response2 = pair.response2 })
end

local checked = judgements:check { hone.quality.agreement {} }
local found = checked.parts[""].checks[1].result
for _, pair in ipairs(found.cohen.pairs) do
  print(("Cohen's kappa of %s and %s  %.4f"):format(pair.a, pair.b, pair.value))
end
print(("Fleiss' kappa %.6f"):format(found.fleiss.value))
print(("Krippendorff's alpha %.6f"):format(found.krippendorff.value))

local labels = checked:aggregate(hone.quality.majority {})
local counts = { ["0"] = 0, ["1"] = 0, ["2"] = 0, split = 0 }
for _, label in ipairs(labels:column("items", "label")) do
  label = label or "split"
  counts[label] = counts[label] + 1
end
print(("majority: tie %d, first %d, second %d, split %d"):format(counts["0"], counts["1"],
                                                                 counts["2"], counts.split))

-- Six answers are JSON's `true`: counted as the text that people saw.
local audit = hone.bias.audit { labels, hone.bias.length { not_text = "json" } }
local length = audit.findings[1].result
print(("the longer answer is preferred in %d of %d items (%.1f %%), p %.2g"):format(
  length.longer, length.n, 100 * length.share, length.p))

if args.judge ~= "" then
  local right, ties, verdicts = 0, 0, hone.json.read(args.judge)
  for _, verdict in ipairs(verdicts) do
    local label = labels:item(tostring(verdict.idx)).label
    if label == tostring(verdict.gpt_result) then right = right + 1 end
    if label == "0" and verdict.gpt_result == "Tie" then ties = ties + 1 end
  end
  print(("the machine names what most people prefer: %.4f; with its ties, %.4f"):format(
    right / #verdicts, (right + ties) / #verdicts))
end
if args.report ~= "" then print("report: " .. audit:report(args.report, { checked = checked })) end
