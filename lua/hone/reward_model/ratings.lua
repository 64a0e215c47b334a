-- ratings: rows whose answers were rated one by one, for reward models.
--
--   { prompt, completion, helpfulness = 4, honesty = 3 }     metrics = { "helpfulness", "honesty" }
--   { prompt, response, verdict = "positive" }               classes = { "negative", "positive" }
--   { item, prompt, response, label, posterior = { ... } }   what labels:rows() gives
--
--   local read = ratings.read(data, o)
--   read.items[i]   { prompt, text, weight, row, seen = { { metric, value, share }, ... } }
--
-- metric counts from 1; shares of an item sum to 1: a soft label is seen once a class.
-- A missing rating is left out of the item, an item without any is counted as unrated.
local core = require "hone.core"
local forms = require "hone.pair_forms"
local text = require "hone.text"

local ratings = {}

local function fail(data, i, message, ...)
  core.fail(("%s: " .. message):format(data:where(i), ...))
end

local function answer_of(row)
  local value = forms.get(row, "completion")
  if value == nil then value = forms.get(row, "response") end
  return value
end

-- A rating as a number, or a class as a text.
local function rating(data, i, name, value, o)
  if o.loss == "classification" then
    if value == true then value = "positive" elseif value == false then value = "negative" end
    return tostring(math.tointeger(value) or value)
  end
  local n = tonumber(value)
  if not n or n ~= n or n == math.huge or n == -math.huge then
    fail(data, i, "field '%s': a number expected, got %s", name, tostring(value))
  end
  return n + 0.0
end

-- A soft label's classes, in a fixed order.
local function soft(data, i, name, posterior, o)
  local seen, total = {}, 0
  for label, share in pairs(posterior) do
    if type(share) ~= "number" or not (share >= 0 and share <= 1) then
      fail(data, i, "field 'posterior': a share from 0 to 1 expected, got %s", tostring(share))
    end
    if share > 0 then
      seen[#seen + 1] = { metric = 1, value = rating(data, i, name, label, o), share = share }
      total = total + share
    end
  end
  table.sort(seen, function(a, b) return a.value < b.value end)
  for _, s in ipairs(seen) do s.share = s.share / total end
  return seen
end

local function seen_of(data, i, row, o)
  local posterior = forms.get(row, "posterior")
  if o.soft ~= false and #o.metrics == 1 and type(posterior) == "table" and
     o.loss ~= "regression" then
    return soft(data, i, o.metrics[1], posterior, o)
  end
  local seen = {}
  for m, name in ipairs(o.metrics) do
    local value = forms.get(row, name)
    if value ~= nil then
      seen[#seen + 1] = { metric = m, value = rating(data, i, name, value, o) }
    end
  end
  for _, s in ipairs(seen) do s.share = 1 / #seen end
  return seen
end

local function weight_of(data, i, row)
  local value = forms.get(row, "weight")
  if value == nil then return 1 end
  local n = tonumber(value)
  if not n or not (n >= 0 and n < math.huge) then
    fail(data, i, "field 'weight': a number >= 0 expected, got %s", tostring(value))
  end
  return n
end

-- Why a row cannot be learned from, or nil.
local function unfit(prompt, answer, seen)
  if not prompt then return "no_prompt", "there is no prompt" end
  if type(answer) ~= "string" or not answer:find "%S" then
    return "empty", "there is no answer, or an empty one"
  end
  if #seen == 0 then return "unrated", nil end
end

--- o: loss, metrics, bad, soft.
function ratings.read(data, o)
  local items, dropped = {}, {}
  for i, row in data:rows() do
    local prompt, answer, seen = forms.prompt(row), answer_of(row), seen_of(data, i, row, o)
    local reason, why = unfit(prompt, answer, seen)
    if why and o.bad == "error" then
      fail(data, i, "%s (bad = \"drop\" leaves such rows out)", why)
    end
    if reason then
      dropped[reason] = (dropped[reason] or 0) + 1
    else
      items[#items + 1] = { prompt = prompt, text = answer, seen = seen, row = i,
                            weight = weight_of(data, i, row) }
    end
  end
  if #items == 0 then
    core.fail(("%s: no row has an answer (completion, response) and a rating (%s)"):format(
      data.name, table.concat(o.metrics, ", ")))
  end
  local words = {}
  for reason, n in pairs(dropped) do words[#words + 1] = ("%d %s"):format(n, reason) end
  table.sort(words)
  core.log(#words > 0 and "warn" or "info", ("ratings: %s of %s%s"):format(
    text.count(#items, "text"), text.count(#data, "row"),
    #words > 0 and "; left out: " .. table.concat(words, ", ") or ""))
  return { data = data, items = items, dropped = dropped }
end

return ratings
