-- definition: what a metric means, for people and machines alike.
--
--   metric:definition()      { name, version, unit, scale, anchors, question, guideline,
--                              glossary, human, reward, audit, summary }
--   d:spec()                 the same for JSON: what a store keeps beside judgements
--   definition.of_spec(spec) what such a text says, read again
--   d:hash()                 64 hex digits of it
--   d:stale "1.0.0"          of a judgement of that version: "no", "recheck", "void"
--   d:follows(spec)          raises unless the version says what changed since
--   d:problem(value)         what is wrong with an answer, or nil
--   d:verdict(value)         "positive", "needs improvement", "negative"; nil without a map
--   d:requires(value)        { span = , correction = }: what an answer must come with
--   d:enough(values)         whether people may stop: raters, confidence
local core = require "hone.core"
local guideline = require "hone.metric.guideline"
local options = require "hone.options"
local scale = require "hone.metric.scale"
local version = require "hone.metric.version"

local definition = {}
local Definition = { __name = "hone.definition" }
Definition.__index = Definition

--- The fields of hone.metric.define that are the definition.
definition.schema = {
  { "name", "string", required = true, doc = "[a-z][a-z0-9_]*" },
  { "version", "string", default = "1.0", doc = "major.minor.patch, of the definition" },
  { "summary", "string", default = "", doc = "one line" },
  { "source", "string", doc = "the paper, or where the idea is from" },
  { "unit", "choice", default = "response", choices = { "response", "turn", "span", "pair" },
    doc = "what one judgement is of" },
  { "scale", "any", doc = "{ level = , min = , max = , labels = , na = }" },
  { "anchors", "any", doc = "what points of the scale mean: { [1] = text, ... }" },
  { "question", "string", doc = "put to people" },
  { "guideline", "any", doc = "a text; the path of a .md or .txt file; { file = path }" },
  { "glossary", "any", doc = "{ word = what it means }" },
  { "human", "table", optional = true, doc = "how people judge", options = {
    { "question", "string", doc = "put to people" },
    { "guideline", "any", doc = "as guideline" },
    { "glossary", "any", doc = "as glossary" },
    { "verdict", "any", doc = "{ positive = { 4, 5 }, ... }: what answers come to" },
    { "span", "list", of = "string", default = {}, doc = "verdicts that must mark a span" },
    { "correction", "list", of = "string", default = {}, doc = "verdicts that need a correction" },
    { "raters", "integer", default = 1, min = 1, doc = "people, at least" },
    { "confidence", "number", min = 0.5, max = 1, open_max = true,
      doc = "ask no more where the commonest answer is right with this chance" },
  } },
  { "reward", "table", optional = true, doc = "as a part of hone.reward", options = {
    { "weight", "number", doc = "in the sum" },
    { "clip", "any", doc = "{ low, high }" },
    { "gate", "any", doc = "{ floor = , reward = }" },
    { "shrink", "any", doc = "head with the variance; true: variance" },
  } },
  { "audit", "table", optional = true, doc = "what metric:audit looks at", options = {
    { "groups", "list", of = "string", default = {}, doc = "columns that should not matter" },
    { "swaps", "any", doc = "{ { \"he\", \"she\" }, ... }: words that should not matter" },
    { "limits", "table", doc = "a run that exceeds one fails", options = {
      { "gap", "number", min = 0, doc = "of means of groups, on the scale" },
      { "swap", "number", min = 0, doc = "mean difference when words are swapped" },
      { "length", "number", min = 0, max = 1, doc = "rank correlation with length" },
    } },
  } },
}

local verdicts = { "positive", "needs improvement", "negative" }

local function check_verdicts(where, map, given)
  for _, word in ipairs(given) do
    local known = false
    for _, verdict in ipairs(verdicts) do known = known or word == verdict end
    if not known then
      core.fail(("%s: '%s' is no verdict (allowed: %s)"):format(where, word,
        table.concat(verdicts, ", ")))
    end
  end
  if #given > 0 and not map then core.fail(where .. ": needs a verdict map") end
end

--- Whether it says anything to people.
local function qualitative(o) return o.scale ~= nil or o.question ~= nil or o.human ~= nil end

