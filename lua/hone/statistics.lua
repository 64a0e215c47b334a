-- statistics: what a team reports, and when it has asked enough.
--
--   hone.statistics.mean { people = { 1, 0, 1 }, judge = { 1, 0, 0 }, others = { 1, 1, 0, 1 } }
--   hone.statistics.win_rate { scores = { 1, 0.5, 0 }, lengths = { 20, -3, 7 } }
--   hone.statistics.power { win_rate = 0.55, agreement = 0.75 }
--   hone.statistics.leaderboard(labels)
--
-- An estimate is { value, se, interval = { low, high } }.
local core = require "hone.core"
local options = require "hone.options"

local statistics = {}

local confidence = { "confidence", "number", default = 0.95, min = 0, max = 1, open_min = true,
                     open_max = true, doc = "of intervals" }
local ppi_schema = {
  { "people", "list", of = "number", required = true, doc = "what people said" },
  { "judge", "list", of = "number", required = true, doc = "what the judge said of the same rows" },
  { "others", "list", of = "number", required = true, doc = "what it said of rows no one judged" },
  { "x", "list", of = "any", doc = "regression: a list of numbers for each row of people" },
  { "others_x", "list", of = "any", doc = "regression: the same for the others" },
  { "lambda", "number", min = 0, max = 1, doc = "how far the judge is trusted; unset: tuned" },
  confidence,
}

local function ppi(name, given)
  local o = options.check(name, ppi_schema, given)
  return core.ppi(o)
end

--- The mean of what people would say of all rows, with people's judgements of some
--- and an automatic judge's of all: an estimate, with lambda, and people's own.
function statistics.mean(given)
  if type(given) == "table" and given.x then core.fail("mean: x is for a regression") end
  local all, people, lambda = ppi("mean", given)
  all[1].lambda, all[1].people = lambda, people[1]
  return all[1]
end

--- Coefficients of a linear regression in the same way, in the order of the terms:
--- a list of estimates with lambda and people.
function statistics.regression(given)
  if type(given) == "table" and not given.x then core.fail("regression: x is missing") end
  local all, people, lambda = ppi("regression", given)
  all.lambda, all.people = lambda, people
  return all
end

local rate_schema = {
  { "scores", "list", of = "number", required = true, doc = "1 won, 0 lost, 0.5 tied" },
  { "lengths", "list", of = "number", required = true,
    doc = "length less that of the other answer" },
  { "clusters", "list", of = "any",
    doc = "rows with the same one are not independent: prompts, people" },
  confidence,
}

--- { raw, controlled, length, p }: a win rate as it is and at equal length.
function statistics.win_rate(given)
  local o = options.check("win_rate", rate_schema, given)
  local numbers, known, count = nil, {}, 0
  if o.clusters then
    numbers = {}
    for i, cluster in ipairs(o.clusters) do
      if not known[cluster] then
        count = count + 1
        known[cluster] = count
      end
      numbers[i] = known[cluster]
    end
  end
  return core.win_rate { score = o.scores, difference = o.lengths, cluster = numbers,
                         confidence = o.confidence }
end

local power_schema = {
  { "win_rate", "number", min = 0, max = 1, doc = "share of items on which the model is better" },
  { "items", "integer", min = 1, doc = "how many there are" },
  { "agreement", "number", default = 1, min = 0, max = 1, doc = "P(two people say the same)" },
  { "ties", "number", default = 0, min = 0, max = 1, open_max = true,
    doc = "share of items without a better answer" },
  { "per_item", "integer", default = 1, min = 1, doc = "judgements of each item" },
  { "alpha", "number", default = 0.05, min = 0, max = 1, open_min = true, open_max = true,
    doc = "level of the test" },
  { "power", "number", default = 0.8, min = 0, max = 1, open_min = true, open_max = true,
    doc = "chance to find it" },
}

