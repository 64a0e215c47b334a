-- plan: what a task would cost and tell, tried on simulated annotators.
--
--   local plan = hone.simulate.plan { items = 200, overlap = 3, pool = pool, wage = 18 }
--   print(plan)      judgements, hours, cost, agreement, accuracy
--
-- items: contents, or how many: then pairs whose two truths are standard normal. ask: what
-- is asked (default: a preference). Each item goes to `overlap` annotators of the pool, who
-- take turns; the consensus (aggregate: a quality plugin by the ask's name; default majority,
-- of pairs bradley_terry) is compared with the truth. cost is of a judgement, or wage of an
-- hour. rounds: how often it is tried, with other seeds; the figures are means, and `spread`
-- has their standard deviations.
local ask = require "hone.ask"
local collected = require "hone.collected"
local content = require "hone.ask.content"
local core = require "hone.core"
local options = require "hone.options"
local simulate = require "hone.simulate"
local text = require "hone.text"

local schema = {
  { "items", "any", default = 100, doc = "contents, or how many" },
  { "overlap", "integer", default = 3, min = 1, doc = "judgements of an item" },
  { "pool", "any", required = true, doc = "of hone.simulate.annotators, or its options" },
  { "ask", "any", doc = "a list of asks" },
  { "aggregate", "any", default = {}, doc = "{ ask = quality plugin }" },
  { "cost", "number", default = 0, min = 0, doc = "of a judgement" },
  { "wage", "number", default = 0, min = 0, doc = "of an hour" },
  { "rounds", "integer", default = 3, min = 1, max = 1000, doc = "tries" },
  { "seed", "integer", default = 0, doc = "of items and order" },
}

local function contents(o, seed)
  if type(o.items) == "table" then return o.items end
  local count = type(o.items) == "number" and math.tointeger(o.items)
  if not count or count < 1 then
    core.fail(("simulate.plan: items: %s (allowed: a list, or 1 or more)"):format(
      text.value(o.items)))
  end
  local random, list = core.random(seed, "items"), {}
  for i = 1, count do
    list[i] = { id = "item " .. i, prompt = "prompt " .. i, left = ("a "):rep(60) .. i,
                right = ("b "):rep(60) .. i, truth = { random:normal(), random:normal() } }
  end
  return list
end

local function pool_of(o, round)
  local pool = o.pool
  if getmetatable(pool) == nil then
    local given = {}
    for key, value in pairs(pool) do given[key] = value end
    given.seed = (given.seed or 0) + round - 1
    return simulate.annotators(given)
  end
  return pool
end

