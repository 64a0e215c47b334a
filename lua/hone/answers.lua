-- answers: what a model says to a few rows before and after training, and how the
-- reward, its parts and metrics score it.
local core = require "hone.core"

local answers = {}

-- The ids to be answered: a row's prompt. A text learned whole has none where the
-- tokenizer begins texts with nothing: then its first words.
local function prompt_of(model, data, i, template)
  local ok, ids = pcall(data.prompt, data, i, model, { template = template })
  if ok then return ids end
  local text = data[i].text
  if type(text) ~= "string" then error(ids, 0) end
  ids = model.tokenizer:encode(text)
  return { table.unpack(ids, 1, math.min(#ids, 12)) }
end

-- Rows whose prompt leaves room for an answer, as prompts.
local function prompts_of(model, data, o)
  local list, limit = {}, model.max_positions
  for i = 1, #data do
    if #list == o.count then break end
    local ids = prompt_of(model, data, i, o.template)
    if #ids > 0 and (not limit or #ids + o.max_tokens <= limit) then
      list[#list + 1] = { ids = ids, row = data[i], reference = data:response(i) }
    end
  end
  return list
end

-- Scores of a reward and its parts, or of a metric: { name, summary, values }. A reward of
-- one part is that part.
local function scored(samples, o)
  local list = {}
  if o.reward then
    local values, components = o.reward(samples, { learn = false })
    list[1] = { name = "reward", summary = components.total, values = values:values() }
    for _, c in ipairs(#components > 1 and components or {}) do
      list[#list + 1] = { name = c.name, summary = c.summary, values = c.values:values() }
    end
  end
  for _, metric in ipairs(o.metrics) do
    local scores, values = metric(samples), {}
    for i = 1, #samples do values[i] = scores[i] or 0 / 0 end
    list[#list + 1] = { name = metric.name, summary = scores:summary(), values = values }
  end
  return list
end

--- { samples = { { prompt, response, reference, scores }, ... }, metrics =
--- { name = summary }, order = names } of the first rows of data; o: count, max_tokens,
--- template, metrics, reward (hone.reward, whose parts are scores, too), seed, ends (stop,
--- stop_tokens, ignore_eos of sampling). Answers are of the likeliest tokens.
function answers.collect(model, data, o)
  local prompts = prompts_of(model, data, o)
  local out = { samples = core.json.list {}, metrics = {}, order = core.json.list {} }
  if #prompts == 0 then return out end
  local ends = o.ends or {}
  local samples = core.generate(model, prompts, { max_tokens = o.max_tokens, seed = o.seed,
    stop = ends.stop, stop_tokens = ends.stop_tokens, ignore_eos = ends.ignore_eos })
  for i = 1, #samples do
    local s = samples[i]
    out.samples[i] = { prompt = model.tokenizer:decode(prompts[i].ids), response = s.response,
                       reference = prompts[i].reference, scores = {} }
  end
  for _, it in ipairs(scored(samples, o)) do
    if not out.metrics[it.name] then
      out.metrics[it.name], out.order[#out.order + 1] = it.summary, it.name
      for i, x in ipairs(it.values) do
        out.samples[i].scores[it.name] = x == x and x or nil
      end
    end
  end
  return out
end

return answers
