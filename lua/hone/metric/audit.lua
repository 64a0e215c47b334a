-- audit: whether a metric minds what its definition says should not matter.
--
--   audit = { groups = { "dialect" }, swaps = { { "he", "she" } },
--             limits = { gap = 0.5, swap = 0.2, length = 0.6 } }
--   local found = metric:audit(samples)      raises where a limit is exceeded
--
-- gap: the largest difference of the means of two groups, a column of the row each.
-- swap: the mean absolute difference of a score when the words of a pair change
-- places, over the samples that have one of them. length: the rank correlation of
-- score and characters. found: a list of { name, value, limit, n, failed, text }.
-- { check = false } as a second argument returns what was exceeded, too.
local core = require "hone.core"
local text = require "hone.text"

local audit = {}

local function finding(name, value, limit, n, words)
  local failed = limit ~= nil and value ~= nil and value > limit
  return { name = name, value = value, limit = limit, n = n, failed = failed,
           text = ("%s: %s%s (%s)"):format(words, value and text.number(value) or "none",
             limit and (", limit %s"):format(text.number(limit)) or "", text.count(n, "sample")) }
end

local function gap(samples, scores, column, limit)
  local sums, n = {}, 0
  for i = 1, #samples do
    local group, score = samples[i][column], scores[i]
    if score and group ~= nil and group ~= core.null then
      local at = sums[tostring(group)] or { 0, 0 }
      at[1], at[2], n = at[1] + score, at[2] + 1, n + 1
      sums[tostring(group)] = at
    end
  end
  local low, high, groups = math.huge, -math.huge, 0
  for _, at in pairs(sums) do
    low, high, groups = math.min(low, at[1] / at[2]), math.max(high, at[1] / at[2]), groups + 1
  end
  return finding("gap", groups > 1 and high - low or nil, limit, n,
                 ("gap of means by %s, %s"):format(column, text.count(groups, "group")))
end

-- Each word for the other, as a whole word; the case of its first letter stays.
local function swapped(response, pair)
  local other = { [pair[1]:lower()] = pair[2], [pair[2]:lower()] = pair[1] }
  return response:gsub("[%a\x80-\xff]+", function(word)
    local new = other[word:lower()]
    if not new then return nil end
    return word:find "^%u" and new:sub(1, 1):upper() .. new:sub(2) or new
  end)
end

local function swap(metric, samples, scores, pair, limit)
  local list, places = {}, {}
  for i = 1, #samples do
    local s = samples[i]
    local new = s.response and swapped(s.response, pair)
    if new and new ~= s.response and scores[i] then
      list[#list + 1] = { prompt = s.prompt, response = new, row = s.row,
                          response_tokens = s.response_tokens }
      places[#places + 1] = i
    end
  end
  local sum, n = 0, 0
  local others = metric:score(require "hone.samples" (list))
  for k, i in ipairs(places) do
    if others[k] then sum, n = sum + math.abs(others[k] - scores[i]), n + 1 end
  end
  return finding("swap", n > 0 and sum / n or nil, limit, n,
                 ("difference when %s and %s are swapped"):format(pair[1], pair[2]))
end

local function length(samples, scores, limit)
  local x, y = {}, {}
  for i = 1, #samples do
    if scores[i] and samples[i].response then
      x[#x + 1], y[#y + 1] = scores[i], utf8.len(samples[i].response) or #samples[i].response
    end
  end
  local value = #x >= 4 and math.abs(core.rank_correlation(x, y, 0.95).value) or nil
  return finding("length", value, limit, #x, "rank correlation with length")
end

--- See above.
function audit.metric(metric, samples, given)
  local d = require "hone.metric.calibrate".inner(metric):definition()
  local o = d and d.audit
  if not o then
    core.fail(("metric/%s: audit: its definition has no audit part"):format(metric.name))
  end
  local scores, found, failed = metric:score(samples), {}, {}
  for _, column in ipairs(o.groups) do
    found[#found + 1] = gap(samples, scores, column, o.limits.gap)
  end
  for _, pair in ipairs(o.swaps or {}) do
    found[#found + 1] = swap(metric, samples, scores, pair, o.limits.swap)
  end
  found[#found + 1] = length(samples, scores, o.limits.length)
  for _, one in ipairs(found) do
    if one.failed then failed[#failed + 1] = one.text end
  end
  if #failed > 0 and not (given and given.check == false) then
    core.fail(("metric/%s: audit: %s"):format(d.name, table.concat(failed, "; ")))
  end
  return found
end

return audit