-- Each item to `overlap` people in turn, sides swapped for every other one.
local function collect(o, round)
  local pool, list, asks = pool_of(o, round), contents(o, o.seed + round - 1), ask.list(o.ask)
  if o.overlap > #pool.people then
    core.fail(("simulate.plan: overlap: %d of %s (allowed: at most so many)"):format(o.overlap,
      text.count(#pool.people, "annotator")))
  end
  local turns, records, seconds = core.random(o.seed + round, "turns"), {}, 0
  local order, at = turns:shuffle(#pool.people), 0
  for i, c in ipairs(list) do
    for k = 1, o.overlap do
      at = at % #order + 1
      local person = pool.people[order[at]]
      local n = #content.options(c)
      local places = n > 1 and turns:shuffle(n) or nil
      local answers, took = simulate.answer(pool, person, asks, c, places)
      records[#records + 1] = { item = c.id or tostring(i), content = c, annotator = person.name,
                                order = places, answers = ask.pack(asks, answers, c, places),
                                seconds = took }
      seconds = seconds + took
      if at == #order then order, at = turns:shuffle(#order), 0 end
      if k == o.overlap and at > 0 and #order - at < o.overlap then
        order, at = turns:shuffle(#order), 0
      end
    end
  end
  return collected.new { asks = asks, records = records }, pool, asks, seconds
end

-- ---- the truth ----

local function best_side(pool, one, c)
  local shown = content.shown(c, nil)
  local function worth(option)
    if pool.truth then return pool.truth(c, option, one) end
    return c.truth[option.place]
  end
  local d = worth(shown[1]) - worth(shown[2])
  return d > 0 and "left" or d < 0 and "right" or nil
end

-- Of preferences: the share of items whose consensus names the truly better side.
local function accuracy(answers, pool, one, plugin)
  local j = answers.tables[one.name]
  if one.kind ~= "preference" or not j then return nil end
  local labels = j:aggregate(plugin or core.instance("quality", "bradley_terry", {}))
  local truth, right, n = {}, 0, 0
  for _, record in ipairs(answers.records) do
    truth[answers.name(record)] = best_side(pool, one, record.content)
  end
  for _, row in ipairs((labels:rows())) do
    local side, p = truth[row.item], row.posterior
    local a, b = p and p.left, p and p.right
    if not p then
      a, b = row.label == "left" and 1 or 0, row.label == "right" and 1 or 0
    end
    if side then
      n = n + 1
      a, b = a or 0, b or 0
      right = right + (a == b and 0.5 or ((a > b) == (side == "left")) and 1 or 0)
    end
  end
  return n > 0 and right / n or nil
end

local function agreement(j)
  local ok, found = pcall(function()
    return core.instance("quality", "agreement", { methods = { "percent",
      "krippendorff" } }):check(j)
  end)
  if not ok then return nil, nil end
  local function value(one)
    return type(one) == "table" and type(one.value) == "number" and one.value or nil
  end
  return value(found.percent), value(found.krippendorff)
end

-- ---- the plan ----

local Plan = { __name = "hone.simulate.plan" }
Plan.__index = Plan

local function percent(x) return x and ("%.0f %%"):format(100 * x) or "-" end

function Plan:__tostring()
  local lines = { ("%s, %s each: %s, %.1f hours%s"):format(text.count(self.items, "item"),
    text.count(self.overlap, "judgement"), text.count(self.judgements, "judgement"), self.hours,
    self.cost > 0 and (", cost %.2f"):format(self.cost) or "") }
  for _, one in ipairs(self.asks) do
    lines[#lines + 1] = ("  %s: agreement %s%s%s"):format(one.name, percent(one.agreement),
      one.alpha and (", Krippendorff's alpha %.2f"):format(one.alpha) or "",
      one.accuracy and (", right %s (+- %s)"):format(percent(one.accuracy),
        percent(one.spread.accuracy)) or "")
  end
  return table.concat(lines, "\n")
end

local function mean_of(list)
  local sum, squares = 0, 0
  for _, x in ipairs(list) do sum = sum + x / #list end
  for _, x in ipairs(list) do squares = squares + (x - sum) ^ 2 end
  return #list > 0 and sum or nil, #list > 1 and math.sqrt(squares / (#list - 1)) or 0.0
end

return function(given)
  local o = options.check("simulate.plan", schema, given)
  o.ask = o.ask or { ask.preference {} }
  local seen, seconds_all, judged, items = {}, {}, 0, 0
  for round = 1, o.rounds do
    local answers, pool, asks, seconds = collect(o, round)
    seconds_all[round], judged = seconds, #answers
    items = #answers // o.overlap
    for i, one in ipairs(asks) do
      seen[i] = seen[i] or { name = one.name, agreement = {}, alpha = {}, accuracy = {} }
      local j = answers.tables[one.name]
      local share, alpha
      if j then share, alpha = agreement(j) end
      table.insert(seen[i].agreement, share)
      table.insert(seen[i].alpha, alpha)
      table.insert(seen[i].accuracy, accuracy(answers, pool, one, o.aggregate[one.name]))
    end
  end
  local out = { items = items, overlap = o.overlap, judgements = judged, asks = {} }
  out.hours = mean_of(seconds_all) / 3600
  out.cost = judged * o.cost + out.hours * o.wage
  for i, one in ipairs(seen) do
    local found = { name = one.name, spread = {} }
    for _, key in ipairs { "agreement", "alpha", "accuracy" } do
      found[key], found.spread[key] = mean_of(one[key])
    end
    out.asks[i] = found
  end
  return setmetatable(out, Plan)
end
