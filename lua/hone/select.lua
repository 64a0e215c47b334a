-- select: what to ask next, of whom.
--
--   samples:pair { by = hone.select.uncertainty { metric = concise }, limit = 200 }
--   hone.select.top { from = labels, by = hone.select.uncertainty {}, limit = 50 }
--   hone.select.assign { labels = labels, capacity = 20 }
--   hone.select.recruit { judgements = answers, attribute = "region",
--                         target = { north = 0.5, south = 0.5 } }
--
-- A criterion scores candidates, more is better to ask: pairs { left = sample,
-- right = sample }, or the items of labels. It is { name, scores = function(self,
-- candidates) }, so that a script can write its own. In C: <hone/select.h>.
local core = require "hone.core"
local options = require "hone.options"

local select = {}

local function criterion(name, scores)
  return setmetatable({ name = name, scores = scores }, {
    __name = "hone.select", __tostring = function() return "select." .. name end })
end

-- ---- candidates ----

local function is_pairs(candidates)
  return type(candidates) == "table" and candidates[1] and candidates[1].left
end

local function is_labels(candidates)
  return candidates and not is_pairs(candidates) and candidates.column ~= nil
end

-- Posteriors of items as rows of numbers. An item without any answer is as unsure
-- as can be.
local function posteriors(labels, name)
  local list = labels:column("items", "posterior")
  if not list then core.fail(name .. ": these labels have no posterior") end
  local words, rows = labels.judgements:names "labels", {}
  for i, p in ipairs(list) do
    local row = {}
    for k, word in ipairs(words) do row[k] = p and p[word] or 1 / #words end
    rows[i] = row
  end
  return rows
end

-- metric(left) - metric(right) of each pair.
local function differences(candidates, metric)
  local sides = {}
  for i, pair in ipairs(candidates) do
    sides[2 * i - 1], sides[2 * i] = pair.left, pair.right
  end
  local list = {}
  for i, s in ipairs(sides) do
    list[i] = { prompt = s.prompt, response = s.response, row = s.row,
                response_tokens = s.response_tokens }
  end
  local scores, out = metric((require "hone.samples")(list)), {}
  for i = 1, #candidates do
    local a, b = scores[2 * i - 1], scores[2 * i]
    if not (a and b) or a ~= a or b ~= b then
      core.fail(("%s has no score for a sample of pair %d"):format(metric.name, i))
    end
    out[i] = a - b
  end
  return out
end

