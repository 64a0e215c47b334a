-- audit: hone.bias.audit { labels, hone.bias.position {}, ..., alpha = 0.05 }
--
-- Each detector looks at the judgements behind the labels (or at judgements that
-- were only checked, or neither). p values of all findings are corrected together
-- by Holm's method; a finding holds where its corrected p is below alpha.
--
--   audit.findings          { { detector, table, result, p, corrected, holds }, ... }
--   print(audit)            one line a finding
--   audit:mitigate { drop = "flagged", reweigh = "region" }    labels, as before,
--                           and a report: what was done, each finding before and after
--
-- drop = "flagged": annotators that a detector flags are left out, and where a
-- finding holds, its detector's own mitigation is applied (weights of items, items
-- left out). reweigh = an attribute of annotators, or { attribute = , target =
-- { group = share }, cap = }: groups count as their shares of the target (default:
-- all alike), no judgement more than `cap` times (default 5).
local core = require "hone.core"
local object = require "hone.object"
local options = require "hone.options"
local text = require "hone.text"

local Audit = {}

local function list_of(value) return type(value) == "table" and value or {} end
local function is(value) return value ~= nil and value ~= core.null end

-- ---- what is audited ----

-- { name = judgements }, and labels by name where there are some.
local function tables_of(subject)
  local kind, tables, labels = object(subject), {}, {}
  if kind == "hone.judgements" then
    tables[""] = subject
  elseif kind == "hone.judgements.set" then
    tables = subject.tables
  elseif kind == "hone.checked" then
    for name, part in pairs(subject.parts) do tables[name] = part.kept end
  elseif kind == "hone.labels" then
    tables[subject.name], labels[subject.name] = subject.judgements, subject
  elseif kind == "hone.labels.set" then
    for _, name in ipairs(subject:names()) do
      tables[name], labels[name] = subject[name].judgements, subject[name]
    end
  else
    core.fail(("bias.audit: expected labels or judgements first, got a %s"):format(kind))
  end
  return tables, labels
end

