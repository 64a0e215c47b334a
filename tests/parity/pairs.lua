-- What hone says of comparisons in pairs, and how long it takes: docs/parity.md, pairs.
--   hone run pairs.lua pandalm=DATA/preference/pandalm llmbar=DATA/preference/llmbar votes=VOTES.csv
local hone = require "hone"
local args = hone.args { pandalm = "", votes = "", llmbar = "" }

local function show(title, labels, format)
  local rows = {}
  for _, row in labels:each "options" do rows[#rows + 1] = row end
  table.sort(rows, function(a, b) return a.name < b.name end)
  for i, row in ipairs(rows) do rows[i] = ("%s " .. format):format(row.name, row.rating or row.strength) end
  local f = labels.figures
  print(("%-12s %s"):format(title, table.concat(rows, "  ")),
        f.log_likelihood and ("logL %.6f"):format(f.log_likelihood) or "", f.tie and ("tie %.6f"):format(f.tie) or "")
end

local function read(path)
  local file = assert(io.open(path))
  local rows = hone.json.decode(file:read "a")
  file:close()
  return rows
end

-- llama-7b's win rate: people's on every fifth comparison, gpt-3.5's on the others, against
-- people's on all; and at equal length.
local function rates(rows, judge)
  local said = {}
  for _, row in ipairs(judge) do said[row.idx] = ({ ["1"] = 1, ["2"] = 0, Tie = 0.5 })[row.gpt_result] end
  local all, people, predicted, others, lengths = {}, {}, {}, {}, {}
  for _, row in ipairs(rows) do
    local left, right = row.cmp_key:match "^(.-)_(.*)$"
    if (left == "llama-7b" or right == "llama-7b") and said[row.idx] and type(row.response1) == "string"
       and type(row.response2) == "string" then
      local sum = 0
      for a = 1, 3 do sum = sum + ({ [0] = 0.5, 1, 0 })[row["annotator" .. a]] / 3 end
      local flip = left ~= "llama-7b"
      local score, guess = flip and 1 - sum or sum, flip and 1 - said[row.idx] or said[row.idx]
      all[#all + 1] = score
      lengths[#lengths + 1] = (flip and -1 or 1) * (utf8.len(row.response1) - utf8.len(row.response2))
      if #all % 5 == 1 then
        people[#people + 1], predicted[#predicted + 1] = score, guess
      else
        others[#others + 1] = guess
      end
    end
  end
  local mean = 0
  for _, x in ipairs(all) do mean = mean + x / #all end
  local e = hone.statistics.mean { people = people, judge = predicted, others = others }
  print(("llama-7b: people on all %d: %.4f; on %d: %.4f +- %.4f; with gpt-3.5 on the others: %.4f +- %.4f, lambda %.3f")
    :format(#all, mean, #people, e.people.value, e.people.se, e.value, e.se, e.lambda))
  local rate = hone.statistics.win_rate { scores = all, lengths = lengths }
  print(("llama-7b: win rate %.4f [%.4f, %.4f], at equal length %.4f [%.4f, %.4f], p of length %.2g"):format(
    rate.raw.value, rate.raw.interval[1], rate.raw.interval[2], rate.controlled.value,
    rate.controlled.interval[1], rate.controlled.interval[2], rate.p))
end

local function pandalm(folder)
  local rows = read(folder .. "/testset-v1.json")
  rates(rows, read(folder .. "/judge_gpt35.json"))
  local j = hone.judgements { level = "pair" }
  for i, row in ipairs(rows) do
    local left, right = row.cmp_key:match "^(.-)_(.*)$"
    for _, who in ipairs { "annotator1", "annotator2", "annotator3" } do
      j:add_pair(tostring(i), who, left, right, ({ [0] = "tie", "left", "right" })[row[who]])
    end
  end
  for _, ties in ipairs { "half", "drop", "davidson", "rao_kupper" } do
    show(ties, j:aggregate(hone.quality.bradley_terry { ties = ties }), "%.6f")
  end
  print(hone.statistics.leaderboard(j:aggregate(hone.quality.bradley_terry { ties = "half" })))
  print(hone.statistics.leaderboard(j:aggregate(hone.quality.bradley_terry { ties = "half", bootstrap = 1000, cluster = "item" })))
  show("elo", j:aggregate(hone.quality.elo { permutations = 1000 }), "%.3f")
end

local function timed(title, fn)
  local start = os.clock()
  local out = fn()
  print(("%-40s %.3f s of processor time"):format(title, os.clock() - start))
  return out
end

local function speed(path)
  local j = timed("read", function() return hone.judgements.load(path, { level = "pair" }) end)
  for _, ties in ipairs { "half", "half", "davidson", "rao_kupper" } do
    timed("strengths, errors, ranks: " .. ties, function()
      return j:aggregate(hone.quality.bradley_terry { ties = ties, items = false })
    end)
  end
  timed("and of a million items", function() return j:aggregate(hone.quality.bradley_terry { ties = "half" }) end)
  timed("100 resamples of annotators", function()
    return j:aggregate(hone.quality.bradley_terry { ties = "half", items = false, bootstrap = 100 })
  end)
  timed("crowd Bradley-Terry", function()
    return j:aggregate(hone.quality.bradley_terry { annotators = true, items = false })
  end)
  timed("elo, 1 order", function() return j:aggregate(hone.quality.elo { permutations = 1 }) end)
end

-- ChatGPT's verdicts on LLMBar in both orders, against the label: two options, the right
-- answer and the wrong one.
local function llmbar(folder)
  local j = hone.judgements { level = "pair" }
  for _, judge in ipairs { "chatgpt", "gpt4" } do
    for i, row in ipairs(read(folder .. "/natural_judge_" .. judge .. ".json")) do
      for _, result in ipairs(row.results) do
        for key, said in pairs(result) do
          local swap, right = key == "swap = True", tonumber(said.winner) == row.label
          local first = (row.label == 1) ~= swap -- the right answer is shown first
          j:add_pair(i .. key, judge, first and "right" or "wrong", first and "wrong" or "right",
            right == first and "left" or "right")
        end
      end
    end
  end
  local labels = j:aggregate(hone.quality.bradley_terry { annotators = true })
  for _, row in labels:each "annotators" do
    print(("%-8s %d verdicts, skill %.3f [%.3f, %.3f], side %.2f [%.2f, %.2f]"):format(row.name, row.answers, row.skill,
      row.skill_low, row.skill_high, row.side, row.side_low, row.side_high))
  end
end

if args.pandalm ~= "" then pandalm(args.pandalm) end
if args.votes ~= "" then speed(args.votes) end
if args.llmbar ~= "" then llmbar(args.llmbar) end
