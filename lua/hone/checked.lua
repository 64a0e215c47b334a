-- checked: judgements and what quality plugins said of them.
--
--   local checked = judgements:check { hone.quality.speed { floor = 2 }, flagged = "drop" }
--   print(checked)                  what each check found, what was left out
--   checked.passed                  true, false, or nil: nothing with a floor could be computed
--   checked.kept                    the judgements that count from here on
--   checked.removed                 who and what was left out, why, and what that changed
--   checked:aggregate(plugin)       see labels.lua
--
-- flagged (annotators) and rows (single judgements) say what becomes of what a
-- check flags: "drop" leaves it out, "keep" only reports it, a number from 0 to 1
-- multiplies its weight. Nothing is left out without being listed in `removed`.
local core = require "hone.core"
local object = require "hone.object"
local text = require "hone.text"

local Checked = {}

local function list_of(value) return type(value) == "table" and value or {} end
local function is(value) return value ~= nil and value ~= core.null end

-- "drop", "keep" or a number, as a factor of weights.
local function factor(name, value)
  if value == nil or value == "drop" then return 0 end
  if value == "keep" then return 1 end
  if type(value) == "number" and value >= 0 and value <= 1 then return value end
  core.fail(("check: %s: expected \"drop\", \"keep\" or a number from 0 to 1, got %s"):format(
    name, text.value(value)))
end

local function options_of(given)
  if object(given) == "hone.plugin" then given = { given } end
  if type(given) ~= "table" then core.fail("check: takes a list of quality plugins") end
  local o = { plugins = {} }
  for key, value in pairs(given) do
    if math.type(key) == "integer" then
      if object(value) ~= "hone.plugin" or value.kind ~= "quality" then
        core.fail(("check: item %d is no quality plugin"):format(key))
      end
    elseif key ~= "flagged" and key ~= "rows" then
      core.fail(("check: unknown option '%s'%s"):format(tostring(key),
        text.suggest(tostring(key), { "flagged", "rows" })))
    end
  end
  for i, plugin in ipairs(given) do o.plugins[i] = plugin end
  o.flagged, o.rows = factor("flagged", given.flagged), factor("rows", given.rows)
  o.flagged_word, o.rows_word = given.flagged or "drop", given.rows or "drop"
  return o
end

