-- Win rates of answers and reward accuracy, from Lua and from hone eval.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near = s.test, s.equal, s.near
local hone = require "hone"
local json = hone.json

local config = { model_type = "llama", hidden_size = 32, num_hidden_layers = 2,
  num_attention_heads = 4, num_key_value_heads = 2, intermediate_size = 48, vocab_size = 258,
  max_position_embeddings = 64, rms_norm_eps = 1e-5, tie_word_embeddings = true }

local function new_model(seed)
  return hone.model.new(config, { seed = seed or 1 }):set_tokenizer(hone.tokenizer.byte {})
end

local function rows_of(n)
  local rows = {}
  for i = 1, n do
    rows[i] = { prompt = ("q%d?"):format(i), completion = ("x"):rep(i % 5 + 1), number = i }
  end
  return rows
end
local data = hone.data.new(rows_of(20), "rows")

-- Wins against what the row says, so that they can be counted by hand: mine scores
-- number, the reference 10, whatever was said.
local function by_number(sample)
  return sample.response:find "^x+$" and 10 or sample.row.number
end

test("wins_losses_and_ties_are_counted_and_the_interval_is_wilsons", function()
  local rate = hone.winrate { model = new_model(), against = "references", prompts = data,
    metric = by_number, max_tokens = 4 }
  equal({ rate.wins, rate.losses, rate.ties, rate.absent }, { 10, 9, 1, 0 })
  -- (10 + 0.5) / 20 of 20 trials.
  equal(rate.raw.value, 0.525)
  near(rate.raw.interval[1], 0.32048, 1e-5)
  near(rate.raw.interval[2], 0.72146, 1e-5)
  equal({ rate.means.model, rate.means.against }, { 10.5, 10.0 })
  equal(#rate.rows, 20)
  equal({ rate.rows[3].against, rate.rows[3].score, rate.rows[3].against_score },
    { "xxxx", 3.0, 10.0 })
  assert(tostring(rate):find("10 wins, 9 losses, 1 tie: 52.5 % (32.0 to 72.1) won", 1, true),
    tostring(rate))
end)

test("scores_within_the_margin_are_ties_and_absent_ones_are_counted", function()
  local rate = hone.winrate { model = new_model(), against = "references", prompts = data,
    metric = function(sample)
      if sample.row.number == 7 then return nil end
      return by_number(sample)
    end, max_tokens = 4, margin = 2 }
  equal({ rate.wins, rate.losses, rate.ties, rate.absent }, { 8, 6, 5, 1 })
end)

test("at_equal_length_a_win_that_length_makes_goes_away", function()
  -- The longer answer wins, but for every fifth row: references are shorter in most rows.
  local rows = rows_of(120)
  for i, row in ipairs(rows) do row.completion = ("y"):rep(1 + i * 7 % 40) end
  local rate = hone.winrate { model = new_model(), against = "references", max_tokens = 24,
    prompts = hone.data.new(rows, "rows"), temperature = 1, seed = 4,
    metric = function(sample)
      local n = utf8.len(sample.response) or #sample.response
      return sample.row.number % 5 == 0 and -n or n
    end }
  assert(rate.controlled, rate.uncontrolled)
  assert(rate.length.value > 0 and rate.p < 0.05, tostring(rate))
  near(rate.controlled.value, 0.5, 0.15)
end)

test("where_length_says_nothing_the_reason_is_told", function()
  local rate = hone.winrate { model = new_model(), against = new_model(), prompts = data,
    metric = hone.metric.length {}, max_tokens = 4 }
  equal({ rate.wins, rate.losses, rate.ties, rate.controlled }, { 0, 0, 20, nil })
  s.golden("lua-eval-uncontrolled", rate.uncontrolled)
end)

test("samples_of_a_prompt_are_not_trials_of_their_own", function()
  local one = hone.winrate { model = new_model(), against = "references", prompts = data,
    metric = by_number, max_tokens = 4 }
  local three = hone.winrate { model = new_model(), against = "references", prompts = data,
    metric = by_number, max_tokens = 4, samples = 3, temperature = 1 }
  equal(three.wins, 3 * one.wins)
  equal(three.raw.interval, one.raw.interval)
end)

test("without_an_opponent_there_is_a_mean_score", function()
  local rate = hone.winrate { model = new_model(), prompts = data, metric = by_number,
    max_tokens = 4, limit = 4 }
  equal({ rate.means.model, rate.raw, #rate.rows }, { 2.5, nil, 4 })
  equal(tostring(rate), "4 answers, mean score 2.5")
end)

test("what_cannot_be_compared_is_refused", function()
  local o = { model = new_model(), prompts = data, metric = by_number, max_tokens = 4 }
  local function fails(more)
    local given = {}
    for key, value in pairs(o) do given[key] = value end
    for key, value in pairs(more) do given[key] = value end
    return s.fails(hone.winrate, given)
  end
  s.golden("lua-eval-against", fails { against = "gold" })
  s.golden("lua-eval-no-reference", fails { against = "references",
    prompts = hone.data.new({ { prompt = "a" } }, "bare") })
  s.golden("lua-eval-no-score", fails { against = "references",
    metric = function() return nil end })
end)

-- ---- the program ----

local function good(arguments)
  local out, err, status = s.hone(arguments)
  equal({ status, status == 0 and "" or err }, { 0, "" })
  return out
end

local function bad(arguments)
  local out, err, status = s.hone(arguments)
  equal({ out, status }, { "", 1 })
  return (err:gsub("%s+$", ""))
end

local function write_rows(path, rows)
  local lines = {}
  for i, row in ipairs(rows) do lines[i] = json.encode(row) .. "\n" end
  s.write(path, table.concat(lines))
end

new_model(1):save "one"
new_model(2):save "two"
write_rows("prompts.jsonl", rows_of(12))

test("the_program_tells_win_rates", function()
  local out = json.decode(good("eval one --prompts prompts.jsonl --metric length " ..
    "--against references --max-tokens 6 --json --out answers.jsonl"))
  equal({ out.answers, out.wins + out.losses + out.ties, out.without_score }, { 12, 12, 0 })
  near(out.win_rate.value, (out.wins + 0.5 * out.ties) / 12, 1e-12)
  local _, n = s.read "answers.jsonl":gsub("\n", "")
  equal(n, 12)
  local said = good("eval one --prompts prompts.jsonl --metric length --against two " ..
    "--max-tokens 6 --limit 5")
  assert(said:find "^5 answers, mean score" and said:find "at equal length", said)
end)

test("a_reward_model_orders_pairs_and_judges_answers", function()
  local rows = {}
  for i = 1, 24 do rows[i] = { prompt = "p" .. i, chosen = "good", rejected = "bad!" } end
  write_rows("pairs.jsonl", rows)
  local liked = hone.reward_model { base = new_model(), data = hone.data.load "pairs.jsonl",
    epochs = 12, optimizer = hone.optimizer.adamw { lr = 5e-3 }, name = "liked",
    eval = { samples = 0 }, batch = { tokens = 128 } }
  liked:save "liked"
  local out = json.decode(good "eval liked --pairs pairs.jsonl --json")
  equal({ out.pairs, out.left_out }, { 24, 0 })
  assert(out.accuracy > 0.9 and out.margin > 0, out.accuracy)
  equal({ out.longer, out.shorter }, { 0.5, 0.5 })
  local direct = liked.run:evaluate "train"
  near(out.accuracy, direct.accuracy, 1e-9)
  near(out.margin, direct.margin, 1e-4)
  assert(good "eval liked --pairs pairs.jsonl --limit 3":find "^3 pairs, accuracy", "the sentence")
  local rate = json.decode(good("eval one --prompts prompts.jsonl --reward liked --against two " ..
    "--max-tokens 6 --json"))
  equal(rate.wins + rate.losses + rate.ties, 12)
end)

test("mistakes_are_told", function()
  s.golden("lua-eval-nothing", bad "eval one")
  s.golden("lua-eval-two", bad "eval one --text a --pairs b")
  s.golden("lua-eval-metric", bad "eval one --prompts prompts.jsonl")
  s.golden("lua-eval-unknown-metric", bad "eval one --prompts prompts.jsonl --metric lenght")
  s.golden("lua-eval-no-head", bad "eval one --pairs pairs.jsonl")
end)

test("the_piece_of_the_docs_runs", function()
  local section = s.read(s.file "../docs/algorithms.md"):match "\n## Talking and comparing\n(.*)"
  local _, finish = section:find("\n```lua\n", 1, true)
  s.write("piece.lua", section:sub(finish + 1):match "^(.-)```")
  new_model():save "tiny"
  assert(good "run piece.lua":find "^1 answer, mean score", "the sentence")
end)

if s.failed then os.exit(1, true) end
