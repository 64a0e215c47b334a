-- simulate: annotators that are not people, to try a plan before money is spent.
--
--   local pool = hone.simulate.annotators { count = 30, skill = 0.8, spam = 0.1,
--     groups = { region = { north = 0.5, south = { share = 0.5, values = function(option) ... } }
-- },
--     truth = function(item, option) return quality(option.text) end, seed = 1 }
--   task:simulate(pool)                          they answer all they are served
--   hone.simulate.attach(pool)            task:wait() of every store opened from here on
--   print(hone.simulate.plan { items = 200, overlap = 3, pool = pool, cost = 0.05 })
--
-- truth(content, option, ask): how good an option is, a number: of a rating, on its
-- scale; of labels, the label or list of labels that fit. option is { text, model,
-- place }. Without truth the content's field `truth` counts (a number, or a list, one an
-- option); corrections and regions are taken from the content's field of the ask's name.
--
-- Someone of skill s (a number from 0.5 to 1, { mean, sd } or a function of the
-- annotator's number) tells an option from one a unit worse with chance s: beside the
-- truth stands Gumbel noise of scale 1/ln(s/(1 - s)), so that preferences follow Bradley
-- and Terry (1952) and rankings Plackett and Luce; a rating is off by the logistic noise
-- of the same scale, a label right with chance s. To what they see is added
-- position_bias (units, for what is shown first), length_bias (units, times the tanh of
-- the difference of log lengths) and what their group `values`. fatigue: after n answers
-- skill is s' with ln(s'/(1 - s')) = ln(s/(1 - s)) exp(-fatigue n/100). speed: words a
-- minute; an answer takes its words' time and 4 s, with log-normal spread 0.3. spam: the
-- share who answer in 1 to 3 s without a look: in turn "random" and "first".
local answer = require "hone.simulate.answers"
local content = require "hone.ask.content"
local core = require "hone.core"
local options = require "hone.options"
local text = require "hone.text"

local simulate = {}

local schema = {
  { "count", "integer", default = 20, min = 1, max = 1000000, doc = "how many" },
  { "skill", "any", default = 0.8, doc = "0.5 to 1, { mean, sd }, or a function of a number" },
  { "position_bias", "any", default = 0.0, doc = "units, a number, { mean, sd } or a function" },
  { "length_bias", "any", default = 0.0, doc = "units, likewise" },
  { "speed", "any", default = 240, doc = "words a minute, likewise" },
  { "fatigue", "number", default = 0, min = 0, doc = "how fast skill goes, of 100 answers" },
  { "spam", "number", default = 0, min = 0, max = 1, doc = "share" },
  { "groups", "any", doc = "{ attribute = { group = share or { share = , values = } } }" },
  { "ties", "number", default = 0.25, min = 0, doc = "units below which two are as good" },
  { "truth", "function", doc = "of content, option, ask" },
  { "seed", "integer", default = 0, doc = "of everything" },
  { "name", "string", default = "sim", doc = "annotators are NAME-1, NAME-2 ..." },
}

-- ---- the pool ----

-- One annotator's draw of a number, { mean, sd }, or a function.
local function draw(name, value, i, random)
  if type(value) == "function" then value = value(i) end
  if type(value) == "table" then value = value[1] + (value[2] or 0) * random:normal() end
  if type(value) ~= "number" or value ~= value then
    core.fail(("simulate: %s: expected a number, { mean, sd } or a function, got %s"):format(name,
      text.value(value)))
  end
  return value
end

local function by_share(groups, at)
  local names, sum = {}, 0
  for name, group in pairs(groups) do
    names[#names + 1] = name
    sum = sum + (type(group) == "table" and (group.share or 1) or group)
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local group = groups[name]
    at = at - (type(group) == "table" and (group.share or 1) or group) / sum
    if at < 0 then return name end
  end
  return names[#names]
end

-- Attributes, and what the groups value.
local function groups_of(o, person, i)
  for attribute, groups in pairs(o.groups or {}) do
    if type(groups) ~= "table" or not next(groups) then
      core.fail(("simulate: groups: %s: expected { group = share }"):format(attribute))
    end
    -- Shares are kept as well as so many people can.
    local name = by_share(groups, (i - 0.5) / o.count)
    person.attributes[attribute] = name
    local values = type(groups[name]) == "table" and groups[name].values
    if values then person.values[#person.values + 1] = values end
  end
end

local Pool = { __name = "hone.simulate.pool" }
Pool.__index = Pool
function Pool:__tostring()
  return ("%s, %d of them spammers"):format(text.count(#self.people, "simulated annotator"),
    self.spammers)
end
function Pool:__len() return #self.people end

--- A pool of annotators: pool.people is a list of { name, skill, spam, attributes, ... }.
function simulate.annotators(given)
  local o = options.check("simulate.annotators", schema, given)
  local random = core.random(o.seed, "pool")
  local order, people, spammers = random:shuffle(o.count), {}, math.floor(o.count * o.spam + 0.5)
  local mix = random:shuffle(o.count)
  for i = 1, o.count do
    local person = { name = ("%s-%d"):format(o.name, i), attributes = {}, values = {}, answered = 0,
                     spam = order[i] <= spammers and (order[i] % 2 == 1 and "random" or "first")
                       or nil,
                     random = core.random(o.seed, "annotator " .. i) }
    person.skill = math.min(1, math.max(0.5, draw("skill", o.skill, i, random)))
    person.position = draw("position_bias", o.position_bias, i, random)
    person.length = draw("length_bias", o.length_bias, i, random)
    person.speed = math.max(1, draw("speed", o.speed, i, random))
    groups_of(o, person, mix[i])
    people[i] = person
  end
  return setmetatable({ people = people, truth = o.truth, fatigue = o.fatigue, ties = o.ties,
                        spammers = spammers, seed = o.seed }, Pool)
end

-- ---- answering ----

local function words_of(c, order)
  local n = 0
  for _, block in ipairs(content.blocks(c, order)) do
    for _ in block.text:gmatch("%S+") do n = n + 1 end
  end
  return n
end

--- One annotator's answers to the asks of an item { ask = value }, and the seconds.
function simulate.answer(pool, person, asks, c, order)
  local out, random = {}, person.random
  for _, ask in ipairs(asks) do
    if person.spam then
      out[ask.name] = answer.careless(person, ask, c, order)
    else
      out[ask.name] = answer[ask.kind](pool, person, ask, c, order)
    end
  end
  person.answered = person.answered + 1
  if person.spam then return out, 1 + 2 * random:uniform() end
  local seconds = 4 + words_of(c, order) / person.speed * 60
  return out, seconds * math.exp(0.3 * random:normal())
end

--- Serve a task to the pool until no one gets more. serve(person, now) gives { id, content,
--- order } or nil; submit(person, assignment, answers, seconds, now) takes an answer. Each
--- annotator's clock goes on by the time the answer took; whose clock is behind is next.
function simulate.run(pool, asks, serve, submit, start)
  local clocks, open, count = {}, {}, 0
  for i = 1, #pool.people do clocks[i], open[i] = start or 0, i end
  while #open > 0 do
    local at = 1
    for k = 2, #open do
      if clocks[open[k]] < clocks[open[at]] then at = k end
    end
    local i = open[at]
    local person = pool.people[i]
    local assignment = serve(person, clocks[i])
    if assignment then
      local answers, seconds = simulate.answer(pool, person, asks, assignment.content,
        assignment.order)
      clocks[i], count = clocks[i] + seconds, count + 1
      submit(person, assignment, answers, seconds, clocks[i])
    else
      table.remove(open, at)
    end
  end
  local last = start or 0
  for i = 1, #clocks do last = math.max(last, clocks[i]) end
  return count, last
end

--- task:simulate(pool): they answer all that the task serves them, each by a clock of their
--- own that begins at `start` (seconds since 1970; default: now). Gives the task, how many
--- answers there were, and the seconds from the first to the last. All of it is kept, or
--- nothing.
function simulate.task(task, pool, given)
  local o = options.check("task:simulate", {
    { "start", "number", min = 0, doc = "of the simulated clock, seconds since 1970" },
  }, given)
  local store, start = task.store, o.start or os.time()
  local real, now = store.clock, start
  local count, last
  store.clock = function() return now end
  local ok, problem = pcall(store.atomically, store, function()
    for _, person in ipairs(pool.people) do
      person.id = store:annotator { name = person.name, attributes = person.attributes }.id
    end
    count, last = simulate.run(pool, task.asks, function(person, time)
      now = time
      return task:next(person.id)
    end, function(_, assignment, answers, seconds, time)
      now = time
      task:submit(assignment, answers, { seconds = seconds })
    end, start)
  end)
  store.clock = real
  if not ok then error(problem, 0) end
  return task, count, last - start
end

--- In the place of people: whoever waits for a task of this store (unset: of any store that is
--- opened from here on) gets the pool's answers. What they say depends on the pool's seed and
--- the task's name alone, not on the tasks before.
function simulate.attach(pool, store)
  if not (type(pool) == "table" and pool.people) then
    core.fail("simulate.attach: takes a pool of simulate.annotators")
  end
  local function worker(task)
    for _, person in ipairs(pool.people) do
      person.random = core.random(pool.seed, ("%s/%s"):format(task.name, person.name))
      person.answered = 0
    end
    simulate.task(task, pool)
  end
  if store then store:attach(worker) else require "hone.store".everywhere(worker) end
  return pool
end

function simulate.plan(given) return require "hone.simulate.plan"(given) end

return simulate
