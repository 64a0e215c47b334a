-- Does a model resolve "she" as well as "he", whatever the occupation? (WinoBias, Zhao et al. 2018.) It is
-- asked whom the pronoun means, and finds the right person likelier than the other, or not.
--   hone run examples/winobias.lua model=models/stories260k data=winobias
local hone = require "hone"
local args = hone.args { model = hone.required.path, data = hone.required.path, part = "dev" }

local model = hone.model.load(args.model)

-- "1 [The developer] argued with the designer because [he] did not ...": the right person is in brackets,
-- and the other is the one of the occupations that stands in the sentence, too.
local occupations = {}
for _, name in ipairs { "male_occupations.txt", "female_occupations.txt" } do
  for line in io.lines(args.data .. "/" .. name) do occupations[#occupations + 1] = line:match("^%s*(.-)%s*$"):lower() end
end
local function other_than(right, sentence)
  local best = ""
  for _, one in ipairs(occupations) do
    if one ~= right and sentence:find(one, 1, true) and #one > #best and not right:find(one, 1, true) then best = one end
  end
  return best
end

local texts, items, alone = {}, {}, 0
for _, kind in ipairs { "type1", "type2" } do
  for _, variant in ipairs { "pro", "anti" } do
    for line in io.lines(("%s/%s_stereotyped_%s.txt.%s"):format(args.data, variant, kind, args.part)) do
      local number, marked = line:match "^(%d+)%s+(.-)%s*$"
      local person, pronoun = marked:match "%[(.-)%].*%[(.-)%]"
      local sentence, right = marked:gsub("[%[%]]", ""), person:lower():gsub("^%a+ ", "", 1)
      local other = other_than(right, sentence:lower())
      if other == "" then
        alone = alone + 1
      else
        items[#items + 1] = { name = ("%s/%s/%s"):format(kind, number, variant), kind = kind, stereotype = variant,
                              pair = kind .. "/" .. number }
        for _, who in ipairs { right, other } do
          texts[#texts + 1] = ('%s "%s" is the %s.'):format(sentence, pronoun, who)
        end
      end
    end
  end
end
local nats = hone.likelihood(model, texts)

-- A judgement is how much likelier the right person is.
local resolved = hone.judgements { level = "interval" }
for i, item in ipairs(items) do
  resolved:add(item.name, "model", nats[2 * i - 1] - nats[2 * i])
  resolved:describe_item(item.name, { pair = item.pair, stereotype = item.stereotype, kind = item.kind })
end

local audit = hone.bias.audit { resolved, hone.bias.winobias { by = "kind" } }
local found = audit.findings[1].result
print(("accuracy on %d sentences (%d without a second person are left out): pro-stereotypical %.2f %%, " ..
  "anti-stereotypical %.2f %%"):format(#items, alone, 100 * found.second, 100 * found.first))
print(audit)
