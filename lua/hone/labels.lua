-- labels: what judgements come to, ready to learn from.
--
--   labels = checked:aggregate(hone.quality.dawid_skene {})      one consensus
--   labels:item "q17"           { label = , posterior = , confidence = , weight = , ... }
--   labels:annotator "ann"      { skill = , skill_low = , skill_high = , ... }
--   labels:rows()               rows to train on, and what became none
--   labels.figures, labels.changed
--
--   labels = checked:aggregate { preference = plugin, concise = plugin }   several, by name
--
-- `changed` says what leaving out flagged judgements changed: how many items have
-- another label, or lost theirs. In rows() a label that people rightly disagree on
-- stays soft, as its posterior.
local core = require "hone.core"
local object = require "hone.object"
local options = require "hone.options"
local text = require "hone.text"

local labels = {}

-- ---- one consensus ----

local Labels = {}

-- Labels that differ between two consensuses over the same items.
local function changed(before, after)
  local old = before:column("items", "label") or before:column("items", "value")
  local new = after:column("items", "label") or after:column("items", "value")
  if not old or not new then return nil end
  local out = { items = 0, other = 0, lost = 0, gained = 0 }
  for i = 1, #old do
    local a, b = old[i], new[i]
    out.items = out.items + ((a or b) and 1 or 0)
    if a and not b then out.lost = out.lost + 1
    elseif b and not a then out.gained = out.gained + 1
    elseif type(a) == "number" and type(b) == "number" then
      out.other = out.other + (math.abs(a - b) > 1e-9 and 1 or 0)
    elseif a ~= b then out.other = out.other + 1 end
  end
  return out
end

local function one(part, plugin, kept)
  if object(plugin) ~= "hone.plugin" or plugin.kind ~= "quality" then
    core.fail(("aggregate%s: expected a quality plugin"):format(
      part.name ~= "" and ": " .. part.name or ""))
  end
  kept = kept or part.kept
  local self = { consensus = plugin:aggregate(kept), plugin = plugin, judgements = kept,
                 part = part, name = part.name, weights = {}, soft = {} }
  if kept ~= part.judgements then
    self.changed = changed(plugin:aggregate(part.judgements), self.consensus)
  end
  return setmetatable(self, Labels)
end

function Labels:__index(key)
  if Labels[key] then return Labels[key] end
  if key == "figures" then return self.consensus.figures end
end

for _, method in ipairs { "item", "annotator", "option", "row", "column", "columns", "each" } do
  Labels[method] = function(self, ...) return self.consensus[method](self.consensus, ...) end
end

--- Disputed items with a proposed cause: see disagreement.lua.
function Labels:adjudicate(given) return require "hone.disagreement".propose(self, given) end

function Labels:rows(given) return require "hone.label_rows"(self, given) end

--- The same plugin over other judgements of the same items: what a mitigation makes.
function Labels:again(judgements)
  local new = one(self.part, self.plugin, judgements)
  new.changed = changed(self.consensus, new.consensus)
  return new
end

function Labels:report(path, given)
  local found = { labels = labels.set { [self.name] = self } }
  return require "hone.report_quality".write(path, found, given)
end

function Labels:__len() return #self.consensus end

-- One line of figures, and how sure the labels are.
function Labels:__tostring()
  local names, words = {}, {}
  local figures = self.figures
  for key, value in pairs(figures) do
    if type(value) ~= "table" and value ~= core.null then names[#names + 1] = key end
  end
  table.sort(names)
  for i, key in ipairs(names) do words[i] = ("%s %s"):format(key, text.number(figures[key])) end
  local line = ("%s by %s"):format(text.count(#self.consensus, "item"), self.plugin.name)
  if self.name ~= "" then line = self.name .. ": " .. line end
  if #words > 0 then line = line .. ": " .. table.concat(words, ", ") end
  if self.changed and self.changed.other + self.changed.lost > 0 then
    line = line .. ("\n  what was left out or weighed changed %s, and took it from %s"):format(
      text.count(self.changed.other, "label"), text.count(self.changed.lost, "item"))
  end
  return line
end
Labels.__name = "hone.labels"

--- Labels by the fields they had: the consensus is computed again.
function labels.restore(fields)
  fields.consensus = fields.plugin:aggregate(fields.judgements)
  return setmetatable(fields, Labels)
end

-- ---- several ----

local Set = { __name = "hone.labels.set" }

local function set_names(self)
  local names = {}
  for name in pairs(self) do names[#names + 1] = name end
  table.sort(names)
  return names
end

Set.__index = {
  names = set_names,
  report = function(self, path, given)
    return require "hone.report_quality".write(path, { labels = self }, given)
  end,
}
function Set:__tostring()
  local lines = {}
  for i, name in ipairs(set_names(self)) do lines[i] = tostring(self[name]) end
  return table.concat(lines, "\n")
end

--- A set of labels: { name = labels }, or one in a list.
function labels.set(by_name) return setmetatable(by_name, Set) end

--- What checked:aggregate makes: of one plugin, or of { name = plugin }.
function labels.new(checked, by)
  local alone = checked.parts[""]
  if object(by) == "hone.plugin" then
    if not alone then core.fail("aggregate: takes { name = plugin } for several judgements") end
    return one(alone, by)
  end
  if type(by) ~= "table" or not next(by) then
    core.fail("aggregate: takes a quality plugin, or a table { name = plugin }")
  end
  local set, known = {}, {}
  for name in pairs(checked.parts) do known[#known + 1] = name end
  for name, plugin in pairs(by) do
    local part = alone or checked.parts[name]
    if not part then
      core.fail(("aggregate: there are no judgements of '%s'%s"):format(tostring(name),
        text.suggest(tostring(name), known)))
    end
    set[name] = one(part, plugin)
    set[name].name = name
  end
  return labels.set(set)
end

return labels