-- The root of the mean square; 1 where all are 0.
local function spread(list)
  local sum = 0
  for _, d in ipairs(list) do sum = sum + d * d end
  return sum > 0 and math.sqrt(sum / #list) or 1
end

-- P(left is preferred), of a difference in units of the scale.
local function chances(candidates, metric, scale)
  local list, rows = differences(candidates, metric), {}
  scale = scale or spread(list)
  for i, d in ipairs(list) do
    local p = 1 / (1 + math.exp(-d / scale))
    rows[i] = { p, 1 - p }
  end
  return rows
end

local function rows_of(name, candidates, o)
  if is_labels(candidates) then return posteriors(candidates, name) end
  if not is_pairs(candidates) then core.fail(name .. ": scores pairs of samples, or labels") end
  if not o.metric then core.fail(name .. ": pairs need metric = a metric that scores them") end
  return chances(candidates, o.metric, o.scale)
end

-- ---- criteria ----

local metric = { "metric", "plugin", kind = "metric",
                 doc = "of pairs: the side that it scores higher is preferred" }
local scale = { "scale", "number", min = 0, open_min = true,
                doc = "difference of scores that makes odds of e; unset: their spread" }

--- Where it is least sure which label (or side) is right: entropy, or `by = "margin"`.
function select.uncertainty(given)
  local o = options.check("uncertainty", { metric, scale,
    { "by", "choice", default = "entropy", choices = { "entropy", "margin" }, doc = "measure" },
  }, given)
  local score = o.by == "margin" and core.select_margin or core.select_entropy
  return criterion("uncertainty", function(_, candidates)
    return score(rows_of("uncertainty", candidates, o))
  end)
end

--- Where the members of a committee are sure of different sides.
function select.disagreement(given)
  local o = options.check("disagreement", { { "metrics", "list", of = "any", required = true,
    doc = "metrics, of pairs; or labels of the same items" }, scale }, given)
  if #o.metrics < 2 then core.fail "disagreement: a committee has 2 members or more" end
  return criterion("disagreement", function(_, candidates)
    local members = {}
    for i, member in ipairs(o.metrics) do
      members[i] = is_pairs(candidates) and chances(candidates, member, o.scale)
        or posteriors(member, "disagreement")
    end
    return core.select_committee(members)
  end)
end

--- What an answer would tell, in nats. Of items: by an annotator of this skill. Of
--- pairs of options { left = name, right = name }: `strengths` are labels of
--- bradley_terry, whose standard errors say what is not known yet.
function select.information(given)
  local o = options.check("information", {
    { "skill", "number", default = 0.8, min = 0, max = 1, doc = "P(an answer is right)" },
    { "strengths", "any", doc = "labels with strengths of options" } }, given)
  local function of_options(candidates)
    local means, deviations = {}, {}
    for i, pair in ipairs(candidates) do
      local a, b = o.strengths:option(pair.left), o.strengths:option(pair.right)
      if not (a and b and a.strength and b.strength and a.strength_se and b.strength_se) then
        core.fail(("information: '%s' or '%s' has no strength with an error"):format(
          tostring(pair.left), tostring(pair.right)))
      end
      means[i] = a.strength - b.strength
      deviations[i] = math.sqrt(a.strength_se ^ 2 + b.strength_se ^ 2)
    end
    return core.select_comparison(means, deviations)
  end
  return criterion("information", function(_, candidates)
    if not is_labels(candidates) then
      if not o.strengths then core.fail "information: pairs of options need strengths = labels" end
      return of_options(candidates)
    end
    local rows, confusion = posteriors(candidates, "information"), {}
    local count = #(rows[1] or {})
    for k = 1, count do
      confusion[k] = {}
      for l = 1, count do
        confusion[k][l] = k == l and (count == 1 and 1 or o.skill) or (1 - o.skill) / (count - 1)
      end
    end
    return core.select_answer(rows, confusion)
  end)
end

--- What one criterion says for its cost: cost(candidate, i) > 0.
function select.per_cost(given)
  local o = options.check("per_cost", { { "by", "any", required = true, doc = "a criterion" },
    { "cost", "function", required = true, doc = "of a candidate" } }, given)
  return criterion("per_cost", function(_, candidates)
    local scores = o.by:scores(candidates)
    for i, score in ipairs(scores) do
      local cost = o.cost(is_pairs(candidates) and candidates[i] or candidates:row("items", i), i)
      if not (type(cost) == "number" and cost > 0) then
        core.fail(("per_cost: the cost of candidate %d is %s; a number above 0")
          :format(i, tostring(cost)))
      end
      scores[i] = score / cost
    end
    return scores
  end)
end

-- ---- choosing ----

-- The places of the largest scores, ties in order.
local function largest(scores, limit)
  local order = {}
  for i = 1, #scores do order[i] = i end
  table.sort(order, function(a, b)
    if scores[a] ~= scores[b] then return scores[a] > scores[b] end
    return a < b
  end)
  return table.move(order, 1, math.min(limit, #order), 1, {})
end

local top_schema = {
  { "from", "any", required = true, doc = "labels, or a list of pairs" },
  { "by", "any", required = true, doc = "a criterion" },
  { "limit", "integer", required = true, min = 0, doc = "most to choose" },
  { "budget", "number", min = 0, doc = "what they may cost together" },
  { "cost", "function", doc = "of a candidate; unset: 1" },
  { "embeddings", "any",
    doc = "of candidates, rows or a tensor: of the better half the most different are chosen" },
}

-- Of the candidates that score best, twice as many as asked for, the most different.
local function different(o, scores)
  local pool = largest(scores, math.max(2 * o.limit, (#scores + 1) // 2))
  local embeddings = o.embeddings
  if type(embeddings) == "userdata" then
    local offsets = {}
    for k, i in ipairs(pool) do offsets[k] = i - 1 end
    embeddings = embeddings:rows(offsets)
  else
    local rows = {}
    for k, i in ipairs(pool) do rows[k] = embeddings[i] end
    embeddings = rows
  end
  local places = core.select_centres(embeddings, math.min(o.limit, #pool))
  for k, place in ipairs(places) do places[k] = pool[place] end
  return places
end

--- The best candidates: { index, score, item | pair } each, best first.
function select.top(given)
  local o = options.check("top", top_schema, given)
  local scores, places = o.by:scores(o.from), nil
  if o.budget then
    local costs = {}
    for i = 1, #scores do
      costs[i] = o.cost and o.cost(is_pairs(o.from) and o.from[i] or o.from:row("items", i), i) or 1
    end
    places = core.select_budget(scores, costs, o.budget)
    places = table.move(places, 1, math.min(o.limit, #places), 1, {})
  else
    places = o.embeddings and different(o, scores) or largest(scores, o.limit)
  end
  local names = is_labels(o.from) and o.from.judgements:names "items"
  for k, i in ipairs(places) do
    places[k] = { index = i, score = scores[i], item = names and names[i],
                  pair = not names and o.from[i] or nil }
  end
  return places
end

--- The greedy k-centre of rows or a tensor: places, and how far each was from those before.
function select.centres(embeddings, count) return core.select_centres(embeddings, count) end

local pair_schema = {
  { "by", "any", doc = "a criterion; unset: the first pairs" },
  { "limit", "integer", min = 0, doc = "most pairs; unset: all" },
  { "per_prompt", "integer", min = 1, doc = "most pairs of a prompt; unset: all" },
}

-- Every two different responses to a prompt.
local function all_pairs(samples)
  local prompts, order, out = {}, {}, {}
  for i = 1, #samples do
    local s = samples[i]
    if not prompts[s.prompt] then
      prompts[s.prompt] = {}
      order[#order + 1] = s.prompt
    end
    table.insert(prompts[s.prompt], s)
  end
  for _, prompt in ipairs(order) do
    local list = prompts[prompt]
    for a = 1, #list do
      for b = a + 1, #list do
        if list[a].response ~= list[b].response then
          out[#out + 1] = { prompt = prompt, left = list[a], right = list[b] }
        end
      end
    end
  end
  return out
end

--- Pairs of responses to the same prompt to put before people, best first: { prompt,
--- left, right, score }. Equal responses are no pair.
function select.pairs(samples, given)
  local o = options.check("pair", pair_schema, given)
  local list, of, out = all_pairs(samples), {}, {}
  local scores = o.by and #list > 0 and o.by:scores(list)
  local order = scores and largest(scores, #list) or {}
  for k = 1, #list do
    local i = scores and order[k] or k
    local prompt = list[i].prompt
    of[prompt] = (of[prompt] or 0) + 1
    if #out == o.limit then break end
    if of[prompt] <= (o.per_prompt or math.huge) then
      list[i].score = scores and scores[i] or nil
      out[#out + 1] = list[i]
    end
  end
  return out
end

function core.samples:pair(given) return select.pairs(self, given) end

-- ---- of whom ----

local assign_schema = {
  { "labels", "any", required = true, doc = "with posteriors of items and skills of annotators" },
  { "capacity", "any", required = true,
    doc = "most answers of each: a number, or { name = number }" },
  { "cost", "any", doc = "of an answer: a number, or { name = number }" },
  { "per_item", "integer", default = 1, min = 1, max = 1000, doc = "most new answers of an item" },
  { "limit", "integer", min = 0, doc = "most of all; unset: items times per_item" },
}

local function each_of(value, name, default)
  if type(value) == "table" then return value[name] or default end
  return value or default
end

--- Who should answer what, by what the answer tells: { item, annotator, gain } each,
--- best first. No one answers an item again. An annotator without a skill counts
--- as one who guesses, and is asked nothing.
function select.assign(given)
  local o = options.check("assign", assign_schema, given)
  local j = o.labels.judgements
  local items, people = j:names "items", j:names "annotators"
  local truth, skills = posteriors(o.labels, "assign"), o.labels:column("annotators", "skill")
  if not skills then core.fail "assign: these labels have no skills of annotators" end
  local guess = 1 / #j:names "labels"
  local skill, capacity, cost, done = {}, {}, {}, {}
  for a, name in ipairs(people) do
    skill[a] = math.min(1, math.max(guess, skills[a] or guess))
    capacity[a] = each_of(o.capacity, name, 0)
    cost[a] = each_of(o.cost, name, 1)
  end
  local item, annotator = j:column "item", j:column "annotator"
  for r = 1, #item do done[r] = { item[r], annotator[r] } end
  local what, who, gains = core.select_assign {
    truth = truth, skill = skill, capacity = capacity, cost = cost,
    done = #done > 0 and done or nil,
    per_item = o.per_item, limit = o.limit or #items * o.per_item }
  local out = {}
  for i = 1, #what do
    out[i] = { item = items[what[i]], annotator = people[who[i]], gain = gains[i] }
  end
  return out
end

local recruit_schema = {
  { "judgements", "any", required = true, doc = "answers of the annotators there are" },
  { "attribute", "string", required = true, doc = "of annotators: their group" },
  { "target", "any", required = true, doc = "{ group = share } of the population" },
}

-- Each annotator's mean of values (of labels: their places on the scale).
local function means(j)
  local who, values = j:column "annotator", j:column "value"
  local sums, counts = {}, {}
  for r = 1, #who do
    if values[r] then
      sums[who[r]] = (sums[who[r]] or 0) + values[r]
      counts[who[r]] = (counts[who[r]] or 0) + 1
    end
  end
  for a, sum in pairs(sums) do sums[a] = sum / counts[a] end
  return sums
end

local function deviation(list)
  local mean, squares = 0, 0
  for _, x in ipairs(list) do mean = mean + x / #list end
  for _, x in ipairs(list) do squares = squares + (x - mean) ^ 2 end
  return #list > 1 and math.sqrt(squares / (#list - 1)) or nil
end

--- Groups by how much one more member of theirs narrows what is known of the whole
--- population: { group, members, sd, gain } each, the most useful first. sd is that of
--- annotators' means; where a group has fewer than two, that of all.
function select.recruit(given)
  local o = options.check("recruit", recruit_schema, given)
  local attributes, of, everyone, groups = o.judgements:attributes "annotators", {}, {}, {}
  for group in pairs(o.target) do
    groups[#groups + 1] = group
    of[group] = {}
  end
  table.sort(groups)
  local without = 0
  for a, mean in pairs(means(o.judgements)) do
    everyone[#everyone + 1] = mean
    local group = attributes[a] and attributes[a][o.attribute]
    if of[group] then table.insert(of[group], mean) else without = without + 1 end
  end
  local all, sizes, deviations, members = deviation(everyone), {}, {}, {}
  if not all then core.fail "recruit: fewer than 2 annotators: how they differ is not known" end
  for i, group in ipairs(groups) do
    sizes[i], members[i], deviations[i] = o.target[group], #of[group], deviation(of[group]) or all
  end
  local gains, out = core.select_recruit(sizes, deviations, members), {}
  for i, group in ipairs(groups) do
    out[i] = { group = group, members = members[i], sd = deviations[i], gain = gains[i] }
  end
  table.sort(out, function(a, b)
    if a.gain ~= b.gain then return a.gain > b.gain end
    return a.group < b.group
  end)
  out.without_group = without
  return out
end

return select
