-- hone eval MODEL: how good a model is, by one of
--   --text FILE                       nats a token of a text
--   --prompts FILE --metric NAME      the mean score of its answers, --reward FOLDER for a
--     [--against MODEL]               reward model; its win rate against another model, or
--                                     against the file's own answers (--against references)
--   --pairs FILE                      of a reward model: how often it orders pairs right
local core = require "hone.core"
local evaluate = require "hone.evaluate"
local files = require "hone.files"
local hone = require "hone"
local model = require "hone.model"
local text = require "hone.text"

local function of_text(o)
  for _, key in ipairs { "bytes", "tokens" } do
    if o[key] and o[key] < 1 then core.fail(("eval: --%s: at least 1"):format(key)) end
  end
  local it = model.load(o.model, { dtype = o.dtype })
  if not it.tokenizer then core.fail(("eval: %s has no tokenizer"):format(o.model)) end
  local said = files.need(o.text)
  local ids = it.tokenizer:encode(o.bytes and said:sub(1, o.bytes) or said, { bos = true })
  if o.tokens then ids = ids:slice(1, o.tokens) end
  local result = evaluate.text(it, ids)
  if o.json then
    return core.json.encode { tokens = result.tokens, predicted = result.predicted,
                              nats_per_token = result.loss, perplexity = result.perplexity,
                              nats = result.nats }
  end
  return ("%s tokens, %.6f nats a token, perplexity %s"):format(text.integer(result.tokens),
    result.loss, text.number(result.perplexity))
end

-- ---- answers ----

local function judge_of(o)
  if (o.metric == nil) == (o.reward == nil) then
    core.fail "eval: --prompts needs --metric NAME or --reward FOLDER"
  end
  if o.reward then return hone.reward_model.load(o.reward, { retokenise = true }) end
  return hone.metric[o.metric] {}
end

local function estimate(x) return x and { value = x.value, interval = x.interval } end

local function of_answers(o)
  local judge, data = judge_of(o), hone.data.load(o.prompts)
  local against = o.against
  if against and against ~= "references" then against = model.load(against, { dtype = o.dtype }) end
  local rate = hone.winrate { model = model.load(o.model, { dtype = o.dtype }), against = against,
    prompts = data, metric = judge, samples = o.samples, limit = o.limit, template = o.template,
    max_tokens = o.max_tokens, temperature = o.temperature, seed = o.seed }
  if o.out then
    local lines = {}
    for k, row in ipairs(rate.rows) do lines[k] = core.json.encode(row) .. "\n" end
    core.system.write(o.out, table.concat(lines))
  end
  if not o.json then return tostring(rate) end
  return core.json.encode { answers = #rate.rows, score = rate.means.model,
    against_score = rate.means.against, wins = rate.raw and rate.wins, losses = rate.raw and
    rate.losses, ties = rate.raw and rate.ties, without_score = rate.raw and rate.absent,
    win_rate = estimate(rate.raw), controlled = estimate(rate.controlled),
    uncontrolled = rate.uncontrolled }
end

-- ---- pairs ----

local function of_pairs(o)
  local figures = require "hone.reward_model.figures"
  local sets = require "hone.reward_model.set"
  local liked, data = hone.reward_model.load(o.model, { template = o.template, dtype = o.dtype }),
    hone.data.load(o.pairs)
  if o.limit then data = data:take(o.limit) end
  local set = sets.pairs(hone.pairs(data), liked.model, {
    template = liked.made.template, max_tokens = liked.made.max_tokens, too_long = "drop" })
  local samples = core.samples_new()
  for _, item in ipairs(set.items) do
    for _, field in ipairs(set.fields) do
      samples:add { tokens = item[field], prompt_tokens = #item[field] - item.lengths[field] }
    end
  end
  local scores = liked:scores(samples)
  for k, x in ipairs(scores) do
    if x ~= x then core.fail(("eval: %s: no score"):format(set:where((k + 1) // 2))) end
  end
  local found = figures.pairs(set, scores)
  if found.pairs == 0 then core.fail(("eval: %s: no pair that is no tie"):format(data.name)) end
  if not o.json then
    return ("%s, accuracy %.1f %%%s, margin %s, calibration error %.3f\n" ..
      "by length alone: longer %.1f %%, shorter %.1f %%"):format(text.count(found.pairs, "pair"),
      100 * found.accuracy, found.accuracy_se and (" (se %.1f)"):format(100 * found.accuracy_se) or
      "", text.number(found.margin), found.ece, 100 * found.longer, 100 * found.shorter)
  end
  return core.json.encode { pairs = found.pairs, accuracy = found.accuracy,
    accuracy_se = found.accuracy_se, margin = found.margin, ece = found.ece,
    longer = found.longer, shorter = found.shorter, left_out = set.report.dropped }
end

return {
  summary = "Measure a model: nats a token of a text, win rates of its answers, reward accuracy.",
  words = { "MODEL" },
  flags = {
    { "text", "string", "FILE", doc = "a text, - for standard input" },
    { "bytes", "integer", "N", doc = "only its first N bytes" },
    { "tokens", "integer", "N", doc = "only its first N tokens" },
    { "prompts", "string", "FILE", doc = "rows to be answered" },
    { "metric", "string", "NAME", doc = "that scores answers, with its defaults" },
    { "reward", "string", "FOLDER", doc = "a reward model that scores answers" },
    { "against", "string", "MODEL", doc = "another model; references: the file's own answers" },
    { "samples", "integer", "N", doc = "answers to each prompt (default 1)" },
    { "temperature", "number", "T", doc = "0 (default): the likeliest token" },
    { "max-tokens", "integer", "N", doc = "of an answer (default 128)" },
    { "template", "string", "NAME", doc = "of messages: plain, chatml" },
    { "seed", "integer", "N", doc = "of sampling (default 0)" },
    { "out", "string", "FILE", doc = "write answers and scores, a JSON object a line" },
    { "pairs", "string", "FILE", doc = "preferences that a reward model is to order" },
    { "limit", "integer", "N", doc = "rows of the file at most" },
    { "dtype", "string", "TYPE", doc = "of weights in memory: f32, bf16, f16, stored" },
  },
  run = function(o)
    local ways = { text = of_text, prompts = of_answers, pairs = of_pairs }
    local chosen
    for _, name in ipairs { "text", "prompts", "pairs" } do
      if o[name] and chosen then
        core.fail(("eval: --%s and --%s: one at a time"):format(chosen, name))
      end
      chosen = o[name] and name or chosen
    end
    if not chosen then core.fail "eval: --text FILE, --prompts FILE or --pairs FILE is missing" end
    print(ways[chosen](o))
  end,
}
