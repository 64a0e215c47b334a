-- What checks of quality and bias are worth to a policy: rounds with a hidden true preference.
--   hone run tests/simulate/rounds_study.lua model=FOLDER labels=checked seed=1 out=study.jsonl
--   hone run tests/simulate/rounds_study.lua model=FOLDER figure=rounds-study.svg out=study.jsonl
--
-- The truth: how many different cheerful words a story has, less its gloomy words and half of
-- what it says twice. Of 24 simulated annotators a quarter are spammers; half
-- are of a group (region south) that likes gloom; of the population 10 of 100 are.
--   checked     those who answer too fast are left out, skill is estimated, regions are weighed as
--               in the population
--   unchecked   all judgements count alike
--   perfect     annotators who see the truth
-- Each run: 2 rounds of 600 pairs, 5 judgements a pair, a reward model, 10 steps of GRPO.
local hone = require "hone"
local svg = require "hone.svg"
local args = hone.args { model = hone.required.path, labels = "checked", seed = 1,
                         out = "study.jsonl", figure = "", rounds = 2, pairs = 600, steps = 10 }

local function set(words)
  local out = {}
  for word in words:gmatch "%S+" do out[word] = true end
  return out
end
local cheerful = set [[happy smiled fun love loved play played friend friends laughed nice good glad
                      hug kind share]]
local gloomy = set "sad scared cry cried angry hurt bad mad afraid lost broke fell"

local function count(said)
  local seen, different, again, gloom = {}, 0, 0, 0
  for word in said:lower():gmatch "%a+" do
    if gloomy[word] then gloom = gloom + 1 end
    if cheerful[word] then
      if seen[word] then again = again + 1 else different = different + 1 end
      seen[word] = true
    end
  end
  return different, again, gloom
end

local function truth(said)
  local different, again, gloom = count(said)
  return different - 0.5 * again - gloom
end

-- ---- one run ----

local function pool_of(kind)
  if kind == "perfect" then
    return hone.simulate.annotators { count = 24, skill = 1, ties = 0.01, seed = args.seed,
      truth = function(_, option) return truth(option.text) end }
  end
  return hone.simulate.annotators {
    count = 24, skill = { 0.85, 0.05 }, spam = 0.25, position_bias = 0.2, seed = args.seed,
    groups = { region = { north = 0.5, south = { share = 0.5, values = function(option)
      local different, _, gloom = count(option.text)
      return 3 * gloom - 1.5 * different
    end } } },
    truth = function(_, option) return truth(option.text) end }
end

local function labels_of(kind, answers)
  if kind ~= "checked" then
    return answers:aggregate { preference = hone.quality.bradley_terry {} }.preference
  end
  local checked = answers:check { hone.quality.speed { floor = 4 } }
  local labels = checked:aggregate { preference = hone.quality.bradley_terry { annotators = true } }
  return hone.bias.audit { labels, hone.bias.position {} }:mitigate { drop = "flagged",
    reweigh = { attribute = "region", target = { north = 0.9, south = 0.1 } } }.preference
end

local starts = { "Once upon a time", "One day", "Lily", "Tom", "The dog", "A big", "Mom", "The sun",
                 "In the park", "Ben", "There was", "She" }

local function run()
  local rows = {}
  for i, start in ipairs(starts) do rows[i] = { prompt = start } end
  local prompts, policy = hone.data.new(rows, "starts"), hone.model.load(args.model)
  local name = ("study-%s-%d"):format(args.labels, args.seed)
  local store = hone.store(name .. ".db", { durable = false })
  hone.simulate.attach(pool_of(args.labels), store)

  local function measure()
    local samples = policy:generate { prompts = prompts, samples = 32, temperature = 1,
                                      max_tokens = 48, seed = 1000 }
    local sum = 0
    for i = 1, #samples do sum = sum + truth(samples[i].response) end
    return sum / #samples
  end
  local line = { labels = args.labels, seed = args.seed, truth = { measure() }, right = {} }

  hone.rounds { name = name, count = args.rounds, function(round)
    local choices = round:stage("answer", function()
      return policy:generate { prompts = prompts, samples = 40, temperature = 1, max_tokens = 48,
                               seed = 100 * args.seed + round.number }
        :pair { limit = args.pairs, per_prompt = args.pairs // #starts + 1 }
    end)
    local answers = round:stage("judge", function()
      return store:task { name = round.name, ask = { hone.ask.preference {} }, overlap = 5,
                          seed = args.seed }:add(choices):wait()
    end)
    local labels = round:stage("trust", function() return labels_of(args.labels, answers) end)
    round:stage("learn", function()
      local liked = hone.reward_model { base = policy:copy(), data = labels, epochs = 2,
        optimizer = hone.optimizer.adamw { lr = 1e-3 }, batch = { tokens = 2048 },
        eval = { samples = 0 }, seed = args.seed }
      hone.grpo { policy = policy, prompts = prompts, group = 8, kl = 0.05, steps = args.steps,
        sampling = { max_tokens = 48 }, eval = { samples = 0 }, seed = args.seed,
        optimizer = hone.optimizer.adamw { lr = 5e-4 },
        reward = hone.reward { normalise = true, liked } }
    end)
    local right, n = 0, 0
    for _, row in ipairs((labels:rows { left = "left", right = "right" })) do
      local d = truth(row.chosen) - truth(row.rejected)
      if d ~= 0 then right, n = right + (d > 0 and 1 or 0), n + 1 end
    end
    line.right[round.number] = right / n
    line.truth[round.number + 1] = measure()
    round:log { truth = line.truth[round.number + 1], right = line.right[round.number] }
  end }
  print(hone.json.encode(line))
  local file <close> = assert(io.open(args.out, "a"))
  file:write(hone.json.encode(line), "\n")
end

-- ---- the figure ----

local function mean_of(lines, field, k)
  local sum, squares, n = 0, 0, 0
  for _, line in ipairs(lines) do
    local x = line[field][k]
    if x then sum, squares, n = sum + x, squares + x ^ 2, n + 1 end
  end
  local mean = sum / n
  return mean, n > 1 and math.sqrt(math.max(0, squares - n * mean ^ 2) / (n - 1) / n) or 0, n
end

local function figure()
  local by, series = {}, {}
  for text in io.lines(args.out) do
    local line = hone.json.decode(text, args.out)
    by[line.labels] = by[line.labels] or {}
    table.insert(by[line.labels], line)
  end
  for _, kind in ipairs { "perfect", "checked", "unchecked" } do
    local points, words = {}, {}
    for k = 1, args.rounds + 1 do
      local mean, se = mean_of(by[kind], "truth", k)
      points[k], words[k] = { k - 1, mean }, ("%.2f +- %.2f"):format(mean, se)
    end
    series[#series + 1] = { name = kind, points = points, dots = true }
    print(("%-10s %d seeds: truth %s; labels right %.3f, %.3f"):format(kind, #by[kind],
      table.concat(words, ", "), (mean_of(by[kind], "right", 1)), (mean_of(by[kind], "right", 2))))
  end
  local chart = svg.chart { title = "true preference of the policy's answers, mean of seeds",
                            x = "rounds", series = series }
  local file <close> = assert(io.open(args.figure, "w"))
  local head = '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="11" '
  file:write((chart:gsub("<svg ", head, 1)), "\n")
end

if args.figure ~= "" then figure() else run() end
