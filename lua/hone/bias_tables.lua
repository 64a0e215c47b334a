-- bias_tables: what a model says of texts, as judgements that bias detectors take.
--
--   local j = hone.bias.tables.crows_pairs(model, rows)
--   print(hone.bias.crows_pairs { by = "bias_type" }:detect(j).score)
--
-- Models are scored by log-probabilities in nats. `scorer` in place of a model is
-- a function(prompt, text) that returns a number: a reward, a judge, a policy. The
-- detectors are the same for all of them, and for people's judgements.
local core = require "hone.core"
local judgements = require "hone.judgements"
local step = require "hone.step"

local tables = {}

-- ---- scores ----

local function sum_logp(model, ids, prompt)
  local weights = {}
  for i = 1, #ids do weights[i] = i > prompt and 1 or 0 end
  local batch <close> = core.batch_new()
  batch:add(ids, weights)
  local nats = step({ record = false }, function()
    return model:cross_entropy(model:hidden(batch), batch):item()
  end)
  return -nats, #ids - math.max(prompt, 1)
end

--- log p(text | prompt) of a model, summed over tokens, and how many they are.
function tables.logp(model, prompt, text)
  local tokenizer = model.tokenizer
  if not tokenizer then core.fail("bias.tables: the model has no tokenizer") end
  local ids = tokenizer:encode(prompt .. text, { bos = true })
  local before = prompt == "" and 0 or #tokenizer:encode(prompt, { bos = true })
  if #ids < 2 or before >= #ids then
    core.fail(("bias.tables: '%s' has no token to score"):format(text))
  end
  return sum_logp(model, ids, before)
end

local function scorer_of(model, per_token)
  if type(model) == "function" then return model end
  return function(prompt, text)
    local nats, tokens = tables.logp(model, prompt, text)
    return per_token and nats / tokens or nats
  end
end

local function field(where, row, key)
  local value = row[key]
  if type(value) ~= "string" then
    core.fail(("bias.tables.%s: a row has no text '%s'"):format(where, key))
  end
  return value
end

-- An empty table; add(item, value, attributes) adds what the model says.
local function collect(level)
  local j = judgements { level = level }
  return j, function(item, value, attributes)
    j:add(item, "model", value)
    j:describe_item(item, attributes)
  end
end

-- ---- CrowS-Pairs, StereoSet ----

--- rows: { sent_more, sent_less, bias_type, stereo_antistereo }.
function tables.crows_pairs(model, rows)
  local score, j, add = scorer_of(model), collect "interval"
  for i, row in ipairs(rows) do
    for _, variant in ipairs { "more", "less" } do
      local text = field("crows_pairs", row, "sent_" .. variant)
      add(("%d-%s"):format(i, variant), score("", text),
          { pair = tostring(i), variant = variant, bias_type = row.bias_type,
            direction = row.stereo_antistereo, text = text })
    end
  end
  return j
end

--- rows: { context, stereotype, antistereotype, unrelated }, texts; the context
--- may be "". Scores are per token, as continuations differ in length.
function tables.stereoset(model, rows)
  local score, j, add = scorer_of(model, true), collect "interval"
  for i, row in ipairs(rows) do
    for _, kind in ipairs { "stereotype", "antistereotype", "unrelated" } do
      add(("%d-%s"):format(i, kind), score(row.context or "", field("stereoset", row, kind)),
          { context = tostring(i), kind = kind, bias_type = row.bias_type })
    end
  end
  return j
end

-- ---- WinoBias ----

-- "3 [The cook] thanked the guard because [she] ..." as its parts.
local function winobias_line(line)
  local number, text = line:match "^(%d+) (.+)$"
  local pronouns = { he = true, she = true, him = true, her = true, his = true, hers = true }
  local person, pronoun
  for span in (text or ""):gmatch "%[([^%]]+)%]" do
    if pronouns[span:lower()] then pronoun = pronoun or span else person = person or span end
  end
  if not (person and pronoun) then
    core.fail(("bias.tables.winobias: '%s' has no person and pronoun in brackets"):format(line))
  end
  return { number = number, text = (text:gsub("[%[%]]", "")), pronoun = pronoun, right = person }
end

-- The occupation in the text that is not the right one.
local function other_occupation(text, right, occupations)
  local low = text:lower()
  for _, name in ipairs(occupations) do
    if not right:lower():find(name, 1, true) then
      local from = low:find(name, 1, true)
      if from then return "the " .. name end
    end
  end
end

--- lines: { pro = { ... }, anti = { ... } }, lines of the WinoBias files, of which
--- those with one number are a pair; occupations: names. A reading is right where
--- `"she" refers to the cook` is likelier, per token, than with the other person.
--- The second result is how many lines named one person only, and were left out.
function tables.winobias(model, lines, occupations, kind)
  local score, j, add = scorer_of(model, true), collect "nominal"
  local skipped = 0
  for stereotype, list in pairs { pro = lines.pro, anti = lines.anti } do
    for _, line in ipairs(list) do
      local it = winobias_line(line)
      local other = other_occupation(it.text, it.right, occupations)
      if other then
        local prompt = ('%s "%s" refers to'):format(it.text, it.pronoun)
        local right = score(prompt, " " .. it.right:lower())
        local wrong = score(prompt, " " .. other)
        add(("%s%s-%s"):format(kind or "", it.number, stereotype),
            right > wrong and "right" or "wrong",
            { pair = (kind or "") .. it.number, stereotype = stereotype, type = kind,
              text = it.text })
      else
        skipped = skipped + 1
      end
    end
  end
  return j, skipped
end

-- ---- BBQ ----

local unknown_answers = { unknown = true }

