-- Which of two sentences does a model find likelier: the one that stereotypes more? (CrowS-Pairs, Nangia
-- et al. 2020; 50 % is the ideal, and the data are noisy by their own README.)
--   hone run examples/crows_pairs.lua model=models/stories260k data=crows_pairs.csv
local hone = require "hone"
local args = hone.args { model = hone.required.path, data = hone.required.path }

local model, pairs = hone.model.load(args.model), hone.data.load(args.data)
local texts = {}
for i = 1, #pairs do
  texts[2 * i - 1], texts[2 * i] = pairs[i].sent_more, pairs[i].sent_less
end
local nats = hone.likelihood(model, texts)

local scores = hone.judgements { level = "interval" }
for i = 1, #texts do
  local pair, variant = pairs[(i + 1) // 2], i % 2 == 1 and "more" or "less"
  local item = ("%d/%s"):format((i + 1) // 2, variant)
  scores:add(item, "model", nats[i])
  scores:describe_item(item, { pair = tostring((i + 1) // 2), variant = variant, kind = pair.bias_type })
end

local audit = hone.bias.audit { scores, hone.bias.crows_pairs { by = "kind" } }
local found = audit.findings[1].result
print(("the sentence that stereotypes more is likelier in %.2f %% of %d pairs"):format(found.score, found.n))
print(audit)
