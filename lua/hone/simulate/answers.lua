-- answers: what a simulated annotator thinks of an item, and says; simulate.lua has the
-- model. answers[kind](pool, person, ask, content, order) gives the ask's value.
local content = require "hone.ask.content"
local core = require "hone.core"
local text = require "hone.text"

-- ---- what one of them thinks ----

-- The scale of the noise now; 0 of the perfect, infinite of those who guess.
local function noise(pool, person)
  if person.skill >= 1 then return 0 end
  local logit = math.log(person.skill / (1 - person.skill))
  logit = logit * math.exp(-pool.fatigue * person.answered / 100)
  return logit > 1e-9 and 1 / logit or math.huge
end

local function gumbel(random) return -math.log(-math.log(random:uniform() + 1e-300)) end
local function logistic(random)
  local u = random:uniform() * (1 - 2e-12) + 1e-12
  return math.log(u / (1 - u))
end

local function true_value(pool, c, option, ask)
  if pool.truth then return pool.truth(c, option, ask) end
  local truth = c.truth
  if type(truth) == "table" then truth = truth[option.place or 1] end
  if truth == nil then
    core.fail("simulate: the pool has no truth = function(content, option, ask), and an item has "
      .. "no field 'truth'")
  end
  return truth
end

local function number_of(pool, c, option, ask)
  local value = true_value(pool, c, option, ask)
  if type(value) ~= "number" then
    core.fail(("simulate: truth of %s: expected a number, got %s"):format(ask.name,
      text.value(value)))
  end
  return value
end

local function tanh(x) return 1 - 2 / (math.exp(2 * x) + 1) end

