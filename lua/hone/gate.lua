-- gate: what must hold before a round goes on; round:gate { ... }.
--
--   round:gate { audit = report }       or an audit, labels, what was checked
--   round:gate { evaluation = { by = concise, policy = policy, prompts = held_out, floor = 3 } }
--   round:gate { evaluation = { { name = "liked", value = 0.4 }, { name = "length", ... } } }
--
-- audit fails where a check of quality is below its floor, or a finding of bias holds (of a
-- report: still holds after the mitigation). An evaluation fails below `floor`, or where it is
-- more than `fall` below what it was in the round before. by is whatever scores (a metric, a
-- reward, a function of samples): its mean over `samples` answers to each prompt. Both are
-- figures of the round in `hone report`, and are computed once.
--
-- A gate that fails stops the round and says why; override = true, or gates = "warn" of
-- hone.rounds, only says it.
local Checked = require "hone.checked"
local core = require "hone.core"
local object = require "hone.object"
local options = require "hone.options"
local text = require "hone.text"

local schema = {
  { "audit", "any", doc = "an audit, a mitigation's report, labels, or what was checked" },
  { "evaluation", "any", doc = "one, or a list" },
  { "override", "boolean", default = false, doc = "go on where it fails" },
}
local evaluation_schema = {
  { "name", "string", doc = "unset: that of `by`" },
  { "value", "number", doc = "known already" },
  { "by", "any", doc = "what scores samples" },
  { "policy", "model", doc = "whose answers are scored" },
  { "prompts", "any", doc = "as model:generate takes them" },
  { "samples", "integer", default = 1, min = 1, doc = "of each prompt" },
  { "temperature", "number", default = 1, min = 0, doc = "of sampling" },
  { "max_tokens", "integer", default = 128, min = 1, doc = "of an answer" },
  { "seed", "integer", default = 0, doc = "of sampling: the same in every round" },
  { "floor", "number", doc = "the least" },
  { "fall", "number", default = 0, min = 0, doc = "how far below the round before" },
}

-- ---- audits ----

local function of_checks(problems, parts)
  for name, part in pairs(parts) do
    for _, check in ipairs(part.checks) do
      if Checked.verdict(check.result) == false then
        local summary = check.result.summary
        summary = type(summary) == "string" and ": " .. summary or ""
        problems[#problems + 1] = ("%s%s failed%s"):format(check.name,
          name ~= "" and (" (%s)"):format(name) or "", summary)
      end
    end
  end
end

local function of_findings(problems, findings)
  for _, f in ipairs(findings) do
    if f.holds == true then
      local effect = f.after or f.result and f.result.effect
      problems[#problems + 1] = ("%s%s holds%s"):format(f.detector,
        f.table ~= "" and (" (%s)"):format(f.table) or "",
        type(effect) == "number" and (": effect %s"):format(text.number(effect)) or "")
    end
  end
end

local function audited(problems, audit)
  local kind = object(audit)
  if kind == "hone.audit" then
    of_findings(problems, audit.mitigation and audit.mitigation.effects or audit.findings)
  elseif kind == "hone.checked" then
    of_checks(problems, audit.parts)
  elseif kind == "hone.labels" then
    of_checks(problems, { [audit.name] = audit.part })
  elseif kind == "hone.labels.set" then
    for _, name in ipairs(audit:names()) do of_checks(problems, { [name] = audit[name].part }) end
  elseif kind == "table" and type(audit.effects) == "table" then
    of_findings(problems, audit.effects)
  else
    core.fail(("round:gate: audit: expected an audit, a mitigation's report, labels or what was "
      .. "checked, got a %s"):format(kind))
  end
  table.sort(problems)
end

-- ---- evaluations ----

local function mean_score(o)
  local samples = o.policy:generate { prompts = o.prompts, samples = o.samples, seed = o.seed,
                                      temperature = o.temperature, max_tokens = o.max_tokens }
  local sum, n = 0, 0
  for _, score in ipairs(require "hone.reward".of(o.by)(samples):values()) do
    if score == score then sum, n = sum + score, n + 1 end
  end
  return n > 0 and sum / n or 0 / 0
end

-- The value of an evaluation: given, kept from the same weights, or computed.
local function value_of(round, o, kept)
  if o.value then return o.value end
  if not (o.by and o.policy and o.prompts) then
    core.fail("round:gate: evaluation: needs value, or by, policy and prompts")
  end
  local hash = o.policy:hash()
  if kept and kept.weights == hash then return kept.value, hash end
  core.log("info", ("%s: %s is measured"):format(round, o.name))
  return mean_score(o), hash
end

local function evaluate(round, problems, given)
  local o = options.check("round:gate: evaluation", evaluation_schema, given)
  if not o.name then
    local ok, name = pcall(function() return o.by.name end)
    o.name = ok and type(name) == "string" and name or "evaluation"
  end
  local value, hash = value_of(round, o, round.record.gates[o.name])
  local before = round.previous and round.previous.record.gates[o.name]
  round.record.gates[o.name] = { value = value == value and value or nil, weights = hash,
                                 floor = o.floor }
  if value ~= value then
    problems[#problems + 1] = o.name .. ": no answer has a score"
  elseif o.floor and value < o.floor then
    problems[#problems + 1] = ("%s is %s; at least %s allowed"):format(o.name, text.number(value),
      text.number(o.floor))
  elseif before and before.value and value < before.value - o.fall then
    local said = "%s fell from %s in round %d to %s; at most %s below allowed"
    problems[#problems + 1] = said:format(o.name, text.number(before.value), round.number - 1,
                                          text.number(value), text.number(o.fall))
  end
end

return function(round, given)
  local o = options.check("round:gate", schema, given)
  local problems = {}
  if o.audit ~= nil then audited(problems, o.audit) end
  local list = o.evaluation
  if type(list) == "table" and #list == 0 then list = { list } end
  for _, one in ipairs(list or {}) do evaluate(round, problems, one) end
  for _, problem in ipairs(problems) do
    round.record.stopped = round.record.stopped or core.json.list {}
    table.insert(round.record.stopped, problem)
  end
  round:save()
  if #problems == 0 then return true end
  local said = ("%s: the gate is shut: %s"):format(round, table.concat(problems, "; "))
  if not o.override and round.series.gates == "stop" then
    core.fail(said .. " (override = true goes on)")
  end
  core.log("warn", said)
  return false
end
