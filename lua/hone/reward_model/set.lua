-- set: what a reward model learns from, as tokens, and the batches of an epoch.
--
--   local set = sets.pairs(hone.pairs(data), model, o)
--   local set = sets.ratings(ratings.read(data, o), model, o)
--   set.items[k]    pairs: { chosen, rejected, weight, margin, noise, tie, lengths, row }
--                   ratings: { text, weight, seen, row }; chosen, rejected, text are ids
--   set:plan(tokens, seed, epoch):batch(i)
--
-- A batch is { batch, items, members, weight, tokens, weights }; its outputs are the last
-- tokens of the items' texts in order (of a pair: chosen, rejected).
local core = require "hone.core"
local pairs_of = require "hone.pairs"
local random = require "hone.random"
local T = require "hone.tensor"
local text = require "hone.text"

local sets = {}
local methods = {}

-- No limit that a text could reach: what is too long is decided here.
local unlimited <const> = 1 << 30

--- Rows through the one renderer: for each its ids and the tokens of its answer, or false.
function sets.encode(rows, name, model, template)
  local examples, report = core.data_new(rows, name):encode(model, {
    template = template, last_answer = true, max_tokens = unlimited })
  local ids, lengths = {}, {}
  for r = 1, #rows do ids[r], lengths[r] = false, 0 end
  for e = 1, #examples do
    local r = examples:row(e)
    local _, _, learned = examples:size(e)
    ids[r], lengths[r] = examples:get(e).tokens, learned
  end
  return ids, lengths, report
end

--- Ids that fit: as they are, without their beginning (cut), or nil and why.
function sets.fit(ids, answer, limit, cut)
  if #ids <= limit then return ids end
  if cut and answer <= limit then return ids:slice(#ids - limit + 1, #ids) end
  return nil, ("%s; at most %s allowed"):format(text.count(#ids, "token"), text.integer(limit))
end

local function leave_out(self, item, why, o)
  if o.too_long == "error" then
    core.fail(("%s: %s (too_long = \"drop\" leaves such texts out)"):format(
      self.data:where(item.row), why))
  end
  local report = self.report
  report.dropped = report.dropped + 1
  if report.dropped <= 5 then report.dropped_rows[report.dropped] = self.data:where(item.row) end
end

-- Fit each item's texts, { field, ids, length } of each.
local function add(self, item, sides, o)
  for _, side in ipairs(sides) do
    if not side.ids then return leave_out(self, item, "nothing to judge", o) end
    local ids, why = sets.fit(side.ids, side.length, self.limit, o.too_long == "truncate")
    if not ids then return leave_out(self, item, why, o) end
    self.report.truncated = self.report.truncated + (#ids < #side.ids and 1 or 0)
    item[side.field], item.tokens = ids, (item.tokens or 0) + #ids
    item.lengths[side.field] = side.length
    self.report.longest = math.max(self.report.longest, #ids)
  end
  self.report.tokens = self.report.tokens + item.tokens
  self.items[#self.items + 1] = item
end

-- list: what was read, each { field = answer ... }; fields: in order.
local function new(data, list, fields, model, o)
  local rows = {}
  for _, found in ipairs(list) do
    for _, field in ipairs(fields) do
      rows[#rows + 1] = pairs_of.row(found.prompt, found[field])
    end
  end
  local ids, lengths, report = sets.encode(rows, data.name, model, o.template)
  local self = setmetatable({ data = data, items = {}, fields = fields, report = report,
    limit = math.min(o.max_tokens or unlimited, model.max_positions or unlimited) },
    { __index = methods, __len = function(set) return #set.items end })
  report.dropped, report.dropped_rows, report.truncated = 0, core.json.list {}, 0
  report.tokens, report.longest, report.learned = 0, 0, 0
  for i, found in ipairs(list) do
    local item, sides = { lengths = {}, row = found.row, weight = found.weight }, {}
    for _, key in ipairs { "margin", "noise", "tie", "seen" } do item[key] = found[key] end
    for f, field in ipairs(fields) do
      local r = (i - 1) * #fields + f
      sides[f] = { field = field, ids = ids[r], length = lengths[r] }
    end
    add(self, item, sides, o)
  end
  report.learned = #self.items * #fields
  if #self.items == 0 then
    core.fail(("%s: no text fits into %s"):format(data.name, text.count(self.limit, "token")))
  end
  if report.dropped > 0 then
    core.log("warn", ("%s left out: longer than %s (%s%s)"):format(
      text.count(report.dropped, "item"), text.count(self.limit, "token"),
      table.concat(report.dropped_rows, ", "), report.dropped > 5 and ", ..." or ""))
  end
  return self
end

--- Of pairs.lua's pairs.
function sets.pairs(read, model, o)
  if #read.pairs == 0 then
    core.fail(("%s: no pairs: loss = \"classification\" learns from verdicts"):format(
      read.data.name))
  end
  return new(read.data, read.pairs, { "chosen", "rejected" }, model, o)
end

--- Of ratings.lua's ratings.
function sets.ratings(read, model, o)
  return new(read.data, read.items, { "text" }, model, o)
end

--- "file.jsonl:17" of an item.
function methods:where(k) return self.data:where(self.items[k].row) end

-- ---- plans ----

local plan_methods = {}

--- Items shuffled by seed and epoch (epoch < 0: in order), as many in a batch as `tokens` allow.
function methods:plan(tokens, seed, epoch)
  local order, starts, room = {}, {}, 0
  for k = 1, #self.items do order[k] = k end
  if epoch >= 0 then order = random(seed, ("epoch/%d"):format(epoch)):shuffle(#order) end
  for place, k in ipairs(order) do
    local n = self.items[k].tokens
    if place == 1 or n > room then starts[#starts + 1], room = place, tokens end
    room = room - n
  end
  starts[#starts + 1] = #order + 1
  return setmetatable({ set = self, order = order, starts = starts },
                      { __index = plan_methods, __len = function(p) return #p.starts - 1 end })
end

--- The numbers of the items of batch i.
function plan_methods:members(i)
  return table.move(self.order, self.starts[i], self.starts[i + 1] - 1, 1, {})
end

function plan_methods:batch(i) return self.set:batch(self:members(i)) end

--- The items of these numbers as a batch.
function methods:batch(members)
  local part = { set = self, members = members, items = {}, weight = 0, batch = core.batch_new() }
  local weights = {}
  for i, k in ipairs(members) do
    local item = self.items[k]
    part.items[i], weights[i] = item, item.weight
    part.weight = part.weight + item.weight
    for _, field in ipairs(self.fields) do part.batch:add_end(item[field]) end
  end
  part.weights, part.tokens = T(weights), part.batch.tokens
  return part
end

return sets
