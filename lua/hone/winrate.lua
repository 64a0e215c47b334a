-- winrate: how often a model's answers score better than another's, or than references.
--
--   local rate = hone.winrate { model = tuned, against = base, prompts = data, metric = liked }
--   print(rate)
--   --> 41 wins, 22 losses, 1 tie: 64.8 % (52.6 to 75.4) won
--   --> at equal length: 58.1 % (46.2 to 69.1)
--   rate.raw, rate.controlled          { value, interval = { low, high } }, shares
--   rate.means                         { model, against }: mean scores
--   rate.rows                          { prompt, response, against, score, against_score } each
--
-- A win counts 1, a tie 1/2. The interval of `raw` is Wilson's (1927) for as many trials as
-- there are prompts, as answers to one prompt are not independent. `controlled` is the win
-- rate that a logistic model gives for answers of equal length, in characters (Dubois et al.
-- 2024, arXiv:2404.04475; <hone/inference.h>); where that says nothing, `uncontrolled` says why.
local core = require "hone.core"
local object = require "hone.object"
local options = require "hone.options"
local rewards = require "hone.reward"
local statistics = require "hone.statistics"
local text = require "hone.text"

local Rate = { __name = "hone.winrate" }

local schema = {
  { "model", "model", required = true, doc = "that answers" },
  { "against", "any", doc = "another model, or \"references\": the data's answers; unset: no one" },
  { "prompts", "data", required = true, doc = "what is answered" },
  { "metric", "reward", required = true, doc = "a metric, a reward model, a function" },
  { "samples", "integer", default = 1, min = 1, doc = "answers of a model to each prompt" },
  { "limit", "integer", min = 1, doc = "prompts at most, the first ones" },
  { "margin", "number", default = 0, min = 0, doc = "scores this close are a tie" },
  { "template", "choice", default = "plain", choices = { "plain", "chatml" }, doc = "of messages" },
  { "max_tokens", "integer", default = 128, min = 1, doc = "of an answer" },
  { "temperature", "number", default = 0, min = 0, doc = "0: the likeliest tokens" },
  { "top_p", "number", default = 1, min = 0, max = 1, open_min = true, doc = "1: all" },
  { "stop", "list", of = "string", doc = "texts that end an answer" },
  { "seed", "integer", default = 0, doc = "of sampling" },
}

-- ---- answers ----

local function answers_of(model, data, o)
  return model:generate { prompts = data, samples = o.samples, max_tokens = o.max_tokens,
    temperature = o.temperature, top_p = o.top_p, stop = o.stop, seed = o.seed,
    template = o.template }
end

-- A prompt's ids and those of a text after it.
local function tokens_of(model, sample, said)
  local out = sample.tokens:slice(1, sample.prompt_tokens):table()
  local ids = model.tokenizer:encode(said):table()
  return table.move(ids, 1, #ids, #out + 1, out)
end

-- The data's own answers, as often as there are samples.
local function references_of(data, samples, o)
  local out, model = core.samples_new(), o.model
  for i = 1, #data do
    local said = data:response(i)
    if not said then
      core.fail(("winrate: %s has no answer to be compared with"):format(data:where(i)))
    end
    for k = 1, o.samples do
      local sample = samples[(i - 1) * o.samples + k]
      out:add { prompt = sample.prompt, response = said, row = data[i],
                tokens = tokens_of(model, sample, said), prompt_tokens = sample.prompt_tokens }
    end
  end
  return out
end

local function scores_of(metric, samples)
  return (rewards.of(metric)(samples, { learn = false })):values()
end

-- ---- figures ----

local z <const> = 1.959963984540054

-- Wilson 1927, doi:10.1080/01621459.1927.10502953: 95 % for a share of n trials.
local function wilson(share, n)
  local middle, spread = share + z * z / (2 * n),
    z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
  local whole = 1 + z * z / n
  return { value = share, interval = { math.max(0, (middle - spread) / whole),
                                       math.min(1, (middle + spread) / whole) } }
end

local function mean(values)
  local sum, n = 0, 0
  for _, x in ipairs(values) do
    if x == x then sum, n = sum + x, n + 1 end
  end
  return n > 0 and sum / n or nil
end

-- Wins of rows that both sides have a score for.
local function compare(rate, o)
  local scores, lengths, clusters, prompts, known = {}, {}, {}, 0, {}
  for k, row in ipairs(rate.rows) do
    local a, b = row.score, row.against_score
    if a and b then
      local won = a - b > o.margin and 1 or b - a > o.margin and 0 or 0.5
      scores[#scores + 1] = won
      lengths[#lengths + 1] = (utf8.len(row.response) or #row.response) -
        (utf8.len(row.against) or #row.against)
      local cluster = (k - 1) // o.samples
      clusters[#clusters + 1] = cluster
      if not known[cluster] then known[cluster], prompts = true, prompts + 1 end
      local word = won == 1 and "wins" or won == 0 and "losses" or "ties"
      rate[word] = rate[word] + 1
    else
      rate.absent = rate.absent + 1
    end
  end
  if #scores == 0 then core.fail "winrate: no prompt has a score for both answers" end
  rate.raw = wilson(mean(scores), prompts)
  local ok, found = pcall(statistics.win_rate, { scores = scores, lengths = lengths,
    clusters = o.samples > 1 and clusters or nil })
  if ok then rate.controlled, rate.length, rate.p = found.controlled, found.length, found.p
  else rate.uncontrolled = object.plain(found) end
end

local function rows_of(mine, theirs, a, b)
  local rows = core.json.list {}
  for k = 1, #mine do
    rows[k] = { prompt = mine[k].prompt, response = mine[k].response,
                score = a[k] == a[k] and a[k] or nil, against = theirs and theirs[k].response,
                against_score = b and b[k] == b[k] and b[k] or nil }
  end
  return rows
end

local function share(x)
  return ("%.1f %% (%.1f to %.1f)"):format(100 * x.value, 100 * x.interval[1], 100 * x.interval[2])
end

function Rate:__tostring()
  local head = ("%s, mean score %s"):format(text.count(#self.rows, "answer"),
    self.means.model and text.number(self.means.model) or "none")
  if not self.raw then return head end
  return ("%s against %s\n%s, %s, %s%s: %s won\nat equal length: %s"):format(head,
    self.means.against and text.number(self.means.against) or "none",
    self.wins == 1 and "1 win" or text.integer(self.wins) .. " wins",
    self.losses == 1 and "1 loss" or text.integer(self.losses) .. " losses",
    text.count(self.ties, "tie"),
    self.absent > 0 and (", %d without a score"):format(self.absent) or "", share(self.raw),
    self.controlled and share(self.controlled) or "no estimate: " .. self.uncontrolled)
end

return function(given)
  local o = options.check("winrate", schema, given)
  local against, data = o.against, o.prompts
  if against ~= nil and against ~= "references" and object(against) ~= "hone.model" then
    core.fail(("winrate: against: expected a model or \"references\", got %s"):format(
      text.value(against)))
  end
  if o.limit then data = data:take(o.limit) end
  local mine, theirs = answers_of(o.model, data, o), nil
  if against == "references" then theirs = references_of(data, mine, o)
  elseif against then theirs = answers_of(against, data, o) end
  local a, b = scores_of(o.metric, mine), theirs and scores_of(o.metric, theirs)
  local rate = { wins = 0, losses = 0, ties = 0, absent = 0, rows = rows_of(mine, theirs, a, b),
                 means = { model = mean(a), against = b and mean(b) } }
  if theirs then compare(rate, o) end
  return setmetatable(rate, Rate)
end
