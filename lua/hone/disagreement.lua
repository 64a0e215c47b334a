-- disagreement: labels:adjudicate { group = "region" } is a list of disputed items,
-- each with a proposed cause, for a person to decide.
--
--   mistake      few against many, or by annotators who are often wrong
--   guideline    the same two labels are confused in many items
--   legitimate   groups of annotators agree within themselves and not with each other
--   ambiguous    none of these
--
-- In labels:rows { causes = records } a mistake has the consensus's label; legitimate
-- and ambiguous items have a soft label, the share of votes; an item whose guideline is
-- unclear has no row: the guideline first, then ask again.
--
-- The rules only propose. record:decide { cause = , label = , by = , note = } decides
-- and keeps what had been proposed. The rules, in this order, with their options:
-- legitimate: two groups of at least `group_votes` votes, each with a share of at
-- least `group_share` for different labels. mistake: the consensus's posterior is at
-- least `sure`, and votes against it are at most `few` of all, or all by annotators
-- whose skill is below `skill`. guideline: the item's two first labels are those of at
-- least `recurs` of all disputed items, and at least three (where there are more than
-- two labels: two are confused in every dispute).
-- After Aroyo & Welty 2015, doi:10.1609/aimag.v36i1.2564, who tell such causes apart.
local core = require "hone.core"
local options = require "hone.options"
local text = require "hone.text"

local disagreement = {}

local causes = { "ambiguous", "guideline", "mistake", "legitimate" }

local schema = {
  { "group", "string", doc = "attribute of annotators: whose groups may differ" },
  { "group_votes", "integer", default = 2, min = 1, doc = "of a group, to be heard as one" },
  { "group_share", "number", default = 0.75, min = 0.5, max = 1, doc = "for its label" },
  { "sure", "number", default = 0.9, min = 0.5, max = 1, doc = "posterior of a consensus" },
  { "few", "number", default = 0.25, min = 0, max = 0.5, doc = "share of votes that are mistakes" },
  { "skill", "number", default = 0.6, min = 0, max = 1,
    doc = "below, votes are taken for mistakes" },
  { "recurs", "number", default = 0.2, min = 0, max = 1,
    doc = "share of disputes over the same labels" },
}

-- ---- votes ----

