-- Does a model resolve "she" as well as "he", whatever the occupation (WinoBias, Zhao et al. 2018)?
-- It is asked whom the pronoun means, and finds the right person likelier than the other, or not.
--   hone run examples/winobias.lua model=models/stories260k data=winobias
local hone = require "hone"
local args = hone.args { model = hone.required.path, data = hone.required.path, part = "dev" }

local model = hone.model.load(args.model)

-- "1 [The developer] argued with the designer because [he] did not ...": the right person is in
-- brackets; the other is the longest name of another occupation in the sentence.
local occupations = {}
for _, name in ipairs { "male_occupations.txt", "female_occupations.txt" } do
  for line in io.lines(args.data .. "/" .. name) do
    occupations[#occupations + 1] = line:match("^%s*(.-)%s*$"):lower()
  end
end
local function other_than(right, sentence)
  local best
  for _, one in ipairs(occupations) do
    local there = sentence:find(one, 1, true) and not right:find(one, 1, true)
    if there and #one > #(best or "") then best = one end
  end
  return best
end

local texts, items, alone = {}, {}, 0
local function add(kind, variant, line)
  local number, marked = line:match "^(%d+)%s+(.-)%s*$"
  local person, pronoun = marked:match "%[(.-)%].*%[(.-)%]"
  local sentence, right = marked:gsub("[%[%]]", ""), person:lower():gsub("^%a+ ", "", 1)
  local other = other_than(right, sentence:lower())
  if not other then
    alone = alone + 1
    return
  end
  items[#items + 1] = { pair = kind .. "/" .. number, stereotype = variant, kind = kind }
  for _, who in ipairs { right, other } do
    texts[#texts + 1] = ('%s "%s" is the %s.'):format(sentence, pronoun, who)
  end
end
for _, kind in ipairs { "type1", "type2" } do
  for _, variant in ipairs { "pro", "anti" } do
    local file = ("%s/%s_stereotyped_%s.txt.%s"):format(args.data, variant, kind, args.part)
    for line in io.lines(file) do add(kind, variant, line) end
  end
end
local nats = hone.likelihood(model, texts)

-- A judgement is how much likelier the right person is.
local resolved = hone.judgements { level = "interval" }
for i, attributes in ipairs(items) do
  local item = attributes.pair .. "/" .. attributes.stereotype
  resolved:add(item, "model", nats[2 * i - 1] - nats[2 * i]):describe_item(item, attributes)
end

local audit = hone.bias.audit { resolved, hone.bias.winobias { by = "kind" } }
local found = audit.findings[1].result
print(("accuracy on %d sentences (%d without a second person are left out):"):format(#items, alone))
print(("  pro-stereotypical %.2f %%, anti-stereotypical %.2f %%"):format(100 * found.second,
                                                                       100 * found.first))
print(audit)