--- Of win_rate: how many items it takes ({ items, judgements }). Of items: the
--- smallest win rate they show ({ win_rate }, nil: none). Of both: the chance
--- ({ power }).
function statistics.power(given)
  local o = options.check("power", power_schema, given)
  if o.win_rate and o.items then return { power = core.power("chance", o) } end
  if o.items then return { win_rate = core.power("effect", o) } end
  if not o.win_rate then core.fail("power: needs win_rate, items, or both") end
  local items = core.power("items", o)
  return { items = items, judgements = items * o.per_item }
end

-- ---- when to stop ----

local sprt_schema = {
  { "expected", "number", required = true, min = 0, max = 1,
    doc = "chance of a success if all is well" },
  { "suspected", "number", required = true, min = 0, max = 1, doc = "chance of one if it is not" },
  { "alpha", "number", default = 0.05, min = 0, max = 1, doc = "chance to suspect in vain" },
  { "beta", "number", default = 0.05, min = 0, max = 1, doc = "chance to trust in vain" },
}

local sprt = {}
sprt.__index = sprt

--- Count a success (true) or a failure; "expected", "suspected", or nil: go on.
function sprt:add(success)
  self.sum = self.sum + (success and self.hit or self.miss)
  self.n = self.n + 1
  self.verdict = self.verdict or (self.sum >= self.upper and "suspected")
    or (self.sum <= self.lower and "expected") or nil
  return self.verdict
end

--- A sequential test (SPRT) of two chances.
function statistics.sprt(given)
  local o = options.check("sprt", sprt_schema, given)
  local hit, miss, upper, lower = core.sprt(o.expected, o.suspected, o.alpha, o.beta)
  return setmetatable({ hit = hit, miss = miss, upper = upper, lower = lower, sum = 0, n = 0 },
                      sprt)
end

local better_schema = {
  { "wins", "number", required = true, min = 0, doc = "" },
  { "losses", "number", required = true, min = 0, doc = "" },
  { "prior", "list", of = "number", default = { 1, 1 }, doc = "Beta distribution of the chance" },
}

--- P(the chance to win is above 1/2): stop asking at a bound of it.
function statistics.better(given)
  local o = options.check("better", better_schema, given)
  return core.posterior_better(o.wins, o.losses, o.prior[1] or 0, o.prior[2] or 0)
end

local evalue_schema = {
  { "successes", "integer", required = true, min = 0, doc = "" },
  { "trials", "integer", required = true, min = 0, doc = "" },
  { "chance", "number", default = 0.5, min = 0, max = 1, doc = "that is doubted" },
}

--- Evidence against a chance, valid whenever one looks: reject it at level alpha
--- where this exceeds 1/alpha.
function statistics.evalue(given)
  local o = options.check("evalue", evalue_schema, given)
  return core.evalue(o.successes, o.trials, o.chance)
end

-- ---- leaderboards ----

local function before(a, b)
  if a.component ~= b.component then return a.component < b.component end
  if a.strength ~= b.strength then return a.strength > b.strength end
  return a.name < b.name
end

local function line(row)
  local low, high = row.rank_low or row.rank, row.rank_high or row.rank
  local ranks = low == high and ("%d"):format(low) or ("%d to %d"):format(low, high)
  local between = row.strength_low
    and (" [%.3f, %.3f]"):format(row.strength_low, row.strength_high) or ""
  return ("rank %-8s %-20s strength %6.3f%s, %g comparisons"):format(
    ranks, row.name, row.strength, between, row.comparisons)
end

local board = {}
board.__index = board
function board:__tostring()
  local lines = {}
  for i, row in ipairs(self) do lines[i] = line(row) end
  return table.concat(lines, "\n")
end

--- Options by strength, with their intervals and the ranks that cannot be told
--- apart; printed, a table. Of labels, or a consensus, of bradley_terry or elo.
--- Options without a comparison are in .left_out.
function statistics.leaderboard(labels)
  local rows, left_out = {}, {}
  if not labels:column("options", "strength") then
    core.fail "leaderboard: there are no strengths; aggregate pairs with bradley_terry or elo"
  end
  for _, row in labels:each "options" do
    local list = row.strength and rows or left_out
    list[#list + 1] = row
  end
  table.sort(rows, before)
  rows.left_out = left_out
  return setmetatable(rows, board)
end

return statistics