local function sorted(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- ---- detection ----

-- Holm 1979: the smallest p times m, the next times m - 1, ..., never falling.
local function holm(findings, alpha)
  local tested = {}
  for _, f in ipairs(findings) do
    if f.p then tested[#tested + 1] = f end
  end
  table.sort(tested, function(a, b) return a.p < b.p end)
  local last = 0
  for i, f in ipairs(tested) do
    last = math.max(last, math.min(1, f.p * (#tested - i + 1)))
    f.corrected, f.holds = last, last < alpha
  end
end

local function detect(detector, name, judgements)
  local ok, result = pcall(detector.detect, detector, judgements)
  local finding = { detector = detector.name, plugin = detector, table = name }
  if ok then
    finding.result = result
    finding.p = is(result.p) and type(result.p) == "number" and result.p or nil
  else
    finding.problem = object.plain(result)
  end
  return finding
end

local schema = {
  { "alpha", "number", default = 0.05, min = 0, max = 1, open_min = true, open_max = true,
    doc = "of all tests together" },
}

local function split(given)
  if type(given) ~= "table" then core.fail("bias.audit: takes { labels, detectors ... }") end
  local detectors, named = {}, {}
  for key, value in pairs(given) do
    if math.type(key) ~= "integer" then named[key] = value end
  end
  for i = 2, #given do
    if object(given[i]) ~= "hone.plugin" or given[i].kind ~= "bias" then
      core.fail(("bias.audit: item %d is no bias plugin"):format(i))
    end
    detectors[i - 1] = given[i]
  end
  if #detectors == 0 then core.fail("bias.audit: no detectors are given") end
  return detectors, options.check("bias.audit", schema, named)
end

-- A detector that can take none of the tables is an error.
local function find(tables, detectors, alpha)
  local findings, names = {}, sorted(tables)
  for _, detector in ipairs(detectors) do
    local problems, took = {}, false
    for _, name in ipairs(names) do
      local finding = detect(detector, name, tables[name])
      findings[#findings + 1] = finding
      took = took or finding.result ~= nil
      if finding.problem then
        local where = #names > 1 and name .. ": " or ""
        problems[#problems + 1] = where .. finding.problem
      end
    end
    if not took then core.fail("bias.audit: " .. table.concat(problems, "; ")) end
  end
  holm(findings, alpha)
  return findings
end

function Audit.new(given)
  local detectors, o = split(given)
  local tables, labels = tables_of(given[1])
  return setmetatable({ subject = given[1], tables = tables, labels = labels,
                        detectors = detectors, alpha = o.alpha,
                        findings = find(tables, detectors, o.alpha) }, Audit)
end

-- ---- mitigation ----

local reweigh_schema = {
  { "attribute", "string", required = true, doc = "of annotators" },
  { "target", "any", doc = "{ group = share }; default: all groups alike" },
  { "cap", "number", default = 5, min = 1, doc = "largest factor" },
}

-- Groups of annotators by an attribute: judgements of each, who is in which, how many
-- judgements are of no group, and groups that gave none: they cannot be made to count.
local function groups_of(judgements, attribute)
  local described, counts = judgements:attributes "annotators", {}
  local who = judgements:column "annotator"
  for i = 1, #who do counts[who[i]] = (counts[who[i]] or 0) + 1 end
  local sizes, group, total, unknown, all = {}, {}, 0, 0, {}
  for i = 1, #described do
    local value = (described[i] or {})[attribute]
    local n = counts[i] or 0
    if is(value) then
      group[i] = tostring(value)
      all[group[i]] = true
      if n > 0 then sizes[group[i]], total = (sizes[group[i]] or 0) + n, total + n end
    else
      unknown = unknown + n
    end
  end
  local missing = core.json.list {}
  for name in pairs(all) do
    if not sizes[name] then missing[#missing + 1] = name end
  end
  table.sort(missing)
  return sizes, group, total, unknown, missing
end

-- The target's shares, of the groups that have judgements, summing to 1.
local function target_of(o, sizes)
  local target, sum = {}, 0
  for name in pairs(sizes) do
    local share = 1
    if o.target then share = o.target[name] end
    if type(share) ~= "number" or share < 0 then
      core.fail(("mitigate: reweigh: target has no share for '%s'"):format(name))
    end
    target[name], sum = share, sum + share
  end
  if sum <= 0 then core.fail("mitigate: reweigh: the shares of the target sum to 0") end
  for name in pairs(target) do target[name] = target[name] / sum end
  return target
end

-- Kish's effective number of judgements, (sum w)^2 / sum w^2.
local function kish(judgements)
  local w = judgements:column "weight"
  if not w then return #judgements end
  local sum, squares = 0, 0
  for i = 1, #w do sum, squares = sum + w[i], squares + w[i] * w[i] end
  return squares > 0 and sum * sum / squares or 0
end

local function reweigh(judgements, o)
  local sizes, group, total, unknown, missing = groups_of(judgements, o.attribute)
  if total == 0 then return judgements, nil end
  local target, names = target_of(o, sizes), judgements:names "annotators"
  local factors, pool = {}, {}
  for _, name in ipairs(sorted(sizes)) do
    local share = sizes[name] / total
    local factor = math.min(o.cap, target[name] / share)
    pool[#pool + 1] = { group = name, judgements = sizes[name], share = share,
                        target = target[name], factor = factor }
  end
  local by_group = {}
  for _, g in ipairs(pool) do by_group[g.group] = g.factor end
  for i, name in ipairs(names) do
    if group[i] then factors[name] = by_group[group[i]] end
  end
  local out = judgements:weigh { annotators = factors }
  return out, { attribute = o.attribute, pool = pool, unknown = unknown, missing = missing,
                cap = o.cap, effective = kish(out), judgements = #out }
end

-- What findings ask for: factors of annotators (0: left out) and items, weights
-- and soft labels by item.
local function asked(self, name)
  local drop, gone, weights, soft, notes = {}, {}, {}, {}, {}
  for _, f in ipairs(self.findings) do
    if f.table == name and f.result then
      for _, a in ipairs(list_of(f.result.annotators)) do
        if type(a) == "table" and a.flagged == true then drop[a.annotator] = 0 end
      end
      if f.holds then
        local ok, made = pcall(f.plugin.mitigate, f.plugin, self.tables[name], f.result)
        notes[#notes + 1] = { detector = f.detector, result = ok and made or nil,
                              problem = not ok and object.plain(made) or nil }
        for _, w in ipairs(ok and list_of(made.weights) or {}) do
          if w.item then weights[w.item] = (weights[w.item] or 1) * w.weight end
        end
        for _, a in ipairs(ok and list_of(made.annotators) or {}) do
          if type(a) == "table" and type(a.weight) == "number" then
            drop[a.annotator] = (drop[a.annotator] or 1) * a.weight
          end
        end
        for _, item in ipairs(ok and list_of(made.items) or {}) do
          if type(item) == "table" and type(item.posterior) == "table" then
            soft[item.item] = item.posterior
          end
        end
        for _, d in ipairs(ok and list_of(made.dropped) or {}) do
          gone[type(d) == "table" and d.item or d] = 0
        end
      end
    end
  end
  return drop, gone, weights, soft, notes
end

local mitigate_schema = {
  { "drop", "choice", choices = { "flagged" }, doc = "what findings flag" },
  { "reweigh", "any", doc = "an attribute of annotators, or { attribute = , target = , cap = }" },
}

-- What a detector's own mitigation says it left: weights of items count in training
-- and not in the detector's look at judgements.
local function own_after(report, f)
  for _, note in ipairs(report.tables[f.table].detectors or {}) do
    local after = note.detector == f.detector and note.result and note.result.after
    if type(after) == "table" and type(after.effect) == "number" then return after.effect end
  end
end

local function effects(now, before, report)
  local out = {}
  for i, f in ipairs(now) do
    local b = before[i]
    local own = own_after(report, f)
    out[i] = { detector = f.detector, table = f.table, holds_before = b.holds == true,
               holds = f.holds == true and not own, before = b.result and b.result.effect or nil,
               after = own or (f.result and f.result.effect or nil), problem = f.problem }
  end
  return out
end

--- Judgements, or labels made again from them, after what the findings ask for.
function Audit:mitigate(given)
  local o = options.check("mitigate", mitigate_schema, given)
  if not o.drop and not o.reweigh then
    core.fail("mitigate: say what to do: drop = \"flagged\", reweigh = an attribute")
  end
  local by = type(o.reweigh) == "string" and { attribute = o.reweigh } or o.reweigh
  by = by and options.check("mitigate: reweigh", reweigh_schema, by)
  local tables, report, labels, reweighed = {}, { tables = {} }, {}, false
  for _, name in ipairs(sorted(self.tables)) do
    local j, done, item_weights, soft = self.tables[name], { before = #self.tables[name] }, {}, {}
    if o.drop then
      local drop, gone
      drop, gone, item_weights, soft, done.detectors = asked(self, name)
      done.annotators, done.weighed = core.json.list {}, core.json.list {}
      for _, who in ipairs(sorted(drop)) do
        local list = drop[who] == 0 and done.annotators or done.weighed
        list[#list + 1] = who
      end
      done.items = core.json.list(sorted(gone))
      if next(drop) or next(gone) then
        j = j:weigh { annotators = drop, items = gone, drop = true }
      end
      if #j == 0 then core.fail("mitigate: all judgements would be left out") end
    end
    if by then
      j, done.reweighed = reweigh(j, by)
      reweighed = reweighed or done.reweighed ~= nil
    end
    done.after, tables[name], report.tables[name] = #j, j, done
    local label = self.labels[name]
    if label then
      labels[name] = label:again(j)
      labels[name].name, labels[name].weights, labels[name].soft = label.name, item_weights, soft
      done.changed = labels[name].changed
    end
  end
  if by and not reweighed then
    core.fail(("mitigate: reweigh: no annotator has the attribute '%s'"):format(by.attribute))
  end
  report.effects = core.json.list(effects(find(tables, self.detectors, self.alpha), self.findings,
                                          report))
  return self:result(tables, labels, report)
end

-- As what was audited, labels of one name, of several, or judgements; and the report.
function Audit:result(tables, labels, report)
  self.mitigation = report
  for name, label in pairs(labels) do label.mitigation = report.tables[name] end
  core.log("info", self:mitigation_summary())
  if object(self.subject) == "hone.labels" then return labels[self.subject.name], report end
  if next(labels) then return require "hone.labels".set(labels), report end
  return tables[""] or require "hone.judgements".set(tables), report
end

function Audit:report(path, given)
  local subject = object(self.subject)
  local labels = subject == "hone.labels"
    and require "hone.labels".set { [self.subject.name] = self.subject }
    or subject == "hone.labels.set" and self.subject or nil
  return require "hone.report_quality".write(path, { audit = self, labels = labels }, given)
end

-- ---- words ----

local function finding_line(f)
  local where = f.table ~= "" and (" (%s)"):format(f.table) or ""
  if f.problem then return ("%s%s: does not apply: %s"):format(f.detector, where, f.problem) end
  local r, words = f.result, {}
  if is(r.undefined) then
    return ("%s%s: undefined: %s"):format(f.detector, where, is(r.why) and r.why or r.undefined)
  end
  if is(r.effect) and type(r.effect) == "number" then
    words[1] = ("effect %s"):format(text.number(r.effect))
  end
  if is(r.interval) then
    words[#words + 1] = ("interval %s to %s"):format(text.number(r.interval[1]),
                                                          text.number(r.interval[2]))
  end
  if f.corrected then words[#words + 1] = ("corrected p %s"):format(text.number(f.corrected)) end
  if is(r.n) then words[#words + 1] = ("n %s"):format(text.number(r.n)) end
  if is(r.mde) then
    words[#words + 1] = ("smallest effect it could show %s"):format(text.number(r.mde))
  end
  return ("%s%s: %s%s"):format(f.detector, where, table.concat(words, ", "),
                               f.holds and ", holds" or "")
end

function Audit:summary()
  local lines = {}
  for i, f in ipairs(self.findings) do lines[i] = finding_line(f) end
  return table.concat(lines, "\n")
end

--- What a mitigation did, in words.
function Audit:mitigation_summary()
  local lines = {}
  for _, name in ipairs(sorted(self.mitigation.tables)) do
    local t = self.mitigation.tables[name]
    local words = { ("%s of %s left out (%s, %s)"):format(text.integer(t.before - t.after),
      text.count(t.before, "judgement"), text.count(#(t.annotators or {}), "annotator"),
      text.count(#(t.items or {}), "item")) }
    if t.reweighed then
      words[#words + 1] = ("reweighed by %s: they count as %s"):format(
        t.reweighed.attribute, text.number(t.reweighed.effective))
    end
    if t.changed then words[#words + 1] = text.count(t.changed.other, "label") .. " changed" end
    lines[#lines + 1] = ("mitigate%s: %s"):format(name ~= "" and " " .. name or "",
                                                 table.concat(words, "; "))
  end
  for _, e in ipairs(self.mitigation.effects) do
    if type(e.before) == "number" and type(e.after) == "number" then
      lines[#lines + 1] = ("  %s: effect %s before, %s after"):format(e.detector,
        text.number(e.before), text.number(e.after))
    end
  end
  return table.concat(lines, "\n")
end

Audit.__name = "hone.audit"
Audit.__index = Audit
Audit.__tostring = Audit.summary

return Audit.new
