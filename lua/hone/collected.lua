-- collected: judgements of a task as tables for quality and bias plugins.
--
--   local answers = task:answers()
--   answers:check { ... }, answers:aggregate { preference = plugin }    as hone.judgements.set
--   answers.tables.preference      hone.judgements, one an ask, by the ask's name
--   answers.report                 { judgements, unreadable, na, empty, recheck, void }: the last
--                                  four by ask. void: made under a metric's older version whose
--                                  answers mean something else now, left out; recheck: wording
--                                  changed since, still there
--   answers:corrections()          rows to learn from: { prompt, completion }, and pairs
--                                  { prompt, chosen, rejected }, each with annotator and item
--   answers:models "preference"    pairs with models as options, for a leaderboard
--
-- The order in which options were shown is undone: left and right are the item's own.
-- An item is named by its content's `id`, else the beginning of its hash; parts of it
-- are "ITEM/left", "ITEM/2", "ITEM/turn 3". Options of pairs and rankings are responses:
-- the same text after the same prompt is one option wherever it stands. A time is the
-- seconds that the whole judgement took; repeats of an item by one annotator are all
-- there. Of items the tables know prompt, left, right (also as response1, response2),
-- response, gold and the content's other short fields; of annotators their attributes.
--
-- A record: { item, content, annotator, order, answers = { ask = value }, seconds, gold }.
local ask = require "hone.ask"
local content = require "hone.ask.content"
local core = require "hone.core"
local judgements = require "hone.judgements"
local metrics = require "hone.task_metrics"

local Collected = { __name = "hone.collected" }
Collected.__index = Collected

local function is(value) return value ~= nil and value ~= core.null end

-- ---- names ----

local sides = { "left", "right" }

local function part_name(c, place)
  return is(c.left) and sides[place] or tostring(place)
end

-- Names of items: short, each its own.
local function namer()
  local names, taken = {}, {}
  return function(record)
    local name = names[record.item]
    if name then return name end
    local id = tostring(record.item)
    name = is(record.content.id) and tostring(record.content.id) or id:sub(1, 16)
    if taken[name] then name = id end
    names[record.item], taken[name] = name, true
    return name
  end
end

local function prompt_key(c)
  local prompt = is(c.prompt) and c.prompt or ""
  return type(prompt) == "string" and prompt or core.json.encode(prompt)
end

-- Names of options: where the text stood first.
local function option_namer()
  local names = {}
  return function(c, item, place, options)
    local key = prompt_key(c) .. "\0" .. options[place].text
    if not names[key] then names[key] = item .. "/" .. part_name(c, place) end
    return names[key]
  end
end

-- ---- attributes ----

local hidden = { prompt = true, left = true, right = true, options = true, response = true,
                 messages = true, media = true, id = true, gold = true, truth = true }

-- What plugins may ask of an item, or a part of it.
local function attributes_of(c, row, gold)
  local out, options = {}, content.options(c)
  for key, value in pairs(c) do
    if not hidden[key] and is(value) and type(value) ~= "table" then out[key] = value end
  end
  if is(c.prompt) then out.prompt = c.prompt end
  if row.place then
    out.response = options[row.place].text
    out.model = options[row.place].model
    out.response_tokens = c[part_name(c, row.place) .. "_tokens"]
  elseif row.turn then
    out.response = content.text(c.messages[row.turn].content)
    out.prompt = core.json.list(table.move(c.messages, 1, row.turn - 1, 1, {}))
  elseif #options == 2 then
    out.left, out.right = options[1].text, options[2].text
    out.response1, out.response2 = out.left, out.right
  elseif #options == 1 then
    out.response = options[1].text
  end
  out.gold = gold
  return out
end

-- The right answer of a row: that of the item, of its place, or of its part.
local function gold_of(gold, row, of_ranking)
  if not is(gold) or of_ranking then return nil end
  if type(gold) == "table" then gold = gold[row.place or row.part] end
  if not is(gold) then return nil end
  local n = type(gold) == "number" and math.tointeger(gold)
  return n and type(row.value) == "string" and tostring(n) or gold
end

-- ---- building ----

local function add_options(row, c, item, option)
  local options = content.options(c)
  if row.left then
    row.left, row.right = option(c, item, 1, options), option(c, item, 2, options)
  elseif row.ranking then
    for i, group in ipairs(row.ranking) do
      if type(group) == "table" then
        for k, place in ipairs(group) do group[k] = option(c, item, place, options) end
      else
        row.ranking[i] = option(c, item, group, options)
      end
    end
  end
end

