-- trends: what a store and the rounds that used it say of how judging and learning go.
--
--   local found = trends.of(store, { runs = "runs", wage = 18 })
--   found.tasks        in the order they were made: { name, items, finished, judgements, wanted,
--                      skipped, flagged, annotators, hours, per_hour, days, seconds (median), cost,
--                      together, asks = { { name, percent, krippendorff } }, wins = { [model] = rate } }
--   found.annotators   { id, judgements, seconds (median), together, notes }: notes say what
--                      stands out
--   found.items        the most disputed: { task, ask, item, prompt, shares, dispute, total }
--   found.confused     answers that stand beside each other on the same item: { task, ask, first,
--                      second, items, anchors }
--   found.terms        words of glossaries: { task, term, items, dispute, others }
--   found.series       rounds: { name, status, rounds = { { number, figures } } }
--
-- together is the share of answers that agree with the commonest of the others' on the same
-- item, ties counting half; an item's dispute is 1 less the share of its commonest answer. hours
-- are what people spent, the wage is of an hour. Rounds: trends_rounds.lua.
local content = require "hone.ask.content"
local core = require "hone.core"
local text = require "hone.text"

local trends_rounds = require "hone.trends_rounds"

local trends = {}

local function median(list)
  if #list == 0 then return nil end
  table.sort(list)
  return (list[(#list + 1) // 2] + list[#list // 2 + 1]) / 2
end

-- ---- answers ----

-- Of a table with labels: how often each item got which, by numbers of items and labels.
local function counts_of(j)
  local item, label, counts = j:column "item", j:column "label", {}
  for r = 1, #j do
    local i, l = item[r], label[r]
    counts[i] = counts[i] or { total = 0, by = {} }
    counts[i].total, counts[i].by[l] = counts[i].total + 1, (counts[i].by[l] or 0) + 1
  end
  return counts
end

-- Whether an answer is the commonest of the others': 1, 0, or a share where these tie.
local function together(count, label)
  local most, n, mine = 0, 0, 0
  for l, c in pairs(count.by) do
    local others = l == label and c - 1 or c
    if others > most then most, n, mine = others, 0, 0 end
    if others == most and others > 0 then
      n = n + 1
      if l == label then mine = 1 end
    end
  end
  return n > 0 and mine / n or nil
end

local function has_labels(j) return j.level ~= "interval" and j.level ~= "ratio" and
  j.level ~= "ranking" and j.level ~= "region" end

local function add_annotators(people, j, counts)
  local item, who, label, names = j:column "item", j:column "annotator", j:column "label",
    j:names "annotators"
  local sum, n = 0, 0
  for r = 1, #j do
    local share = together(counts[item[r]], label[r])
    local person = people[names[who[r]]]
    if share and person then
      person.sum, person.n = person.sum + share, person.n + 1
      sum, n = sum + share, n + 1
    end
  end
  return sum, n
end

local function add_items(found, task, ask, j, counts)
  local names, labels, attributes = j:names "items", j:names "labels", j:attributes "items"
  for i, count in pairs(counts) do
    local most, shares = 0, {}
    for l, c in pairs(count.by) do
      most = math.max(most, c)
      shares[#shares + 1] = { label = labels[l], count = c }
    end
    count.dispute = 1 - most / count.total
    if count.total > 1 and count.dispute > 0 then
      table.sort(shares, function(a, b)
        return a.count > b.count or a.count == b.count and a.label < b.label
      end)
      local prompt = (attributes[i] or {}).prompt
      found.items[#found.items + 1] = { task = task, ask = ask, item = names[i], shares = shares,
        prompt = type(prompt) == "string" and prompt or nil, dispute = count.dispute,
        total = count.total }
    end
  end
end

local function add_confused(found, task, ask, j, counts)
  local labels, both = j:names "labels", {}
  for _, count in pairs(counts) do
    local said = {}
    for l in pairs(count.by) do said[#said + 1] = l end
    table.sort(said)
    for a = 1, #said do
      for b = a + 1, #said do
        local key = said[a] .. " " .. said[b]
        both[key] = both[key] or { task = task, ask = ask.name, first = labels[said[a]],
                                   second = labels[said[b]], items = 0, anchors = ask.anchors }
        both[key].items = both[key].items + 1
      end
    end
  end
  for _, one in pairs(both) do found.confused[#found.confused + 1] = one end
end

-- What checks of quality say against annotators.
local function add_notes(people, j)
  for _, check in ipairs { { "drift", {} }, { "spam", {} }, { "speed", { floor = 1 } } } do
    local ok, result = pcall(function()
      return core.instance("quality", check[1], check[2]):check(j)
    end)
    for _, a in ipairs(ok and type(result.annotators) == "table" and result.annotators or {}) do
      local person = people[a.annotator]
      if person and a.flagged == true then
        local why = type(a.reason) == "string" and ": " .. a.reason or ""
        person.notes[check[1] .. why] = true
      end
    end
  end
end

-- Whether items that hold a word of the glossary are more disputed than others.
local function add_terms(found, task, records, disputes)
  for term in pairs(task:glossary()) do
    local with, without, n, m, low = 0, 0, 0, 0, term:lower()
    for item, dispute in pairs(disputes) do
      local said = records[item]
      if said and said:find(low, 1, true) then with, n = with + dispute, n + 1
      else without, m = without + dispute, m + 1 end
    end
    if n > 0 then
      found.terms[#found.terms + 1] = { task = task.name, term = term, items = n,
        dispute = with / n, others = m > 0 and without / m or nil }
    end
  end
end

-- ---- tasks ----

-- Of items that say which models answered: how often each model's answer was preferred, ties
-- counting half. nil without such items.
local function wins_of(answers, ask)
  local ok, j = pcall(answers.models, answers, ask.name)
  if not ok then return nil end
  local names, left, right = j:names "options", j:column "left", j:column "right"
  local label, labels, seen, won, out = j:column "label", j:names "labels", {}, {}, {}
  for r = 1, #j do
    local said = labels[label[r]]
    local share = said == "left" and 1 or said == "right" and 0 or 0.5
    for place, of in pairs { [left[r]] = share, [right[r]] = 1 - share } do
      seen[place], won[place] = (seen[place] or 0) + 1, (won[place] or 0) + of
    end
  end
  for place, n in pairs(seen) do out[names[place]] = won[place] / n end
  return out
end

local function agreement(j)
  local ok, result = pcall(function()
    local methods = { "percent", "krippendorff" }
    return core.instance("quality", "agreement", { methods = methods }):check(j)
  end)
  local function value(name)
    local one = ok and result[name]
    return type(one) == "table" and type(one.value) == "number" and one.value or nil
  end
  return value "percent", value "krippendorff"
end

-- The text of each item, for terms.
local function texts_of(answers)
  local out = {}
  for _, record in ipairs(answers.records) do
    local name = answers.name(record)
    if not out[name] then
      local words = {}
      for _, block in ipairs(content.blocks(record.content)) do words[#words + 1] = block.text end
      out[name] = table.concat(words, "\n"):lower()
    end
  end
  return out
end

local function times_of(answers, people)
  local seconds, hours, first, last = {}, 0, math.huge, -math.huge
  for _, record in ipairs(answers.records) do
    local who = record.annotator
    people[who] = people[who] or { id = who, judgements = 0, times = {}, sum = 0, n = 0,
                                   notes = {} }
    local person = people[who]
    person.judgements = person.judgements + 1
    if record.at then first, last = math.min(first, record.at), math.max(last, record.at) end
    if record.seconds then
      seconds[#seconds + 1] = record.seconds
      person.times[#person.times + 1], hours = record.seconds, hours + record.seconds / 3600
    end
  end
  return median(seconds), hours, last >= first and (last - first) / 86400 or 0
end

local function task_of(found, people, task, wage)
  local c, answers = task:counts(), task:answers()
  local median_, hours, days = times_of(answers, people)
  local row = { name = task.name, items = c.items, finished = c.finished, wanted = c.wanted,
                judgements = c.judgements, skipped = c.skipped, flagged = c.flagged,
                seconds = median_, hours = hours, days = days, asks = {},
                per_hour = hours > 0 and #answers.records / hours or nil,
                cost = wage > 0 and wage * hours or nil, annotators = 0 }
  local seen, sum, n, disputes = {}, 0, 0, {}
  for _, record in ipairs(answers.records) do
    if not seen[record.annotator] then
      seen[record.annotator], row.annotators = true, row.annotators + 1
    end
  end
  for _, ask in ipairs(task.asks) do
    local j = answers.tables[ask.name]
    if j then
      local percent, alpha = agreement(j)
      row.asks[#row.asks + 1] = { name = ask.name, percent = percent, krippendorff = alpha }
      row.wins = row.wins or wins_of(answers, ask)
      add_notes(people, j)
      if has_labels(j) then
        local counts, names = counts_of(j), j:names "items"
        local s, k = add_annotators(people, j, counts)
        sum, n = sum + s, n + k
        add_items(found, task.name, ask.name, j, counts)
        add_confused(found, task.name, ask, j, counts)
        for i, count in pairs(counts) do
          local name = names[i]:match "^(.-)/" or names[i]
          disputes[name] = math.max(disputes[name] or 0, count.dispute)
        end
      end
    end
  end
  add_terms(found, task, texts_of(answers), disputes)
  row.together = n > 0 and sum / n or nil
  return row
end

-- ---- people ----

local function finish_people(people)
  local list, all = {}, {}
  for _, person in pairs(people) do
    person.seconds = median(person.times)
    all[#all + 1] = person.seconds
    list[#list + 1] = person
  end
  local usual = median(all)
  for _, person in ipairs(list) do
    local notes = core.json.list {}
    for note in pairs(person.notes) do notes[#notes + 1] = note end
    table.sort(notes)
    if usual and person.seconds and person.seconds > 2 * usual then
      table.insert(notes, 1, ("slow: %s times as long as others"):format(
        text.number(math.floor(10 * person.seconds / usual + 0.5) / 10)))
    end
    person.together = person.n > 0 and person.sum / person.n or nil
    person.notes, person.times, person.sum, person.n = notes, nil, nil, nil
  end
  table.sort(list, function(a, b)
    if #a.notes ~= #b.notes then return #a.notes > #b.notes end
    if (a.together or 2) ~= (b.together or 2) then return (a.together or 2) < (b.together or 2) end
    return a.id < b.id
  end)
  return list
end

local function most(list, key, count)
  table.sort(list, function(a, b)
    if a[key] ~= b[key] then return a[key] > b[key] end
    return (a.total or 0) > (b.total or 0)
  end)
  return table.move(list, 1, math.min(count, #list), 1, {})
end

function trends.of(store, o)
  local found = { tasks = {}, items = {}, confused = {}, terms = {} }
  local people = {}
  for row in store:each "tasks" do
    found.tasks[#found.tasks + 1] = task_of(found, people, store:task(row.name), o.wage or 0)
  end
  found.annotators = finish_people(people)
  found.items = most(found.items, "dispute", 10)
  found.confused = most(found.confused, "items", 10)
  found.terms = most(found.terms, "dispute", 10)
  found.series = trends_rounds(o.runs)
  return found
end

return trends