-- The answer that the stereotype suggests: of a negative question the one of the
-- stereotyped group, of the others the one that is not.
local function bbq_biased(row)
  local targets = {}
  for _, group in ipairs(row.additional_metadata.stereotyped_groups) do
    targets[group:lower()] = true
  end
  local target, other, unknown
  for i = 0, 2 do
    local info = row.answer_info["ans" .. i]
    local name = ("ans%d"):format(i)
    if unknown_answers[info[2]] then unknown = name
    elseif targets[info[1]:lower()] or targets[info[2]:lower()] then target = name
    else other = name end
  end
  if not (target and other and unknown) then return nil, unknown end
  return row.question_polarity == "neg" and target or other, unknown
end

--- rows as in the data: the answer with the highest log-probability per token is
--- the model's. The second result is how many rows named no stereotyped answer.
function tables.bbq(model, rows)
  local score, j, add = scorer_of(model, true), collect "nominal"
  local skipped = 0
  for i, row in ipairs(rows) do
    local biased, unknown = bbq_biased(row)
    if biased then
      local prompt, best, most = ("%s %s"):format(row.context, row.question), nil, nil
      for k = 0, 2 do
        local value = score(prompt, " " .. field("bbq", row, "ans" .. k))
        if not most or value > most then best, most = "ans" .. k, value end
      end
      add(tostring(i), best, { condition = row.context_condition, truth = "ans" .. row.label,
                               biased = biased, unknown = unknown, category = row.category })
    else
      skipped = skipped + 1
    end
  end
  return j, skipped
end

-- ---- WEAT, SEAT ----

-- Input embeddings of the tokens of texts, summed by text, [texts, width].
local function embeddings(model, texts)
  local weight
  for _, p in ipairs(model:parameters()) do
    if p.role == "embedding" and not weight then weight = p.weight end
  end
  if not weight or not model.tokenizer then
    core.fail("bias.tables.weat: the model has no embeddings or no tokenizer")
  end
  local all, owner = {}, {}
  for i, text in ipairs(texts) do
    local ids = model.tokenizer:encode(text)
    if #ids == 0 then core.fail(("bias.tables.weat: '%s' has no token"):format(text)) end
    for k = 1, #ids do all[#all + 1], owner[#owner + 1] = ids[k], i end
  end
  local sums = {}
  for i = 1, #texts do
    sums[i] = {}
    for k = 1, #all do sums[i][k] = owner[k] == i and 1 or 0 end
  end
  return core.tensor.matmul(core.tensor.new(sums), weight:rows(all))
end

-- Cosines of targets with attributes, as a list by row.
local function cosines(a, b, rows, columns)
  local function lengths(t, n) return t:square():sum_last():sqrt():reshape(n, 1) end
  local products = core.tensor.matmul(a, b, true)
  return products:div(core.tensor.matmul(lengths(a, rows), lengths(b, columns), true)):values()
end

-- Cosines of means are those of sums.
local function vectors_of(model, texts)
  if type(model) ~= "table" then return embeddings(model, texts) end
  local list = {}
  for i, text in ipairs(texts) do
    list[i] = model[text] or core.fail(("bias.tables.weat: no vector for '%s'"):format(text))
  end
  return core.tensor.new(list)
end

--- Associations of target words with attributes: model (its input embeddings) or
--- { word = { numbers } }; lists: { targets = { name = words, name = words },
--- attributes = { words, words } }.
function tables.weat(model, lists)
  local words, sets = {}, {}
  for name, list in pairs(lists.targets) do
    for _, word in ipairs(list) do
      words[#words + 1], sets[#sets + 1] = word, name
    end
  end
  local first, second = lists.attributes[1], lists.attributes[2]
  local attributes = { table.unpack(first) }
  for _, word in ipairs(second) do attributes[#attributes + 1] = word end
  local c = step({ record = false }, function()
    return cosines(vectors_of(model, words), vectors_of(model, attributes), #words, #attributes)
  end)
  local j, add = collect "interval"
  for i, word in ipairs(words) do
    local a, b, row = 0, 0, (i - 1) * #attributes
    for k = 1, #first do a = a + c[row + k] end
    for k = 1, #second do b = b + c[row + #first + k] end
    add(("%s: %s"):format(sets[i], word), a / #first - b / #second, { target = sets[i] })
  end
  return j
end

-- ---- counterfactuals ----

--- The text with the words of a list of pairs exchanged, either way; the first
--- letter keeps its case. The second result is how many words were.
function tables.swap(text, pairs_)
  local other, count = {}, 0
  for _, pair in ipairs(pairs_) do
    other[pair[1]:lower()] = other[pair[1]:lower()] or pair[2]
    other[pair[2]:lower()] = other[pair[2]:lower()] or pair[1]
  end
  local out = text:gsub("[%a\128-\255]+", function(word)
    local swapped = other[word:lower()]
    if not swapped then return nil end
    count = count + 1
    if word:match "^%u" then swapped = swapped:sub(1, 1):upper() .. swapped:sub(2) end
    return swapped
  end)
  return out, count
end

--- texts and their swaps by every list that changes them, scored: lists =
--- { gender = { { "he", "she" }, ... } }; score: function(prompt, text) or a model.
function tables.counterfactual(score, texts, lists)
  local value, j, add = scorer_of(score), collect "interval"
  for i, text in ipairs(texts) do
    for name, list in pairs(lists) do
      local swapped, count = tables.swap(text, list)
      if count > 0 then
        local pair = ("%d-%s"):format(i, name)
        add(pair .. "-original", value("", text),
            { pair = pair, variant = "original", list = name, text = text })
        add(pair .. "-swapped", value("", swapped),
            { pair = pair, variant = "swapped", list = name, text = swapped })
      end
    end
  end
  return j
end

return tables
