-- losses: what reward models minimise, a value an item. An objective is
--
--   outputs         of the head "score": one, one a metric, one a class
--   extra           { name, count } of parameters learned beside it, or nil
--   values(part, scores, extra)   [items], and statistics (number, [items], { [items], [items] }:
--                   a value and its weight); scores [texts] or [texts, outputs]
--
-- of pairs, d = r_chosen - r_rejected, and e the probability that the order is wrong:
--   bradley_terry   -(1 - e) log s(d - m) - e log s(-d - m) + c (r_chosen + r_rejected)^2,
--                   s the logistic function, m margin_scale * column margin, c centre.
--                   Bradley & Terry 1952; Touvron et al. 2023, arXiv:2307.09288 (m);
--                   Eisenstein et al. 2023, arXiv:2312.09244 (c)
--   davidson        P(chosen) : P(rejected) : P(tie) = exp(d/2) : exp(-d/2) : exp(t), t
--                   learned. Davidson 1970
-- of ratings:
--   ordinal         P(y <= k) = s(c_k - r), cut points c rising, learned for each metric:
--                   c_1 = a_1, c_k = c_(k-1) + exp(a_k). McCullagh 1980
--   regression      (r - y)^2, y with mean 0 and sd 1 in the training data
--   classification  -log softmax(r)_y
local core = require "hone.core"
local T = require "hone.tensor"
local text = require "hone.text"

local losses = {}

local function column(part, name)
  local list = {}
  for i, item in ipairs(part.items) do list[i] = item[name] or 0 end
  return T(list)
end

-- ---- pairs ----

-- Scores of the two sides, which lie side by side.
local function sides(part, scores)
  local chosen, rejected = {}, {}
  for i = 1, #part.items do chosen[i], rejected[i] = 2 * i - 1, 2 * i end
  return scores:rows(chosen), scores:rows(rejected)
end

-- Ties count neither as right nor as wrong.
local function pair_statistics(part, chosen, rejected)
  local d, order = (chosen - rejected):detach(), {}
  for i, item in ipairs(part.items) do order[i] = item.tie and 0 or 1 end
  return { accuracy = { d:gt(0) + d:eq(0) * 0.5, T(order) }, margin = { d, T(order) },
           score = ((chosen + rejected) * 0.5):detach() }
end

function losses.bradley_terry(o)
  return { outputs = 1, pairs = true, values = function(part, scores)
    local chosen, rejected = sides(part, scores)
    local d, e, m = chosen - rejected, column(part, "noise"), column(part, "margin")
    m = m * o.margin_scale
    local values = -(T.log_sigmoid(d - m) * (1 - e)) - T.log_sigmoid(-d - m) * e
    if o.centre > 0 then values = values + (chosen + rejected):square() * o.centre end
    return values, pair_statistics(part, chosen, rejected)
  end }
end

function losses.davidson(o)
  return { outputs = 1, pairs = true, extra = { name = "ties", count = 1 }, start = { 0 },
    values = function(part, scores, extra)
      local chosen, rejected = sides(part, scores)
      local n, target = #part.items, {}
      for i, item in ipairs(part.items) do
        target[i] = item.tie and { 0, 0, 1 } or { 1 - item.noise, item.noise, 0 }
      end
      local logits = T.matmul((chosen - rejected):reshape(n, 1), T { { 0.5, -0.5, 0 } }) +
        T { 0, 0, 1 } * extra
      local values = -(logits:log_softmax() * T(target)):sum_last()
      if o.centre > 0 then values = values + (chosen + rejected):square() * o.centre end
      return values, pair_statistics(part, chosen, rejected)
    end }
end

-- ---- ratings ----

