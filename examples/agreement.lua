-- Can people's labels be trusted? Agreement between annotators, from a table of labels.
--   hone run examples/agreement.lua data=labels.csv item=question annotator=worker value=label
local hone = require "hone"
local args = hone.args {
  data = hone.required.path, item = "item", annotator = "annotator", value = "value",
  level = "nominal", duplicates = "error",
}

local judgements = hone.judgements(hone.data.load(args.data), {
  item = args.item, annotator = args.annotator, value = args.value,
  level = args.level, duplicates = args.duplicates,
})
print(judgements)
print(hone.json.encode(hone.quality.agreement {}:check(judgements)))
