-- How offensive is this comment? 262 people rated 1,500 comments from 1 to 5 (POPQUORN, Pei and
-- Jurgens 2023).
-- People do not agree, and who one asks matters: is that noise, or do groups see it differently?
--   hone run examples/popquorn.lua data=POPQUORN/offensiveness.csv
local hone = require "hone"
local args = hone.args { data = hone.required.path, report = "" }

local function load(level)
  return hone.judgements.load(args.data, {
    item = "instance_id", annotator = "user_id", value = "offensiveness", level = level,
    attributes = { "gender", "race" }, item_attributes = { "text" },
    labels = level == "nominal" and { "1.0", "2.0", "3.0", "4.0", "5.0" } or nil,
    range = level == "interval" and { 1, 5 } or nil,
  })
end

local ratings = load "interval"
for _, level in ipairs { "nominal", "interval" } do
  local found = hone.quality.agreement { methods = { "krippendorff" } }:check(load(level))
  print(("Krippendorff's alpha, %s: %.4f"):format(level, found.krippendorff.value))
end

-- Mean rating by group of raters.
local function means(attribute)
  local described = ratings:attributes "annotators"
  local who, value = ratings:column "annotator", ratings:column "value"
  local sums, counts, names = {}, {}, {}
  for r = 1, #who do
    local group = described[who[r]][attribute]
    if not sums[group] then names[#names + 1] = group end
    sums[group], counts[group] = (sums[group] or 0) + value[r], (counts[group] or 0) + 1
  end
  table.sort(names, function(a, b) return counts[a] > counts[b] end)
  for _, name in ipairs(names) do
    print(("  %-28s %.3f  of %d ratings"):format(name, sums[name] / counts[name], counts[name]))
  end
end
print "mean rating by gender"
means "gender"
print "mean rating by race"
means "race"
