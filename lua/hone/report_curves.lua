-- report_curves: the curves of a report: every number that a run logged, in groups.
--
--   curves.html(history)        sections with their charts
--   curves.known                what each metric is: group, title, of one or more keys
--
-- Means over the last steps are drawn over the points where there are many; what an
-- evaluation measured (validation_<key>) is in the chart of <key>, as dots. Parts of a
-- reward, and what else is not in the list, have charts of their own.
local core = require "hone.core"
local svg = require "hone.svg"

local curves = {}

-- Group, title, and the keys with their names in the legend.
curves.known = {
  { "Reward", "reward, mean of a step's answers", "reward" },
  { "Reward", "standard deviation of rewards in a step", "reward_sd" },
  { "Reward", "what is learned from: the reward after what an absent end costs", "paid" },
  { "Reward", "reward of the likeliest answers", "greedy" },
  { "Distance from the reference", "KL to the reference, nats an answer", "kl" },
  { "Distance from the reference", "KL in the loss, nats a token", "kl_loss" },
  { "Distance from the reference", "weight of KL", "kl_weight" },
  { "Distance from the reference", "KL to the policy that answered, nats a token", "old_kl" },
  { "Answers", "length, tokens", "length" },
  { "Answers", "entropy, nats a token", "entropy" },
  { "Answers", "share cut off at the limit", "truncated" },
  { "Answers", "shares of answers", "kept", "differ" },
  { "Answers", "answers and new prompts of a step", "samples", "resampled" },
  { "Preferences", "margin of rewards, chosen less rejected", "margin" },
  { "Preferences", "accuracy: share with a margin above 0", "accuracy" },
  { "Preferences", "rewards", "reward_chosen", "reward_rejected" },
  { "Preferences", "log-probabilities of answers, nats", "logp_chosen", "logp_rejected" },
  { "Preferences", "standard error of accuracy", "accuracy_se" },
  { "Preferences", "mean score", "score" },
  { "Preferences", "calibration error", "ece" },
  { "Preferences", "accuracy of preferring by length alone", "longer", "shorter" },
  { "Learning", "loss", "loss" },
  { "Learning", "norm of the gradient, before clipping", "norm" },
  { "Learning", "learning rate", "lr" },
  { "Learning", "ratio of probabilities, now to when sampled", "ratio" },
  { "Learning", "share of tokens whose ratio was clipped", "clipped" },
  { "Learning", "updates of a step", "updates", "updates_skipped" },
  { "Critic", "returns and values", "returns", "value" },
  { "Critic", "loss of the critic", "value_loss" },
  { "Critic", "explained variance of returns", "explained" },
  { "Time", "shares of a step's time", "generating", "scoring", "learning" },
  { "Time", "seconds a step", "seconds" },
  { "Time", "tokens a second", "tokens_a_second" },
}

local order = { "Reward", "Held out", "Distance from the reference", "Answers", "Preferences",
                "Learning", "Critic", "Time", "More" }

-- ---- points ----

-- All curves of a history: { [key] = { { step, value }, ... } }.
local function read(history)
  local out = {}
  local function add(key, step, value)
    out[key] = out[key] or {}
    table.insert(out[key], { step, value })
  end
  for _, line in ipairs(history) do
    for key, value in pairs(line) do
      if type(value) == "number" and key ~= "step" and key ~= "epoch" then
        add(key, line.step, value)
      end
    end
    if line.tokens and (line.seconds or 0) > 0 then
      add("tokens_a_second", line.step, line.tokens / line.seconds)
    end
  end
  out.tokens = nil
  return out
end