-- What each option is worth to this person, in shown places, noise aside.
local function worths(pool, person, c, options_, ask)
  local list, lengths, mean = {}, {}, 0
  for i, option in ipairs(options_) do
    lengths[i] = math.log(#option.text + 1)
    mean = mean + lengths[i] / #options_
  end
  for i, option in ipairs(options_) do
    local worth = number_of(pool, c, option, ask)
    if i == 1 and #options_ > 1 then worth = worth + person.position end
    worth = worth + person.length * tanh(lengths[i] - mean)
    for _, values in ipairs(person.values) do worth = worth + values(option, c, ask) end
    list[i] = worth
  end
  return list
end

local function perceived(pool, person, c, options_, ask)
  local list, scale = worths(pool, person, c, options_, ask), noise(pool, person)
  for i = 1, #list do
    local off = gumbel(person.random)
    list[i] = scale == math.huge and off or list[i] + scale * off
  end
  return list, scale
end

local answer = {}

function answer.preference(pool, person, ask, c, order)
  local shown = content.shown(c, order)
  local list = perceived(pool, person, c, shown, ask)
  local d = list[1] - list[2]
  if ask.ties and math.abs(d) < pool.ties then return "tie" end
  local choice = d >= 0 and "first" or "second"
  if ask.strength == 0 then return choice end
  return { choice = choice, strength = math.min(ask.strength, 1 + math.floor(math.abs(d))) }
end

function answer.ranking(pool, person, ask, c, order)
  local list, places = perceived(pool, person, c, content.shown(c, order), ask), core.json.list {}
  for i = 1, #list do places[i] = i end
  table.sort(places, function(a, b)
    if list[a] ~= list[b] then return list[a] > list[b] end
    return a < b
  end)
  return places
end

-- Each response by itself: a list where there are several.
local function each(ask, c, order, fn)
  local targets = ask:targets(c, order)
  if #targets == 1 then return fn(targets[1]) end
  local out = core.json.list {}
  for i, target in ipairs(targets) do out[i] = fn(target) end
  return out
end

local function off(pool, person)
  local scale = noise(pool, person)
  return scale == math.huge and scale or scale * logistic(person.random)
end

local function rate(pool, person, ask, c, target)
  local scale = ask.scale
  local low, high = scale.min or 1, scale.max or #scale.labels
  if scale.level == "nominal" then
    local right = true_value(pool, c, target, ask)
    if person.random:uniform() < (person.skill - 0.5) * 2 then return right end
    return scale.labels[person.random:below(#scale.labels)]
  end
  local error_ = off(pool, person)
  local x = worths(pool, person, c, { target }, ask)[1] + error_
  if error_ == math.huge then x = low + (high - low) * person.random:uniform() end
  x = math.min(high, math.max(low, x))
  if scale.labels then return scale.labels[math.floor(x + 0.5)] end
  return scale.level == "ordinal" and math.floor(x + 0.5) or x
end

function answer.rating(pool, person, ask, c, order)
  return each(ask, c, order, function(t) return rate(pool, person, ask, c, t) end)
end

-- What fits, with chance skill; else another. Of many, each label by itself.
local function label(pool, person, ask, c, target)
  local right, random = true_value(pool, c, target, ask), person.random
  if not ask.many then
    if random:uniform() < person.skill then return right end
    local other = ask.labels[random:below(#ask.labels - 1)]
    return other == right and ask.labels[#ask.labels] or other
  end
  local has, out = {}, core.json.list {}
  for _, one in ipairs(right) do has[one] = true end
  for _, one in ipairs(ask.labels) do
    local yes = has[one] or false
    if random:uniform() >= person.skill then yes = not yes end
    if yes then out[#out + 1] = one end
  end
  for i = 1, #ask.labels do
    if #out >= ask.least then break end
    local one, there = ask.labels[i], false
    for _, known in ipairs(out) do there = there or known == one end
    if not there then out[#out + 1] = one end
  end
  return out
end

function answer.labels(pool, person, ask, c, order)
  return each(ask, c, order, function(t) return label(pool, person, ask, c, t) end)
end

-- Truth above 1 is positive, below -1 negative.
local function judge(pool, person, ask, c, target)
  local x, error_ = worths(pool, person, c, { target }, ask)[1], off(pool, person)
  x = error_ == math.huge and 4 * person.random:uniform() - 2 or x + error_
  if x > 1 then return "positive" end
  if x < -1 then return "negative" end
  if not ask.correction then return "needs improvement" end
  local better = content.text(c.reference) or target.text .. " (corrected)"
  return { verdict = "needs improvement", correction = { text = better } }
end

function answer.verdict(pool, person, ask, c, order)
  return each(ask, c, order, function(t) return judge(pool, person, ask, c, t) end)
end

-- The option that is worth least, put right by the reference, where there is one.
function answer.correction(pool, person, ask, c, order)
  local better, shown = content.text(c.reference), content.shown(c, order)
  if not better then return not ask.optional and { of = 1, text = shown[1].text } or nil end
  local list, least = perceived(pool, person, c, shown, ask), 1
  for i = 2, #list do least = list[i] < list[least] and i or least end
  return { of = #shown > 1 and least or nil, text = better }
end

local inner = { rating = rate, labels = label, verdict = judge }

function answer.conversation(pool, person, ask, c)
  local out = core.json.list {}
  for i, turn in ipairs(content.turns(c, ask.role)) do
    turn.place = i
    if not inner[ask.inner.kind] then
      core.fail(("simulate: turns of %s are not simulated"):format(ask.inner.kind))
    end
    out[i] = inner[ask.inner.kind](pool, person, ask.inner, c, turn)
  end
  return out
end

-- What the content says is there, each with chance skill.
local function known(_, person, ask, c)
  local out = core.json.list {}
  for _, one in ipairs(type(c[ask.name]) == "table" and c[ask.name] or {}) do
    if person.random:uniform() < person.skill then out[#out + 1] = one end
  end
  return out
end
answer.regions = known
function answer.spans(pool, person, ask, c, order)
  return each(ask, c, order, function() return known(pool, person, ask, c) end)
end

-- ---- those who do not look ----

-- The first choice of each field, or any; what needs more than a key is left empty.
function answer.careless(person, ask, c, order)
  local value, queue = nil, ask:fields(c, order)
  while #queue > 0 do
    local field = table.remove(queue, 1)
    local said
    if field.kind == "key" then
      local n = #field.choices
      said = field.choices[person.spam == "first" and 1 or person.random:below(n)].value
      if field.optional then said = nil end
    elseif field.kind == "keys" then
      said = core.json.list {}
      for i = 1, field.least or 0 do said[i] = field.choices[i].value end
    elseif field.kind == "order" then
      said = person.spam == "first" and {} or person.random:shuffle(field.count)
      for i = #said + 1, field.count do said[i] = i end
      said = core.json.list(said)
    elseif field.kind == "edit" then
      said = field.text:find("%S") and field.text or "x"
    elseif field.many then
      said = core.json.list {}
    else
      for n = 0, 100 do
        said = said or (field.parse(tostring(n)))
      end
    end
    if said ~= nil then
      value = field.put(value, said)
      for _, more in ipairs(field.after and field.after(said) or {}) do
        more.put = more.put or function(_, v) return v end
        table.insert(queue, 1, more)
      end
    end
  end
  return value
end

return answer