-- What was seen of all items: places in [texts * outputs] and shares; lengths by item.
local function observations(part, outputs)
  local seen, places, shares, lengths = {}, {}, {}, {}
  for i, item in ipairs(part.items) do
    for _, s in ipairs(item.seen) do
      seen[#seen + 1] = s
      places[#places + 1], shares[#shares + 1] = (i - 1) * outputs + s.metric, s.share
    end
    lengths[i] = #item.seen
  end
  return seen, places, T(shares), lengths
end

-- The distinct ratings of each metric, in order; how often each was given.
local function levels_of(set, metrics)
  local counts, levels = {}, {}
  for m in ipairs(metrics) do counts[m], levels[m] = {}, {} end
  for _, item in ipairs(set.items) do
    for _, s in ipairs(item.seen) do
      local c = counts[s.metric]
      if not c[s.value] then table.insert(levels[s.metric], s.value) end
      c[s.value] = (c[s.value] or 0) + s.share
    end
  end
  for m, name in ipairs(metrics) do
    table.sort(levels[m])
    if #levels[m] < 2 then
      core.fail(("reward_model: '%s' has one level in the training data: %s"):format(name,
        text.value(levels[m][1])))
    end
  end
  return levels, counts
end

-- Cut points that give each level its share of the training data where scores are 0.
local function starting_cuts(levels, counts)
  local raw = {}
  for m, list in ipairs(levels) do
    local total, below, last = 0, 0, nil
    for _, level in ipairs(list) do total = total + counts[m][level] end
    for k = 1, #list - 1 do
      below = below + counts[m][list[k]]
      local cut = math.log(below / (total - below))
      raw[#raw + 1] = last and math.log(cut - last) or cut
      last = cut
    end
  end
  return raw
end

-- Where each metric's cut points begin among all, and the matrix that sums what lies
-- between them: [cuts, cuts].
local function cut_places(levels)
  local starts, owner = {}, {}
  for m, list in ipairs(levels) do
    starts[m] = #owner
    for _ = 1, #list - 1 do owner[#owner + 1] = m end
  end
  local sums, first = {}, {}
  for j = 1, #owner do
    sums[j], first[j] = {}, (j == 1 or owner[j - 1] ~= owner[j]) and 1 or 0
    for k = 1, #owner do sums[j][k] = owner[j] == owner[k] and j <= k and 1 or 0 end
  end
  return starts, T(sums), T(first), #owner
end

local function level_number(levels, metrics, s)
  for y, value in ipairs(levels[s.metric]) do
    if value == s.value then return y end
  end
  core.fail(("reward_model: '%s' is %s, a level that the training data has not"):format(
    metrics[s.metric], text.number(s.value)))
end

-- One row [cuts] for each observation that picks a cut point, or none.
local function pick(list, count)
  local rows = {}
  for i, at in ipairs(list) do
    rows[i] = {}
    for k = 1, count do rows[i][k] = k == at and 1 or 0 end
  end
  return T(rows)
end

function losses.ordinal(o, set, kept)
  local levels, counts
  if kept then levels = kept.levels else levels, counts = levels_of(set, o.metrics) end
  local starts, sums, first, count = cut_places(levels)
  local function ordered(raw) -- cut points [1, cuts], and the gaps before them
    local gaps = raw * first + raw:exp() * (1 - first)
    return T.matmul(gaps:reshape(1, count), sums), gaps
  end
  return { outputs = #o.metrics, extra = { name = "cuts", count = count }, levels = levels,
    start = counts and starting_cuts(levels, counts), ordered = ordered, starts = starts,
    values = function(part, scores, raw)
      local seen, places, shares, lengths = observations(part, #o.metrics)
      local up, low, has_up, has_low, inside = {}, {}, {}, {}, {}
      for i, s in ipairs(seen) do
        local y, top = level_number(levels, o.metrics, s), #levels[s.metric]
        up[i], low[i] = starts[s.metric] + y, starts[s.metric] + y - 1
        has_up[i], has_low[i] = y < top and 1 or 0, y > 1 and 1 or 0
        if y == top then up[i] = 0 end
        if y == 1 then low[i] = 0 end
        inside[i] = y > 1 and y < top and 1 or 0
      end
      local n = #seen
      local r = scores:reshape(#part.items * #o.metrics):rows(places)
      local cuts, gaps = ordered(raw)
      local upper, picked = pick(up, count), T(inside)
      local function at(rows, values)
        return T.matmul(rows, values:reshape(count, 1)):reshape(n)
      end
      -- s(b) - s(a) = s(b) s(-a) (1 - exp(a - b))
      local gap = at(upper, gaps) * picked + (1 - picked)
      local ll = T.log_sigmoid(at(upper, cuts) - r) * T(has_up) +
        T.log_sigmoid(r - at(pick(low, count), cuts)) * T(has_low) +
        (1 - (-gap):exp()):log() * picked
      return (-ll * shares):segment_sum(lengths), {}
    end }
end

-- Mean and sd of each metric's ratings.
local function moments_of(set, metrics)
  local out = {}
  for m, name in ipairs(metrics) do
    local n, sum, squares = 0, 0, 0
    for _, item in ipairs(set.items) do
      for _, s in ipairs(item.seen) do
        if s.metric == m then n, sum, squares = n + 1, sum + s.value, squares + s.value ^ 2 end
      end
    end
    local mean = sum / math.max(1, n)
    local sd = n > 1 and math.sqrt(math.max(0, squares - n * mean ^ 2) / (n - 1)) or 0
    if sd == 0 then
      core.fail(("reward_model: '%s' has fewer than two values in the training data"):format(name))
    end
    out[m] = { mean = mean, sd = sd }
  end
  return out
end

function losses.regression(o, set, kept)
  local moments = kept and kept.moments or moments_of(set, o.metrics)
  return { outputs = #o.metrics, moments = moments, values = function(part, scores)
    local seen, places, shares, lengths = observations(part, #o.metrics)
    local y = {}
    for i, s in ipairs(seen) do y[i] = (s.value - moments[s.metric].mean) / moments[s.metric].sd end
    local r = scores:reshape(#part.items * #o.metrics):rows(places)
    return ((r - T(y)):square() * shares):segment_sum(lengths), {}
  end }
end

function losses.classification(o)
  local number = {}
  for k, class in ipairs(o.classes) do number[class] = k end
  return { outputs = #o.classes, values = function(part, scores)
    local target, best = {}, {}
    for i, item in ipairs(part.items) do
      target[i], best[i] = {}, 1
      for k = 1, #o.classes do target[i][k] = 0 end
      for _, s in ipairs(item.seen) do
        local k = number[s.value]
        if not k then
          core.fail(("%s: class '%s' (classes: %s)"):format(part.set.data:where(item.row), s.value,
            table.concat(o.classes, ", ")))
        end
        target[i][k] = target[i][k] + s.share
        if target[i][k] > target[i][best[i]] then best[i] = k end
      end
    end
    return -(scores:log_softmax() * T(target)):sum_last(), {}
  end }
end

return losses
