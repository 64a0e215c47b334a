-- pairs: rows of preferences, in the forms that they come in, as pairs and verdicts.
--
--   local set = hone.pairs(data, { ties = "drop", bad = "error" })
--   set.pairs[i]     { prompt, chosen, rejected, weight, margin, noise, row }
--   set.verdicts[i]  { prompt, completion, good, weight, row }
--   set.sft          corrections as rows for hone.sft
--   set.report       { rows, pairs, verdicts, sft, ties, dropped = { reason = { count, examples } } }
--
-- What a row is, is told by its columns, the first that fits:
--   two answers and which is better    response1, response2 (response_1, response_a, output_1, ...) or
--                                      conversation_a, conversation_b; winner, label, preference,
--                                      overall_preference, preference_strength: "model_a", 1, -3 .. 3
--   chosen, rejected                   texts or messages; prompt a text, messages, or absent: then
--                                      a transcript ("\n\nHuman: ... \n\nAssistant: ..."), or what
--                                      both have in common at the start
--   completion or response, and        a verdict: true, false, "positive", "negative", or "needs
--   label or verdict                   improvement", which with a correction makes a pair and an sft row
--   completion or response, and a      HelpSteer: answers to one prompt are paired, the higher
--   column named by `attribute`        rating is chosen, margin is the difference
-- The prompt stands in prompt, instruction (with input), input, context or question.
-- Columns weight, margin, noise (the probability that the order is wrong), posterior
-- and tie go with a pair.
--
-- A prompt is { text = }, { messages = } or { instruction = , input = }, and pairs.row(prompt,
-- answer) the row that hone.data renders: there is one renderer.
local core = require "hone.core"
local forms = require "hone.pair_forms"
local options = require "hone.options"
local text = require "hone.text"

local pairs_of = {}

pairs_of.schema = {
  { "ties", "choice", default = "drop", choices = { "drop", "learn", "error" },
    doc = "pairs without a better side; learn: both orders, half each" },
  { "bad", "choice", default = "error", choices = { "error", "drop" },
    doc = "pairs with equal or empty sides, or prompts that differ" },
  { "attribute", "string", default = "helpfulness", doc = "the rating that orders answers" },
  { "noise", "number", default = 0, min = 0, max = 0.5,
    doc = "probability that a pair's order is wrong, where no column says it" },
  { "soft", "boolean", default = false, doc = "noise is 1 - posterior, where a row has one" },
}

local reasons = {
  equal = "the two sides are equal", empty = "a side is empty",
  prompts = "the prompts of the two sides differ", no_prompt = "there is no prompt",
  unpaired = "no other answer to this prompt has another rating",
  correction = "'needs improvement' without a correction",
  malformed = "%s",
}