-- Means over a tenth of the points around each.
local function smoothed(points)
  local sums, out, half = { [0] = 0 }, {}, math.max(1, #points // 20)
  for k, p in ipairs(points) do sums[k] = sums[k - 1] + p[2] end
  for k, p in ipairs(points) do
    local reach = math.min(half, k - 1, #points - k)
    out[k] = { p[1], (sums[k + reach] - sums[k - reach - 1]) / (2 * reach + 1) }
  end
  return out
end

local function equal(a, b)
  if not a or not b or #a ~= #b then return false end
  for k = 1, #a do
    if math.abs(a[k][2] - b[k][2]) > 1e-6 * math.max(1, math.abs(a[k][2])) then return false end
  end
  return true
end

-- ---- charts ----

-- One chart of these keys, which are then drawn.
local function chart(all, title, keys)
  local series = {}
  local function take(key, name, dots)
    local points = all[key]
    if not points then return end
    all[key] = nil
    if #points > 40 and not dots then
      series[#series + 1] = { name = "", points = points, faint = true }
      points = smoothed(points)
    end
    series[#series + 1] = { name = name, points = points, dots = dots or #points == 1 }
  end
  for _, key in ipairs(keys) do
    local watched = all["validation_" .. key] ~= nil
    local word = key:gsub("^reward_", ""):gsub("^logp_", ""):gsub("_", " "):gsub("/sd$", "")
    take(key, #keys == 1 and watched and "training" or word, key:find "^validation_")
    take("validation_" .. key, #keys == 1 and "validation" or word .. " ●", true)
  end
  return svg.chart { title = title, x = "step", series = series }
end

local function sorted(all)
  local keys = {}
  for key in pairs(all) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- Parts of the reward have a deviation beside their mean.
local function parts_of(all)
  local names = {}
  for _, key in ipairs(sorted(all)) do
    local name = key:match "^(.+)/sd$"
    if name and name ~= "reward" then names[#names + 1] = name end
  end
  return names
end

-- What would be drawn twice: a reward of one part is that part.
local function drop_repeated(all, parts)
  all["reward/sd"] = nil
  if equal(all.paid, all.reward) then all.paid = nil end
  if #parts == 1 and equal(all[parts[1]], all.reward) then
    all[parts[1]], all[parts[1] .. "/sd"] = nil, nil
  end
end

local function group_of(key, parts)
  if key:find "^validation_" then return "Held out" end
  for _, name in ipairs(parts) do
    if key == name or key:sub(1, #name + 1) == name .. "/" then return "Reward" end
  end
  return key:find "^reward/" and "Reward" or "More"
end

local titles = { na = "%s: answers that it does not apply to",
                 failed = "%s: answers for which it failed", shut = "%s: answers that a gate shut",
                 clipped = "%s: answers that were clipped" }

local function title_of(key)
  local name, what = key:match "^(.+)/([^/]+)$"
  if name and titles[what] then return titles[what]:format(name) end
  return (key:gsub("^validation_", ""):gsub("_", " "))
end

--- The sections of a history; "" where nothing was logged.
function curves.html(history)
  local all, groups = read(history), {}
  local parts = parts_of(all)
  drop_repeated(all, parts)
  local function add(group, drawn)
    groups[group] = groups[group] or {}
    if drawn ~= "" then table.insert(groups[group], drawn) end
  end
  for _, entry in ipairs(curves.known) do
    add(entry[1], chart(all, entry[2], { table.unpack(entry, 3) }))
  end
  local deviations = {}
  for k, name in ipairs(parts) do
    add("Reward", chart(all, name, { name }))
    deviations[k] = name .. "/sd"
  end
  add("Reward", chart(all, "standard deviations of parts in a step", deviations))
  for _, key in ipairs(sorted(all)) do
    if all[key] then add(group_of(key, parts), chart(all, title_of(key), { key })) end
  end
  local out = {}
  for _, name in ipairs(order) do
    if groups[name] and #groups[name] > 0 then
      out[#out + 1] = ('<h3>%s</h3><div class="charts">%s</div>'):format(name,
        table.concat(groups[name], "\n"))
    end
  end
  return #out > 0 and "<h2>Curves</h2>" .. table.concat(out, "\n") or ""
end

return curves
