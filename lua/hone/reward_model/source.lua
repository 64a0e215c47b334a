-- source: what a reward model may be given as data: data, its parts, or labels, whose rows
-- need the texts that were judged as attributes of items; of a set of labels { name = labels }
-- each is a metric, and an item's ratings by all of them are one row.
local core = require "hone.core"
local object = require "hone.object"
local text = require "hone.text"

local source = {}

local function labelled(labels, o)
  local given = source.of_pairs[o.loss] and
    { left = o.left, right = o.right, prompt = o.prompt } or nil
  local rows, said = labels:rows(given)
  if #rows == 0 then
    core.fail(("reward_model: the labels give no rows: %s"):format(core.json.encode(said)))
  end
  for _, row in ipairs(rows) do
    if row.label == nil then row.label = row.value end
  end
  o.soft = true
  return core.data_new(rows, labels.name ~= "" and labels.name or "labels")
end

local function joined(set, o)
  if source.of_pairs[o.loss] then
    core.fail("reward_model: a set of labels is of ratings: give one of it, or loss = \"ordinal\"")
  end
  o.metrics = o.metrics or set:names()
  local by, list = {}, {}
  for _, name in ipairs(o.metrics) do
    local labels = set[name]
    if object(labels) ~= "hone.labels" then
      core.fail(("reward_model: the labels have no '%s'%s"):format(name,
        text.suggest(name, set:names())))
    end
    for _, row in ipairs((labels:rows())) do
      local rating = row.label
      if rating == nil then rating = row.value end
      if not by[row.item] then
        by[row.item], list[#list + 1] = row, row
        row.label, row.value, row.posterior, row.confidence, row.weight = nil, nil, nil, nil, nil
      end
      by[row.item][name] = rating
    end
  end
  return core.data_new(list, "labels")
end

--- Losses that learn from pairs; the others learn from ratings.
source.of_pairs = { bradley_terry = true, davidson = true }

--- { train, validation, test } of o.data.
function source.parts(o)
  local kind = object(o.data)
  local whole = kind == "hone.data" or kind == "hone.labels" or kind == "hone.labels.set"
  local given = whole and { train = o.data } or o.data
  local parts = {}
  for _, part in ipairs { "train", "validation", "test" } do
    local data = type(given) == "table" and given[part] or nil
    if object(data) == "hone.labels" then data = labelled(data, o) end
    if object(data) == "hone.labels.set" then data = joined(data, o) end
    if data ~= nil and object(data) ~= "hone.data" then
      core.fail(("reward_model: data.%s: expected data or labels, got a %s"):format(part,
        object(data)))
    end
    parts[part] = data
  end
  if not parts.train then
    core.fail(("reward_model: data: expected data, its parts, or labels, got a %s"):format(kind))
  end
  return parts
end

return source