--- The row that hone.data renders for an answer to a prompt.
function pairs_of.row(prompt, answer)
  if prompt.text then return { prompt = prompt.text, completion = answer } end
  if prompt.instruction then
    return { instruction = prompt.instruction, input = prompt.input, output = answer }
  end
  local list = table.move(prompt.messages, 1, #prompt.messages, 1, {})
  list[#list + 1] = { role = "assistant", content = answer }
  return { messages = list }
end

-- Leave a row out and count why, or raise.
local function refuse(self, i, reason, detail)
  local what = reasons[reason]:format(detail or "")
  if self.o.bad == "error" then
    core.fail(("%s: %s (bad = \"drop\" leaves such rows out)"):format(self.data:where(i), what))
  end
  local d = self.report.dropped[reason] or { count = 0, examples = core.json.list {} }
  self.report.dropped[reason] = d
  d.count = d.count + 1
  if d.count <= 5 then d.examples[d.count] = self.data:where(i) end
end

local function number_column(self, i, row, name, default, low, high)
  local value = forms.get(row, name)
  if value == nil or value == "" then return default end     -- a CSV's blank
  local n = type(value) ~= "table" and tonumber(value)
  if not n or n ~= n or n < low or n > high then
    local range = high == 1 and " from 0 to 1" or low == 0 and " of at least 0" or ""
    core.fail(("%s: field '%s': a number%s expected, got %s"):format(self.data:where(i), name,
      range, forms.show(value)))
  end
  return n
end

-- The columns that go with a pair or a verdict.
local function weigh(self, i, row, item)
  item.row = i
  item.weight = number_column(self, i, row, "weight", 1, 0, 1e30)
  item.margin = item.margin or number_column(self, i, row, "margin", 0, -1e30, 1e30)
  local noise = self.o.noise
  if self.o.soft then
    noise = 1 - number_column(self, i, row, "posterior", 1 - noise, 0, 1)
  end
  item.noise = item.tie and 0.5 or number_column(self, i, row, "noise", noise, 0, 1)
  return item
end

local function blank(answer) return not answer:find "%S" end

-- A text of the empty prompt is none where nothing stands before the answer.
local function no_prompt(prompt)
  return (prompt.text and prompt.text == "") or (prompt.messages and #prompt.messages == 0)
end

local function add_pair(self, i, row, found)
  if blank(found.chosen) or blank(found.rejected) then return refuse(self, i, "empty") end
  if found.chosen == found.rejected then return refuse(self, i, "equal") end
  if no_prompt(found.prompt) then return refuse(self, i, "no_prompt") end
  if found.tie or tostring(forms.get(row, "tie")):lower() == "true" then
    self.report.ties = self.report.ties + 1
    if self.o.ties == "error" then
      core.fail(("%s: a tie (ties = \"drop\" or \"learn\" allow it)"):format(self.data:where(i)))
    end
    if self.o.ties == "drop" then return end
    found.tie = true
  end
  self.pairs[#self.pairs + 1] = weigh(self, i, row, found)
end

local function add_verdict(self, i, row, found)
  if blank(found.completion) then return refuse(self, i, "empty") end
  if no_prompt(found.prompt) then return refuse(self, i, "no_prompt") end
  if found.good ~= nil then
    self.verdicts[#self.verdicts + 1] = weigh(self, i, row, found)
    return
  end
  if not found.correction then return refuse(self, i, "correction") end
  local before = #self.pairs
  add_pair(self, i, row, { prompt = found.prompt, chosen = found.correction,
                           rejected = found.completion, corrected = true })
  if #self.pairs > before then
    self.sft[#self.sft + 1] = pairs_of.row(found.prompt, found.correction)
  end
end

-- Answers with a rating wait for others to the same prompt.
local function add_rated(self, i, row, found)
  local key = core.json.encode(found.prompt)
  local group = self.rated[key]
  if not group then
    group = {}
    self.rated[key], self.rated[#self.rated + 1] = group, group
  end
  found.row, found.columns = i, row
  group[#group + 1] = found
end

local function pair_rated(self)
  for _, group in ipairs(self.rated) do
    if #group == 1 then refuse(self, group[1].row, "unpaired") end
    for a = 1, #group do
      for b = a + 1, #group do
        local x, y = group[a], group[b]
        if x.rating < y.rating then x, y = y, x end
        add_pair(self, group[b].row, group[b].columns, { prompt = x.prompt, chosen = x.completion,
          rejected = y.completion, margin = x.rating - y.rating, tie = x.rating == y.rating })
      end
    end
  end
end

local add = { pair = add_pair, verdict = add_verdict, rated = add_rated }

local function line(report)
  local dropped, names = {}, {}
  for name in pairs(report.dropped) do names[#names + 1] = name end
  table.sort(names)
  for k, name in ipairs(names) do
    local d = report.dropped[name]
    dropped[k] = ("%s %s (%s%s)"):format(text.integer(d.count), name,
      table.concat(d.examples, ", "), d.count > #d.examples and ", ..." or "")
  end
  return ("preferences: %s: %s, %s, %s%s"):format(text.count(report.rows, "row"),
    text.count(report.pairs, "pair"), text.count(report.verdicts, "verdict"),
    text.count(report.ties, "tie"),
    #dropped > 0 and "; dropped: " .. table.concat(dropped, "; ") or "")
end

--- data (or a list of rows) as pairs and verdicts.
function pairs_of.read(data, given)
  local o = options.check("pairs", pairs_of.schema, given)
  if type(data) == "table" then data = require("hone.data").new(data) end
  local self = { data = data, o = o, pairs = {}, verdicts = {}, sft = core.json.list {},
                 rated = {},
                 report = { rows = #data, ties = 0, dropped = {} } }
  for i, row in data:rows() do
    local kind, found = forms.read(row, o)
    if kind == "none" then core.fail(("%s: %s"):format(data:where(i), found)) end
    if add[kind] then
      add[kind](self, i, row, found)
    else
      refuse(self, i, kind, found)
    end
  end
  pair_rated(self)
  local report = self.report
  report.pairs, report.verdicts, report.sft = #self.pairs, #self.verdicts, #self.sft
  if #self.pairs + #self.verdicts == 0 then
    core.fail(("%s: no pair and no verdict: %s"):format(data.name, line(report)))
  end
  core.log(next(report.dropped) and "warn" or "info", line(report))
  return { data = data, pairs = self.pairs, verdicts = self.verdicts, sft = self.sft,
           report = report }
end

return setmetatable(pairs_of, { __call = function(_, ...) return pairs_of.read(...) end })
