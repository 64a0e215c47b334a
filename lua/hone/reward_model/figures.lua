-- figures: how good a reward model is on items that it has not learned from.
--
-- pairs: accuracy (equal scores count half) with its standard error, margin (mean of
-- r_chosen - r_rejected), reliability: ten bins of |d| by P = 1 / (1 + exp(-|d|)), each with
-- its mean P and the share of pairs where the sign was right; ece is the mean of their
-- distance, by pairs (Guo et al. 2017, arXiv:1706.04599). longer and shorter: the accuracy
-- of preferring the longer and the shorter answer, in tokens. Ties are left out.
-- ratings: for each metric correlation (Pearson) and mean absolute error, of classes accuracy.
local figures = {}

local function share(wins, n) return n > 0 and wins / n or nil end

-- Half a win where both are equal.
local function win(a, b) return a > b and 1 or a == b and 0.5 or 0 end

local bins <const> = 10

local function reliability(list)
  local out, ece = {}, 0
  for b = 1, bins do out[b] = { pairs = 0, probability = 0, right = 0 } end
  for _, d in ipairs(list) do
    local p = 1 / (1 + math.exp(-math.abs(d)))
    local b = out[math.min(bins, 1 + math.floor((p - 0.5) * 2 * bins))]
    b.pairs, b.probability, b.right = b.pairs + 1, b.probability + p, b.right + win(d, 0)
  end
  for _, b in ipairs(out) do
    if b.pairs > 0 then
      ece = ece + math.abs(b.right - b.probability) / #list
      b.probability, b.right = b.probability / b.pairs, b.right / b.pairs
    end
  end
  return out, ece
end

--- Of a set of pairs and the scores of its texts, in order.
function figures.pairs(set, scores)
  local list, right, margin, longer, squares = {}, 0, 0, 0, 0
  for k, item in ipairs(set.items) do
    if not item.tie then
      local d = scores[2 * k - 1] - scores[2 * k]
      list[#list + 1] = d
      right, margin, squares = right + win(d, 0), margin + d, squares + win(d, 0) ^ 2
      longer = longer + win(item.lengths.chosen, item.lengths.rejected)
    end
  end
  local n = #list
  if n == 0 then return { pairs = 0 } end
  local bins_of, ece = reliability(list)
  local accuracy = right / n
  return { pairs = n, accuracy = accuracy, margin = margin / n, ece = ece, reliability = bins_of,
    accuracy_se = n > 1 and math.sqrt(math.max(0, squares / n - accuracy ^ 2) / (n - 1)) or nil,
    longer = longer / n, shorter = 1 - longer / n }
end

-- Expected rating of an item: people's, as a soft label's mean.
local function given(item, m)
  local sum, weight = 0, 0
  for _, s in ipairs(item.seen) do
    if s.metric == m then sum, weight = sum + s.share * s.value, weight + s.share end
  end
  return weight > 0 and sum / weight or nil
end

local function correlation(a, b)
  local n, ma, mb, saa, sbb, sab = #a, 0, 0, 0, 0, 0
  for i = 1, n do ma, mb = ma + a[i] / n, mb + b[i] / n end
  for i = 1, n do
    local x, y = a[i] - ma, b[i] - mb
    saa, sbb, sab = saa + x * x, sbb + y * y, sab + x * y
  end
  return saa > 0 and sbb > 0 and sab / math.sqrt(saa * sbb) or nil
end

--- Of ratings; predicted(k) gives item k's expected ratings, one a metric.
function figures.ratings(set, metrics, predicted)
  local out = { texts = #set.items, metrics = {} }
  for m, name in ipairs(metrics) do
    local a, b, off = {}, {}, 0
    for k, item in ipairs(set.items) do
      local y = given(item, m)
      if y then
        a[#a + 1], b[#b + 1] = predicted(k)[m], y
        off = off + math.abs(a[#a] - y)
      end
    end
    out.metrics[name] = { texts = #a, correlation = correlation(a, b), error = share(off, #a) }
  end
  return out
end

--- Of classes; predicted(k) gives item k's probabilities.
function figures.classes(set, classes, predicted)
  local right = 0
  for k, item in ipairs(set.items) do
    local p, best, mode = predicted(k), 1, item.seen[1]
    for c = 2, #classes do if p[c] > p[best] then best = c end end
    for _, s in ipairs(item.seen) do if s.share > mode.share then mode = s end end
    right = right + (classes[best] == mode.value and 1 or 0)
  end
  return { texts = #set.items, accuracy = share(right, #set.items) }
end

return figures