-- The votes of each item: { item, votes = { { label, annotator, weight }, ... } }.
local function votes_of(judgements)
  local item, who = judgements:column "item", judgements:column "annotator"
  local label, weight = judgements:column "label", judgements:column "weight"
  local items = {}
  for r = 1, #item do
    local one = items[item[r]] or {}
    items[item[r]] = one
    one[#one + 1] = { label = label[r], annotator = who[r], weight = weight and weight[r] or 1 }
  end
  return items
end

-- Weight by label, their sum, and labels from the most to the least voted.
local function tally(votes)
  local sums, total, order = {}, 0, {}
  for _, v in ipairs(votes) do
    if not sums[v.label] then order[#order + 1] = v.label end
    sums[v.label], total = (sums[v.label] or 0) + v.weight, total + v.weight
  end
  table.sort(order, function(a, b)
    if sums[a] ~= sums[b] then return sums[a] > sums[b] end
    return a < b
  end)
  return sums, total, order
end

-- Entropy of shares over its maximum, 0 to 1.
local function entropy(sums, total, labels)
  local h = 0
  for _, w in pairs(sums) do
    if w > 0 then h = h - w / total * math.log(w / total) end
  end
  return labels > 1 and h / math.log(labels) or 0
end

-- ---- rules ----

-- Groups that agree within, by what they say: { group, label, share, votes }.
local function camps(votes, group, o)
  local by = {}
  for _, v in ipairs(votes) do
    local g = group[v.annotator]
    if g then
      by[g] = by[g] or {}
      table.insert(by[g], v)
    end
  end
  local found, differ = {}, false
  for name, own in pairs(by) do
    local sums, total, order = tally(own)
    if #own >= o.group_votes and total > 0 and sums[order[1]] / total >= o.group_share then
      local share = sums[order[1]] / total
      found[#found + 1] = { group = name, label = order[1], share = share, votes = #own }
    end
  end
  table.sort(found, function(a, b) return a.group < b.group end)
  for i = 2, #found do differ = differ or found[i].label ~= found[1].label end
  return differ and found or nil
end

local function mistake(record, found, skill, o)
  local p = found.posterior and found.label and found.posterior[found.label]
  if not p or p < o.sure then return nil end
  local against, weak = 0, true
  for _, v in ipairs(record.votes) do
    if v.name ~= found.label then
      against = against + v.weight
      weak = weak and skill[v.annotator] and skill[v.annotator] < o.skill
    end
  end
  if against / record.total <= o.few then
    return ("%.0f %% of the votes are against a posterior of %.3f"):format(
      100 * against / record.total, p)
  end
  if not weak then return nil end
  return "all votes against are by annotators with a skill below " .. text.number(o.skill)
end

-- The two labels voted for most, in their own order.
local function rivals(order) return math.min(order[1], order[2]), math.max(order[1], order[2]) end
local function key_of(order) return ("%d/%d"):format(rivals(order)) end

-- The cause, and why in words.
local function propose(record, found, context)
  local o = context.o
  local groups = context.group and camps(record.votes, context.group, o)
  if groups then
    local words = {}
    for i, g in ipairs(groups) do
      words[i] = ("%s says %s (%d votes, %.0f %%)"):format(g.group, context.labels[g.label],
        g.votes, 100 * g.share)
    end
    return "legitimate", "groups differ: " .. table.concat(words, "; ")
  end
  local why = mistake(record, found, context.skill, o)
  if why then return "mistake", why end
  local times = context.confused[record.key]
  if #context.labels > 2 and times >= 3 and times / context.disputed >= o.recurs then
    local a, b = rivals(record.order)
    return "guideline", ("%s and %s are confused in %d of %d disputed items"):format(
      context.labels[a], context.labels[b], times, context.disputed)
  end
  return "ambiguous", ("entropy of the votes is %.2f of its maximum"):format(record.entropy)
end

-- ---- records ----

local Record = { __name = "hone.disagreement" }
Record.__index = Record

--- Decide: { cause = , label = , by = , note = }; what is absent stays as proposed.
function Record:decide(given)
  local o = options.check("decide", {
    { "cause", "choice", choices = causes, doc = "of the disagreement" },
    { "label", "string", doc = "the right one, where there is one" },
    { "by", "string", required = true, doc = "who decides" },
    { "note", "string", doc = "why" },
  }, given)
  if o.label and not self.shares[o.label] then
    local known = {}
    for name in pairs(self.shares) do known[#known + 1] = name end
    core.fail(("decide: nobody gave the label '%s'%s"):format(o.label,
      text.suggest(o.label, known)))
  end
  self.proposed = self.proposed or { cause = self.cause, why = self.why }
  self.cause, self.label, self.by, self.note = o.cause or self.cause, o.label, o.by, o.note
  self.soft = self.cause == "legitimate" or self.cause == "ambiguous"
  return self
end

function Record:__tostring()
  local decided = self.by and (" (decided by %s)"):format(self.by) or ""
  return ("%s: %s%s: %s"):format(self.item, self.cause, decided, self.why)
end

-- Disputed items, before any cause is proposed.
local function disputed(labels, names)
  local items, records = votes_of(labels.judgements), {}
  local label_names = labels.judgements:names "labels"
  for i, name in ipairs(names) do
    local votes = items[i]
    local sums, total, order = tally(votes or {})
    if votes and #order > 1 and total > 0 then
      for _, v in ipairs(votes) do v.name = label_names[v.label] end
      records[#records + 1] = { item = name, index = i, votes = votes, total = total,
        order = order, sums = sums,
                                key = key_of(order), entropy = entropy(sums, total, #label_names) }
    end
  end
  return records, label_names
end

local function group_of(judgements, attribute)
  if not attribute then return nil end
  local group, any = {}, false
  for i, a in ipairs(judgements:attributes "annotators") do
    local value = (a or {})[attribute]
    if value ~= nil and value ~= core.null then group[i], any = tostring(value), true end
  end
  if not any then
    core.fail(("adjudicate: no annotator has the attribute '%s'"):format(attribute))
  end
  return group
end

--- Records of the disputed items of labels, from the most to the least disputed.
function disagreement.propose(labels, given)
  local o = options.check("adjudicate", schema, given)
  local level = labels.judgements.level
  if level ~= "nominal" and level ~= "ordinal" and level ~= "pair" then
    core.fail(("adjudicate: %s judgements have no labels that could differ"):format(level))
  end
  local drafts, label_names = disputed(labels, labels.judgements:names "items")
  local context = { o = o, labels = label_names, skill = labels:column("annotators", "skill") or {},
                    group = group_of(labels.judgements, o.group), confused = {},
                      disputed = #drafts }
  for _, d in ipairs(drafts) do context.confused[d.key] = (context.confused[d.key] or 0) + 1 end
  local out = {}
  for i, d in ipairs(drafts) do
    local found = labels:row("items", d.index)
    local record = { item = d.item, entropy = d.entropy, posterior = found.posterior or nil,
                     consensus = found.label or nil, shares = {}, votes = #d.votes }
    for label, weight in pairs(d.sums) do record.shares[label_names[label]] = weight / d.total end
    record.cause, record.why = propose(d, found, context)
    record.soft = record.cause == "legitimate" or record.cause == "ambiguous"
    out[i] = setmetatable(record, Record)
  end
  table.sort(out, function(a, b)
    if a.entropy ~= b.entropy then return a.entropy > b.entropy end
    return a.item < b.item
  end)
  return out
end

return disagreement
