-- stage_judgements: how a table of judgements is kept: rows with names in place of numbers.
--
-- Numbers of names count in what plugins compute, so names keep their order: the table that is
-- read begins with rows of no weight that name all items, annotators, labels and options in
-- turn, which are taken out again. Rankings and regions are not kept.
local core = require "hone.core"
local lines = require "hone.lines"

-- Rows of a table, names in place of their numbers.
local function judgement_rows(j, names)
  local item, annotator, weight = j:column "item", j:column "annotator", j:column "weight"
  local label, value, time = j:column "label", j:column "value", j:column "time"
  local order, left, right = j:column "order", j:column "left", j:column "right"
  local numbers = j.level == "interval" or j.level == "ratio"
  local rows, weights = core.json.list {}, weight and {} or nil
  for r = 1, #j do
    rows[r] = { item = names.items[item[r]], annotator = names.annotators[annotator[r]],
                value = numbers and value[r] or names.labels[label[r]],
                time = time and time[r] or nil,
                order = order and order[r] > 0 and order[r] or nil,
                left = left and names.options[left[r]], right = right and names.options[right[r]],
                strength = left and value[r] or nil }
    if weight then weights[r] = weight[r] end
  end
  return rows, weights
end

local function all_names(j)
  local names = {}
  for _, what in ipairs { "items", "annotators", "labels", "options" } do
    local ok, list = pcall(j.names, j, what)
    names[what] = core.json.list(ok and list or {})
  end
  return names
end

-- Rows of no weight that name everything, so that names keep their numbers.
local function naming_rows(said)
  local n, rows, names = 0, {}, said.names
  for _, list in pairs(names) do n = math.max(n, #list) end
  local function at(list, k) return list[math.min(k, #list)] end
  for k = 1, n do
    rows[k] = { item = at(names.items, k), annotator = at(names.annotators, k),
                value = said.numbers or at(names.labels, k), weight = 0 }
    if #names.options > 0 then
      local left = math.min(k, #names.options)
      rows[k].left, rows[k].right = names.options[left], names.options[left % #names.options + 1]
    end
  end
  return rows
end

return {
  write = function(writer, j, where)
    if j.level == "ranking" or j.level == "region" then
      core.fail(("%s: judgements of %ss cannot be kept (allowed: the answers of a task, whose "
        .. "table they are)"):format(where, j.level))
    end
    local path, name = writer:file "judgements-%d.jsonl"
    local names = all_names(j)
    local rows, weights = judgement_rows(j, names)
    lines.write(path, #rows, function(i) return rows[i] end)
    local numbers = (j.level == "interval" or j.level == "ratio") and j:column "value" or nil
    return { file = name, level = j.level, names = names, weights = weights,
             numbers = numbers and numbers[1], timed = j:column "time" ~= nil,
             ordered = j:column "order" ~= nil, items = j:attributes "items",
             annotators = j:attributes "annotators" }
  end,
  read = function(reader, said)
    local rows, weights = naming_rows(said), {}
    for row in lines.each(reader:path(said.file)) do rows[#rows + 1] = row end
    local j = core.judgements_from(rows, { level = said.level, duplicates = "both", item = "item",
      annotator = "annotator", value = "value", left = "left", right = "right",
      time = said.timed and "time" or nil, order = said.ordered and "order" or nil,
      strength = said.level == "pair" and "strength" or nil, ranking = "ranking",
      region = "region", weight = "weight",
      labels = said.level ~= "pair" and #said.names.labels > 0 and said.names.labels or nil })
    for i, found in ipairs(said.items) do
      if found and found ~= core.null then j:describe_item(said.names.items[i], found) end
    end
    for i, found in ipairs(said.annotators) do
      if found and found ~= core.null then
        j:describe_annotator(said.names.annotators[i], found)
      end
    end
    j = j:weigh { drop = true }
    for r, weight in ipairs(said.weights or {}) do weights[r] = weight end
    return next(weights) and j:weigh { rows = weights } or j
  end,
}
