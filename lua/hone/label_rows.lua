-- label_rows: rows to train on from labels: labels:rows { ... } is a list, and a
-- report { rows, without_label, ties, without_text }: nothing is dropped silently.
--
-- Items of labels: { item, label, posterior, confidence, weight } and the item's
-- attributes; of numbers: value in place of label. Items that compare two texts
-- (left and right are attributes of each item that hold them): { prompt, chosen,
-- rejected, margin, posterior, confidence, weight }; margin is P(chosen is
-- better) - P(rejected is). Weights are the consensus's, times a mitigation's.
local core = require "hone.core"
local options = require "hone.options"

local schema = {
  { "prompt", "string", default = "prompt", doc = "attribute of an item" },
  { "left", "string", doc = "attribute: the text of the first option" },
  { "right", "string", doc = "attribute: the text of the second" },
  { "outcomes", "list", of = "string", default = { "left", "right" },
    doc = "labels that prefer the first and the second text" },
  { "min_confidence", "number", default = 0, min = 0, max = 1, doc = "items below are left out" },
  { "causes", "any", doc = "what labels:adjudicate gave, with its decisions" },
}

local function copy(attributes)
  local out = {}
  for key, value in pairs(attributes or {}) do out[key] = value end
  return out
end

-- Posteriors of pairs whose consensus has only strengths of options: of the two
-- options of an item's first row.
local function pair_posteriors(labels)
  local strength = labels:column("options", "strength")
  local j = labels.judgements
  if not strength or j.level ~= "pair" then return {} end
  local item, left, right, out = j:column "item", j:column "left", j:column "right", {}
  for r = 1, #item do
    local a, b = strength[left[r]], strength[right[r]]
    if not out[item[r]] and a and b then
      local p = 1 / (1 + math.exp(b - a))
      out[item[r]] = { left = p, right = 1 - p }
    end
  end
  return out
end

-- A mitigation's shares of labels, by their names.
local function by_name(shares, names)
  if not shares then return nil end
  local out = {}
  for k, name in ipairs(names) do out[name] = shares[k] end
  return out
end

-- What adjudication decided changes the row: a soft label by votes, another label,
-- or none until the guideline is clear.
local function decide(row, record)
  if not record then return true end
  row.cause = record.cause
  if record.cause == "guideline" then return false end
  if record.label then
    row.label, row.posterior, row.confidence = record.label, { [record.label] = 1.0 }, 1.0
  elseif record.soft then
    row.posterior = record.shares
  end
  return true
end

local function preference(row, o, attributes, report)
  local left, right = attributes[o.left], attributes[o.right]
  if type(left) ~= "string" or type(right) ~= "string" then
    report.without_text = report.without_text + 1
    return nil
  end
  local p = row.posterior or {}
  local a, b = p[o.outcomes[1]] or 0, p[o.outcomes[2]] or 0
  if a == b then
    report.ties = report.ties + 1
    return nil
  end
  row.prompt = attributes[o.prompt]
  row.chosen, row.rejected = a > b and left or right, a > b and right or left
  row.margin, row.label = math.abs(a - b), nil
  row.posterior = math.max(a, b) / (a + b)
  return row
end

return function(labels, given)
  local o = options.check("rows", schema, given)
  if (o.left == nil) ~= (o.right == nil) then core.fail("rows: left and right go together") end
  local report = { items = #labels.consensus, rows = 0, without_label = 0, ties = 0,
                   without_text = 0, unsure = 0, guideline = 0 }
  local attributes, rows = labels.judgements:attributes "items", core.json.list {}
  local strengths, records, names = pair_posteriors(labels), {}, labels.judgements:names "labels"
  for _, record in ipairs(o.causes or {}) do records[record.item] = record end
  for i, found in labels:each "items" do
    local row = o.left and {} or copy(attributes[i] or nil)
    row.item, row.label, row.value = found.name, found.label or nil, found.value or nil
    row.posterior = by_name(labels.soft[found.name], names) or found.posterior or strengths[i]
    row.confidence = found.confidence or nil
    row.weight = (found.weight or found.confidence or 1.0) * (labels.weights[found.name] or 1.0)
    local known = row.label ~= nil or row.value ~= nil or row.posterior ~= nil
    if not known then
      report.without_label, row = report.without_label + 1, nil
    elseif not decide(row, records[found.name]) then
      report.guideline, row = report.guideline + 1, nil
    elseif row.confidence and row.confidence < o.min_confidence then
      report.unsure, row = report.unsure + 1, nil
    elseif o.left then
      row = preference(row, o, attributes[i] or {}, report)
    end
    rows[#rows + 1] = row
  end
  report.rows = #rows
  return rows, report
end