--- A definition of checked options.
function definition.new(o)
  local where = "metric.define: " .. o.name
  local human = o.human or {}
  local self = { name = o.name, version = o.version, unit = o.unit, summary = o.summary,
                 reward = o.reward, audit = o.audit, qualitative = qualitative(o) }
  if self.qualitative then version.parse(where, o.version) end
  self.scale = scale.check(where, o.scale)
  self.anchors = scale.anchors(where, self.scale, o.anchors)
  self.question = o.question or human.question
  self.guideline, self.guideline_file =
    guideline.text(where, o.guideline == nil and human.guideline or o.guideline)
  self.glossary = guideline.glossary(where, o.glossary or human.glossary)
  self.human = { question = self.question, raters = human.raters or 1,
                 confidence = human.confidence, span = human.span or {},
                 correction = human.correction or {},
                 verdict = scale.verdicts(where, self.scale, human.verdict) }
  check_verdicts(where .. ": span", self.human.verdict, self.human.span)
  check_verdicts(where .. ": correction", self.human.verdict, self.human.correction)
  return setmetatable(self, Definition)
end

-- Keys of objects are texts in JSON.
local function for_json(value)
  if type(value) ~= "table" then return value end
  local out = {}
  if #value > 0 then
    for i, item in ipairs(value) do out[i] = for_json(item) end
    return out
  end
  for key, item in pairs(value) do out[tostring(key)] = for_json(item) end
  return out
end

function Definition:spec()
  return for_json { name = self.name, version = self.version, unit = self.unit,
                    summary = self.summary, scale = self.scale, anchors = self.anchors,
                    question = self.question, guideline = self.guideline,
                    glossary = self.glossary, human = self.human, reward = self.reward,
                    audit = self.audit }
end

--- What spec gave, read again from JSON: for stale, follows, verdict, requires and enough.
function definition.of_spec(spec)
  local self, human = {}, {}
  for key, value in pairs(spec) do self[key] = value ~= core.null and value or nil end
  for key, value in pairs(self.human or {}) do human[key] = value ~= core.null and value or nil end
  if human.verdict then
    local map = {}
    for point, word in pairs(human.verdict) do
      map[math.tointeger(tonumber(point)) or point] = word
    end
    human.verdict = map
  end
  human.span, human.correction, human.raters = human.span or {}, human.correction or {},
    human.raters or 1
  self.human = human
  return setmetatable(self, Definition)
end

function Definition:hash() return core.digest(core.json.encode(self:spec())) end

function Definition:stale(old)
  return version.stale("stale: " .. self.name, old, self.version)
end

function Definition:follows(spec)
  version.follows("metric.define: " .. self.name, spec, self:spec())
end

--- What changed since another specification: a list of { field, part, text }.
function Definition:changes(spec) return version.changes(spec, self:spec()) end

function Definition:problem(value)
  if not self.scale then return self.name .. " has no scale" end
  return scale.problem(self.scale, value)
end

--- An answer as a number on the scale; labels by their place.
function Definition:number(value) return scale.number(self.scale, value) end
function Definition:ends() return scale.ends(self.scale) end
function Definition:steps() return self.scale and scale.steps(self.scale) end

function Definition:verdict(value)
  local map = self.human.verdict
  return map and map[math.tointeger(value) or value] or nil
end

local function has(list, word)
  for _, item in ipairs(list) do
    if item == word then return true end
  end
  return false
end

function Definition:requires(value)
  local word = self:verdict(value)
  return { span = has(self.human.span, word), correction = has(self.human.correction, word) }
end

-- The chance that the commonest answer has more than half of the people behind it.
function Definition:enough(values)
  if #values < self.human.raters then return false end
  if not self.human.confidence then return true end
  local counts, most = {}, 0
  for _, value in ipairs(values) do
    counts[value] = (counts[value] or 0) + 1
    most = math.max(most, counts[value])
  end
  return core.posterior_better(most, #values - most, 1, 1) >= self.human.confidence
end

function Definition:__tostring()
  local s = self.scale
  local range = s and (s.labels and table.concat(s.labels, ", ")
    or s.min and s.max and ("%s to %s"):format(s.min, s.max))
  return ("%s %s: %s%s%s"):format(self.name, self.version, self.unit,
    s and ", " .. s.level or "", range and " (" .. range .. ")" or "")
end

return definition
