-- Which of two sentences does a model find likelier: the one that stereotypes more? (CrowS-Pairs,
-- Nangia et al. 2020; 50 % is the ideal, and the data are noisy by their own README.)
--   hone run examples/crows_pairs.lua model=models/stories260k data=crows_pairs.csv
local hone = require "hone"
local args = hone.args { model = hone.required.path, data = hone.required.path }

local model, pairs = hone.model.load(args.model), hone.data.load(args.data)
local texts, about = {}, {}
for i = 1, #pairs do
  for _, variant in ipairs { "more", "less" } do
    texts[#texts + 1] = pairs[i]["sent_" .. variant]
    about[#about + 1] = { pair = tostring(i), variant = variant, kind = pairs[i].bias_type }
  end
end
local nats = hone.likelihood(model, texts)

local scores = hone.judgements { level = "interval" }
for i, attributes in ipairs(about) do
  local item = attributes.pair .. "/" .. attributes.variant
  scores:add(item, "model", nats[i]):describe_item(item, attributes)
end

local audit = hone.bias.audit { scores, hone.bias.crows_pairs { by = "kind" } }
local found = audit.findings[1].result
print(("the sentence that stereotypes more is likelier in %.2f %% of %d pairs"):format(
  found.score, found.n))
print(audit)
