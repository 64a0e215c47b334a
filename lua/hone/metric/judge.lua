-- judge: a model that reads a template and answers on the scale.
--
--   judge = { model = m, prompt = "Q: {question}\nA: {response}\nConcise, 1 to 5? " }
--
-- In the template {name} stands for the response, the prompt, the definition's
-- question, guideline, scale, anchors, or a column of the row. The answer is what
-- comes before the first line end, without blanks around it; it is one of the scale's,
-- letter by letter, or that sample fails. "na" counts where the scale has it. The
-- likeliest tokens are taken: the same text, the same verdict.
local core = require "hone.core"

local judge = {}

judge.schema = {
  { "model", "model", required = true, doc = "who judges" },
  { "prompt", "string", required = true, doc = "template: {response}, {prompt}, {question} ..." },
  { "max_tokens", "integer", default = 8, min = 1, doc = "of an answer" },
  { "batch", "integer", default = 16, min = 1, doc = "texts decoded together" },
}

local function anchors_text(d)
  local lines = {}
  for _, step in ipairs(d:steps() or {}) do
    local anchor = d.anchors and d.anchors[step]
    if anchor then lines[#lines + 1] = ("%s: %s"):format(step, anchor.text) end
  end
  return table.concat(lines, "\n")
end

local function allowed(d)
  local list = {}
  for i, step in ipairs(d:steps() or {}) do list[i] = tostring(step) end
  if #list == 0 then return nil end
  if d.scale.na then list[#list + 1] = "na" end
  return list
end

-- What the definition puts in place of names.
local function fixed(d)
  return { question = d.question or "", guideline = d.guideline or "", anchors = anchors_text(d),
           scale = table.concat(allowed(d) or {}, ", ") }
end

-- The prompt, or nil and what the sample lacks.
local function fill(template, sample, words)
  local missing
  local filled = template:gsub("{([%w_]+)}", function(name)
    local value = words[name]
    if value == nil then value = sample[name] end
    if value == nil or value == core.null then
      missing = missing or name
      return ""
    end
    return type(value) == "table" and core.json.encode(value) or tostring(value)
  end)
  if missing then return nil, ("judge: the sample has no '%s'"):format(missing) end
  return filled
end

--- The score of an answer: a number, hone.null for na; nil and why otherwise.
function judge.parse(d, answer)
  local word = (answer:match "^[^\n]*"):match "^%s*(.-)%s*$"
  if word == "na" and d.scale.na then return core.null end
  for _, step in ipairs(d:steps() or {}) do
    if word == tostring(step) then return d:number(step) end
  end
  local value = not d:steps() and word:find "^%-?%d+%.?%d*$" and tonumber(word)
  if value and not d:problem(value) then return value end
  local list = allowed(d)
  return nil, ("the judge said '%s' (allowed: %s)"):format(word:sub(1, 60),
    list and table.concat(list, ", ") or d:problem(word):match "allowed: (.*)%)")
end

--- score_batch of a definition.
function judge.scorer(d, o)
  if not d.scale then core.fail(("metric.define: %s: judge: needs a scale"):format(d.name)) end
  local words = fixed(d)
  return function(samples)
    local prompts, places, out = {}, {}, {}
    for i = 1, #samples do
      local filled, problem = fill(o.prompt, samples[i], words)
      if filled then prompts[#prompts + 1], places[#places + 1] = filled, i end
      out[i] = problem and { failed = problem }
    end
    if #prompts == 0 then return out end
    local answers = o.model:generate { prompts = prompts, max_tokens = o.max_tokens,
                                       temperature = 0, stop = { "\n" }, batch = o.batch }
    for k, i in ipairs(places) do
      local value, problem = judge.parse(d, answers[k].response)
      out[i] = problem and { failed = problem } or value
    end
    return out
  end
end

return judge