-- Rows of one answer to one ask, with item, annotator, time.
local function take(self, part, one, record, item)
  local value = record.answers[one.name]
  if not is(value) then
    part.empty = part.empty + 1
    return
  end
  local stale = metrics.stale(one, record)
  part[stale] = (part[stale] or 0) + 1
  if stale == "void" then return end
  local ok, rows = pcall(one.rows, one, value, record.content, record.order)
  if not ok then
    self.report.unreadable = self.report.unreadable + 1
    return
  end
  if #rows == 0 then part.na = part.na + 1 end
  for _, row in ipairs(rows) do
    local name = item
    if row.place then name = name .. "/" .. part_name(record.content, row.place) end
    if row.part then name = name .. "/" .. row.part end
    if not part.items[name] then
      part.items[name] = attributes_of(record.content, row,
        gold_of((record.gold or {})[one.name], row, row.ranking))
    end
    add_options(row, record.content, item, self.option)
    row.item, row.annotator, row.time = name, record.annotator, record.seconds
    row.part, row.place, row.turn, row.corrected = nil, nil, nil, nil
    part.rows[#part.rows + 1] = row
  end
end

local function table_of(part, attributes)
  local columns = part.ask:table()
  columns.time, columns.duplicates = "time", "both"
  local j = judgements(part.rows, columns)
  for name, found in pairs(part.items) do j:describe_item(name, found) end
  local seen = {}
  for _, row in ipairs(part.rows) do
    if not seen[row.annotator] then
      seen[row.annotator] = true
      local found = attributes[row.annotator]
      if found and next(found) then j:describe_annotator(row.annotator, found) end
    end
  end
  return j
end

-- Models in the place of responses: pairs whose content says both.
function Collected:models(name)
  local rows, known = {}, self.asks[name]
  if not known or known.kind ~= "preference" then
    core.fail(("models: '%s' is no preference of this task"):format(tostring(name)))
  end
  for _, record in ipairs(self.records) do
    local options, value = content.options(record.content), record.answers[name]
    if is(value) and options[1].model and options[2].model
       and options[1].model ~= options[2].model then
      local row = known:rows(value, record.content, record.order)[1]
      row.left, row.right = options[1].model, options[2].model
      row.item, row.annotator = self.name(record), record.annotator
      rows[#rows + 1] = row
    end
  end
  if #rows == 0 then core.fail("models: no item says which two models answered") end
  local columns = known:table()
  columns.duplicates = "both"
  return judgements(rows, columns)
end

--- Corrections as rows for hone.sft, and as preferences of what was corrected to what
--- it was: two lists. Unchanged ones make no row.
function Collected:corrections()
  local learn, prefer = core.json.list {}, core.json.list {}
  for _, record in ipairs(self.records) do
    for _, one in ipairs(self.list) do
      local value, c = record.answers[one.name], record.content
      local ok, rows = pcall(one.rows, one, value, c, record.order)
      for _, row in ipairs(ok and rows or {}) do
        local fixed = row.corrected
        local before = fixed and (row.turn and content.text(c.messages[row.turn].content)
          or content.options(c)[fixed.place].text)
        if fixed and fixed.text ~= before then
          local prompt = row.turn and table.move(c.messages, 1, row.turn - 1, 1, {})
            or is(c.prompt) and c.prompt or ""
          local from = { item = self.name(record), annotator = record.annotator }
          learn[#learn + 1] = { prompt = prompt, completion = fixed.text, item = from.item,
                                annotator = from.annotator }
          prefer[#prefer + 1] = { prompt = prompt, chosen = fixed.text, rejected = before,
                                  item = from.item, annotator = from.annotator }
        end
      end
    end
  end
  return learn, prefer
end

function Collected:check(given) return self.set:check(given) end
function Collected:aggregate(by) return self.set:aggregate(by) end
function Collected:__tostring()
  return self.set and tostring(self.set) or "no judgements yet"
end
function Collected:__len() return #self.records end

local collected = {}

--- What an ask's judgements come to. o: asks, records (a function that gives the next
--- record, or a list), attributes = { annotator = { ... } }.
function collected.new(o)
  local list, by_name = ask.list(o.asks)
  local self = setmetatable({ list = list, asks = by_name, records = {}, tables = {},
                              attributes = o.attributes or {},
                              name = namer(), option = option_namer(),
                              report = { judgements = 0, unreadable = 0, na = {}, empty = {},
                                         recheck = {}, void = {} } },
                            Collected)
  local parts = {}
  for i, one in ipairs(list) do
    parts[i] = { ask = one, rows = {}, items = {}, na = 0, empty = 0 }
  end
  local at, records = 0, o.records
  local following = type(records) == "function" and records
    or function() at = at + 1; return records[at] end
  for record in following do
    self.records[#self.records + 1] = record
    local item = self.name(record)
    for i, one in ipairs(list) do take(self, parts[i], one, record, item) end
  end
  for _, part in ipairs(parts) do
    if #part.rows > 0 then self.tables[part.ask.name] = table_of(part, o.attributes or {}) end
    local name = part.ask.name
    self.report.na[name], self.report.empty[name] = part.na, part.empty
    self.report.recheck[name], self.report.void[name] = part.recheck or 0, part.void or 0
  end
  self.report.judgements = #self.records
  self.set = next(self.tables) and judgements.set(self.tables) or nil
  return self
end

--- Without judgements there is nothing to check.
local function need(name)
  local method = Collected[name]
  Collected[name] = function(self, given)
    if not self.set then core.fail(name .. ": there are no judgements yet") end
    return method(self, given)
  end
end
need "check"
need "aggregate"

return collected
