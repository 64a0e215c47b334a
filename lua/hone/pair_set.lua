-- pair_set: preferences as tokens, and the batches of an epoch.
--
--   local set = pair_set.new(hone.pairs(data), model, { template = "plain" })
--   set.items[k]              { chosen, rejected } (numbers of examples), weight, margin, noise, row
--   set:plan(tokens, seed, epoch):batch(i)
--
-- Of samples that are judged one by one (unpaired): { completion, good, mismatched }. There a
-- pair makes two. mismatched is an example in set.mismatches: its own prompt with the answer to
-- another one, from which KTO estimates KL.
--
-- A batch is { batch, examples, outputs, members, weight, tokens } and, a value an item, columns
-- weights, margins, noises, lengths, which are tensors. The two sides of a pair lie side by side
-- and share their prompt.
local core = require "hone.core"
local pairs_of = require "hone.pairs"
local random = require "hone.random"
local T = require "hone.tensor"
local text = require "hone.text"

local pair_set = {}
local methods = {}

-- No limit that a row could reach: what is too long is decided for pairs, not for sides.
local unlimited <const> = 1 << 30

-- Sides of all items, in order: { item, field, prompt, answer }.
local function sides_of(read, unpaired)
  local items, sides = {}, {}
  local function item(from, answers)
    local it = { weight = from.weight, margin = from.margin, noise = from.noise, row = from.row,
                 good = answers.good, corrected = from.corrected and answers.good ~= false,
                 prompt = from.prompt }
    items[#items + 1] = it
    for _, field in ipairs { "chosen", "rejected", "completion" } do
      if answers[field] then
        sides[#sides + 1] = { item = it, field = field, answer = answers[field] }
      end
    end
  end
  for _, p in ipairs(read.pairs) do
    if unpaired then
      item(p, { completion = p.chosen, good = true })
      item(p, { completion = p.rejected, good = false })
    else
      item(p, { chosen = p.chosen, rejected = p.rejected })
    end
  end
  for _, v in ipairs(unpaired and read.verdicts or {}) do
    item(v, { completion = v.completion, good = v.good })
  end
  return items, sides
end

-- Rows through the one renderer: examples, and their numbers by row.
local function encode(rows, name, model, o, limit)
  local examples, report = core.data_new(rows, name):encode(model, {
    template = o.template, last_answer = true,
    max_tokens = o.too_long == "truncate" and limit or unlimited })
  local number = {}
  for e = 1, #examples do number[examples:row(e)] = e end
  return examples, number, report
end

-- Why an item cannot be learned from: { reason, tokens }.
local function unfit(self, it, limit)
  local longest = 0
  for _, field in ipairs { "chosen", "rejected", "completion" } do
    if it[field] == false then return "empty", 0 end
    if it[field] then longest = math.max(longest, (self.examples:size(it[field]))) end
  end
  if longest > limit then return "long", longest end
end

local function keep_fitting(self, items, o, limit)
  local report = self.report
  for _, it in ipairs(items) do
    local why, tokens = unfit(self, it, limit)
    if not why then
      self.items[#self.items + 1] = it
    elseif why == "long" and o.too_long == "error" then
      core.fail(("%s: %s; at most %s allowed (too_long = \"drop\" leaves such pairs out)"):format(
        self.data:where(it.row), text.count(tokens, "token"), text.integer(limit)))
    else
      report.dropped = report.dropped + 1
      if report.dropped <= 5 then
        report.dropped_rows[report.dropped] = self.data:where(it.row)
      end
    end
  end
  if #self.items == 0 then
    core.fail(("%s: no pair fits into %s"):format(self.data.name, text.count(limit, "token")))
  end
  if report.dropped > 0 then
    core.log("warn", ("%s left out: longer than %s, or nothing to learn (%s%s)"):format(
      text.count(report.dropped, "item"), text.count(limit, "token"),
      table.concat(report.dropped_rows, ", "), report.dropped > 5 and ", ..." or ""))
  end
end

-- Each prompt with the answer of the next item that has another prompt and fits.
local function mismatch(self, model, o, limit)
  local rows, owners, keys, items = {}, {}, {}, self.items
  for k, it in ipairs(items) do keys[k] = core.json.encode(it.prompt) end
  for k, it in ipairs(items) do
    local _, prompt = self.examples:size(it.completion)
    for step = 1, math.min(#items - 1, 64) do
      local other = items[(k + step - 1) % #items + 1]
      local _, _, learned = self.examples:size(other.completion)
      if keys[(k + step - 1) % #items + 1] ~= keys[k] and prompt + learned <= limit then
        rows[#rows + 1], owners[#owners + 1] = pairs_of.row(it.prompt, other.answer), it
        break
      end
    end
  end
  if #rows == 0 then
    core.fail(("%s: no two items with different prompts: KL needs the answer to another one")
      :format(self.data.name))
  end
  local examples, number = encode(rows, self.data.name, model, o, limit)
  self.mismatches = examples
  for r, it in ipairs(owners) do it.mismatched = number[r] end
end

--- o: template, max_tokens, too_long ("drop", "error", "truncate"), unpaired.
function pair_set.new(read, model, o)
  local items, sides = sides_of(read, o.unpaired)
  if #items == 0 then
    core.fail(("%s: no pairs, only verdicts: loss \"kto\" learns from those"):format(
      read.data.name))
  end
  local rows, limit = {}, o.max_tokens or model.max_positions or unlimited
  for s, side in ipairs(sides) do rows[s] = pairs_of.row(side.item.prompt, side.answer) end
  local self = setmetatable({ data = read.data, items = {}, unpaired = o.unpaired },
                            { __index = methods, __len = function(set) return #set.items end })
  local number, report
  self.examples, number, report = encode(rows, read.data.name, model, o, limit)
  self.report = report
  report.dropped, report.dropped_rows, report.max_tokens = 0, core.json.list {}, limit
  report.rows, report.preferences = read.report.rows, read.report
  for s, side in ipairs(sides) do
    side.item[side.field] = number[s] or false
    if side.field ~= "rejected" then side.item.answer = side.answer end
  end
  keep_fitting(self, items, o, limit)
  if o.unpaired then mismatch(self, model, o, limit) end
  return self
end

--- "file.jsonl:17" of an item.
function methods:where(k) return self.data:where(self.items[k].row) end

--- The numbers of the examples that items refer to: { examples = list, mismatches = list }.
function methods:used()
  local out = { examples = {}, mismatches = self.unpaired and {} or nil }
  for _, it in ipairs(self.items) do
    for _, field in ipairs { "chosen", "rejected", "completion" } do
      if it[field] then out.examples[#out.examples + 1] = it[field] end
    end
    if it.mismatched then out.mismatches[#out.mismatches + 1] = it.mismatched end
  end
  return out
end

-- Tokens that an item adds to a batch, its prompt counted once.
local function cost(self, it)
  if it.completion then return (self.examples:size(it.completion)) end
  local c, prompt = self.examples:size(it.chosen)
  return c + self.examples:size(it.rejected) - prompt
end

-- ---- plans ----

local plan_methods = {}

--- Items shuffled by seed and epoch (epoch < 0: in order), as many in a batch as `tokens` allow.
function methods:plan(tokens, seed, epoch)
  local order, starts, room = {}, {}, 0
  for k = 1, #self.items do order[k] = k end
  if epoch >= 0 then order = random(seed, ("epoch/%d"):format(epoch)):shuffle(#order) end
  for place, k in ipairs(order) do
    local n = cost(self, self.items[k])
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

local function column(items, members, name)
  local list = {}
  for i, k in ipairs(members) do list[i] = items[k][name] end
  return T(list)
end

-- The places of a side among a batch's examples, and the lengths there.
local function places(part, set, field)
  local at, lengths = {}, {}
  for i, k in ipairs(part.members) do
    local e = set.items[k][field]
    part.examples[#part.examples + 1] = e
    at[i] = #part.examples
    local _, _, learned = set.examples:size(e)
    lengths[i] = learned
  end
  part.places[field], part.lengths[field] = at, T(lengths)
end

-- Sides in the order of items, so that those of a pair are neighbours.
local function interleave(part)
  local n = #part.members
  for field, shift in pairs { chosen = 0, rejected = 1 } do
    for i = 1, n do part.places[field][i] = 2 * i - 1 + shift end
  end
  local examples = {}
  for i = 1, n do
    examples[2 * i - 1], examples[2 * i] = part.examples[i], part.examples[n + i]
  end
  part.examples = examples
end

--- The items of these numbers as a batch.
function methods:batch(members)
  local items = self.items
  local part = { set = self, members = members, examples = {}, places = {}, lengths = {},
                 outputs = {}, weight = 0, noisy = false }
  for _, field in ipairs(self.unpaired and { "completion" } or { "chosen", "rejected" }) do
    places(part, self, field)
  end
  if not self.unpaired then interleave(part) end
  for i, e in ipairs(part.examples) do
    local _, _, learned = self.examples:size(e)
    part.outputs[i] = learned
  end
  local good, corrected, any = {}, {}, false
  for i, k in ipairs(members) do
    local it = items[k]
    part.weight = part.weight + it.weight
    part.noisy, any = part.noisy or it.noise > 0, any or it.corrected
    good[i], corrected[i] = it.good and 1 or 0, it.corrected and 1 or 0
  end
  part.weights = column(items, members, "weight")
  part.margins, part.noises = column(items, members, "margin"), column(items, members, "noise")
  part.good, part.corrected = T(good), any and T(corrected) or nil
  part.batch = self.examples:batch(part.examples, true)
  part.tokens = part.batch.tokens
  return part
end

--- The mismatched examples of a batch's items: { batch, examples, outputs }.
function methods:mismatched(part)
  local out = { examples = {}, outputs = {} }
  for _, k in ipairs(part.members) do
    local e = self.items[k].mismatched
    if e then
      local _, _, learned = self.mismatches:size(e)
      out.examples[#out.examples + 1], out.outputs[#out.outputs + 1] = e, learned
    end
  end
  out.batch = #out.examples > 0 and self.mismatches:batch(out.examples) or nil
  return out
end

return pair_set