-- What one check says against annotators and rows, added to factors and reasons.
local function collect(part, plugin, result)
  for _, a in ipairs(list_of(result.annotators)) do
    if a.flagged == true then
      local why = part.against[a.annotator] or {}
      why[#why + 1] = ("%s: %s"):format(plugin.name, is(a.reason) and a.reason or "flagged")
      part.against[a.annotator] = why
    end
  end
  local rows = list_of(result.rows)
  for _, r in ipairs(rows) do part.rows[r + 1] = true end
  part.row_counts[plugin.name] = #rows > 0 and #rows or nil
end

-- Run the plugins on one table. A plugin that cannot take a table of a set says
-- so in its place, as long as it took another.
local function run(part, plugins, alone, took)
  for i, plugin in ipairs(plugins) do
    local ok, result = true, nil
    if alone then
      result = plugin:check(part.judgements)
    else
      ok, result = pcall(plugin.check, plugin, part.judgements)
    end
    part.checks[i] = { plugin = plugin, name = plugin.name, result = ok and result or nil,
                       problem = not ok and object.plain(result) or nil }
    if ok then
      took[i] = true
      collect(part, plugin, result)
    elseif took[i] ~= true then
      local before = took[i] and took[i] .. "; " or "check: "
      took[i] = before .. part.name .. ": " .. object.plain(result)
    end
  end
end

local function count_of(judgements, which)
  local counts, ids = {}, judgements:column(which) or {}
  for i = 1, #ids do counts[ids[i]] = (counts[ids[i]] or 0) + 1 end
  return counts
end

-- Agreement, to tell what leaving out changed; nil where the level has none.
local function agreement(judgements)
  local ok, found = pcall(function()
    local methods = { "percent", "krippendorff" }
    return core.instance("quality", "agreement", { methods = methods }):check(judgements)
  end)
  if not ok then return nil end
  local out = {}
  for _, method in ipairs { "percent", "krippendorff" } do
    local one = found[method]
    out[method] = one and is(one.value) and one.value or nil
  end
  return out
end

-- Names of items that had judgements, and have none now.
local function emptied(before, after)
  local had, have, names = count_of(before, "item"), count_of(after, "item"), {}
  local all = before:names "items"
  for i = 1, #all do
    if had[i] and not have[i] then names[#names + 1] = all[i] end
  end
  return names
end

local function remove(part, o)
  local before = part.judgements
  local names, counts = before:names "annotators", count_of(before, "annotator")
  local factors, annotators, rows, n = {}, core.json.list {}, {}, 0
  for i, name in ipairs(names) do
    local why = part.against[name]
    if why then
      factors[name] = o.flagged
      annotators[#annotators + 1] = { annotator = name, reasons = why, judgements = counts[i] or 0 }
    end
  end
  for r in pairs(part.rows) do rows[r], n = o.rows, n + 1 end
  part.removed = { flagged = o.flagged_word, rows = o.rows_word, annotators = annotators,
                   flagged_rows = n, by_check = part.row_counts, before = #before, after = #before,
                   items = core.json.list {} }
  part.kept = before
  if (#annotators == 0 or o.flagged == 1) and (n == 0 or o.rows == 1) then return end
  local kept = before:weigh { annotators = factors, rows = rows, drop = true }
  if #kept == 0 then
    core.fail(("check: all %s would be left out; flagged = \"keep\" only reports"):format(
      text.count(#before, "judgement")))
  end
  part.kept, part.removed.after = kept, #kept
  part.removed.items = core.json.list(emptied(before, kept))
  part.removed.agreement = { before = agreement(before), after = agreement(kept) }
end

-- Whether a check passed, where it says: of itself, or of its floor.
local function verdict(result)
  if not result then return nil end
  local word = result.passed
  if word == nil and type(result.floor) == "table" then word = result.floor.passed end
  if word == core.null then return nil end
  return word
end
Checked.verdict = verdict

local function passed(parts)
  local all
  for _, part in pairs(parts) do
    for _, check in ipairs(part.checks) do
      local word = verdict(check.result)
      if word == false then return false end
      if word == true then all = true end
    end
  end
  return all
end

--- tables: { name = judgements }; "" is the name of one alone.
function Checked.new(tables, given)
  local o = options_of(given)
  local parts, took, alone = {}, {}, tables[""] ~= nil
  for name, judgements in pairs(tables) do
    local part = { name = name, judgements = judgements, checks = {}, against = {}, rows = {},
                   row_counts = {} }
    if #judgements == 0 then core.fail("check: there are no judgements") end
    run(part, o.plugins, alone, took)
    remove(part, o)
    parts[name] = part
  end
  for i = 1, #o.plugins do
    if took[i] ~= true then core.fail(took[i]) end
  end
  local self = { parts = parts, passed = passed(parts) }
  if alone then self.kept, self.removed = parts[""].kept, parts[""].removed end
  return setmetatable(self, Checked)
end

--- A consensus, or consensuses by name: hone.labels.
function Checked:aggregate(by) return require "hone.labels".new(self, by) end

--- One page of what was found: see report_quality.lua.
function Checked:report(path, given)
  return require "hone.report_quality".write(path, { checked = self }, given)
end

-- ---- words ----

local function check_line(check)
  if check.problem then return ("  %s: does not apply: %s"):format(check.name, check.problem) end
  local result, words = check.result, {}
  local word = Checked.verdict(result)
  if word ~= nil then words[1] = word and "passed" or "failed" end
  if is(result.summary) then words[#words + 1] = result.summary end
  if is(result.undefined) then words[#words + 1] = "undefined: " .. result.undefined end
  if #words == 0 then words[1] = "done" end
  return ("  %s: %s"):format(check.name, table.concat(words, ", "))
end

local function removed_lines(lines, removed)
  local gone = removed.before - removed.after
  if #removed.annotators == 0 and removed.flagged_rows == 0 then
    lines[#lines + 1] = "  nothing was flagged"
    return
  end
  lines[#lines + 1] = ("  flagged: %s (%s), %s (%s); %s of %s left out"):format(
    text.count(#removed.annotators, "annotator"), removed.flagged,
    text.count(removed.flagged_rows, "judgement"), removed.rows,
    text.count(gone, "judgement"), text.integer(removed.before))
  for i = 1, math.min(10, #removed.annotators) do
    local a = removed.annotators[i]
    lines[#lines + 1] = ("    %s, %s: %s"):format(a.annotator,
      text.count(a.judgements, "judgement"), table.concat(a.reasons, "; "))
  end
  if #removed.annotators > 10 then
    lines[#lines + 1] = ("    and %d more"):format(#removed.annotators - 10)
  end
  if #removed.items > 0 then
    lines[#lines + 1] = ("    %s without an answer now"):format(text.count(#removed.items, "item"))
  end
  local a = removed.agreement
  if a and a.before and a.after and a.before.krippendorff and a.after.krippendorff then
    lines[#lines + 1] = ("    Krippendorff's alpha %.4f before, %.4f after"):format(
      a.before.krippendorff, a.after.krippendorff)
  end
end

--- What each check found, in words.
function Checked:summary()
  local names, lines = {}, {}
  for name in pairs(self.parts) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local part = self.parts[name]
    lines[#lines + 1] = name == "" and tostring(part.judgements)
      or ("%s: %s"):format(name, part.judgements)
    for _, check in ipairs(part.checks) do lines[#lines + 1] = check_line(check) end
    if #part.checks > 0 then removed_lines(lines, part.removed) end
  end
  return table.concat(lines, "\n")
end

Checked.__name = "hone.checked"
Checked.__index = Checked
Checked.__tostring = Checked.summary

return Checked
