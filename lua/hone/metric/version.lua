-- version: when the definition of a metric needs a new one, and what an older one
-- makes of judgements.
--
--   1.2.3   major: another scale or unit: judgements mean something else now, "void"
--           minor: other anchors, guideline, question or glossary: to be looked at, "recheck"
--           patch: all else: judgements stand, "no"
local core = require "hone.core"
local text = require "hone.text"

local version = {}

-- Fields of a specification by the part of the version that stands for them.
local parts = {
  { "major", { "scale", "unit" } },
  { "minor", { "anchors", "guideline", "question", "glossary" } },
  { "patch", { "human", "summary", "reward", "audit" } },
}

--- "1.2.3" as { 1, 2, 3 }; parts that are left out are 0.
function version.parse(where, given)
  local numbers = {}
  for word in (given .. "."):gmatch("(.-)%.") do
    numbers[#numbers + 1] = word:find "^%d+$" and #word <= 9 and tonumber(word) or -1
  end
  if #numbers < 1 or #numbers > 3 or math.min(table.unpack(numbers)) < 0 then
    core.fail(("%s: version: '%s' is no semantic version (allowed: 1.0.0)"):format(where, given))
  end
  return { numbers[1], numbers[2] or 0, numbers[3] or 0 }
end

-- The first place where two values differ: " (max: 5, now 7)".
local function difference(old, new, path)
  if type(old) == "table" and type(new) == "table" then
    local keys = {}
    for key in pairs(old) do keys[#keys + 1] = key end
    for key in pairs(new) do if old[key] == nil then keys[#keys + 1] = key end end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for _, key in ipairs(keys) do
      local found = difference(old[key], new[key], tostring(key))
      if found then return found end
    end
    return nil
  end
  if old == new then return nil end
  local function show(value)
    local line = value == nil and "unset" or text.value(value):gsub("\\\n", "\\n")
    return #line > 60 and line:sub(1, 57) .. "..." or line
  end
  return (" (%s%s, now %s)"):format(path and path .. ": " or "", show(old), show(new))
end

--- What differs between two specifications: a list of { field, part, text }, the
--- weightiest first.
function version.changes(old, new)
  local list = {}
  for _, entry in ipairs(parts) do
    for _, field in ipairs(entry[2]) do
      local found = difference(old[field], new[field])
      if found then list[#list + 1] = { field = field, part = entry[1], text = found } end
    end
  end
  return list
end

--- The version that comes after for a change of a part.
function version.after(numbers, part)
  if part == "major" then return { numbers[1] + 1, 0, 0 } end
  if part == "minor" then return { numbers[1], numbers[2] + 1, 0 } end
  return { numbers[1], numbers[2], numbers[3] + 1 }
end

local function below(a, b)
  for i = 1, 3 do
    if a[i] ~= b[i] then return a[i] < b[i] end
  end
  return false
end

--- Raise unless the new specification's version says what changed since the old one.
function version.follows(where, old, new)
  local change = version.changes(old, new)[1]
  if not change then return end
  local before, now = version.parse(where, old.version), version.parse(where, new.version)
  local needed = version.after(before, change.part)
  if below(now, needed) then
    core.fail(("%s: %s changed%s and the version is %s: it should be %s (a %s change)"):format(
      where, change.field, change.text,
      below(before, now) and ("only %s after %s"):format(new.version, old.version)
        or "still " .. new.version,
      table.concat(needed, "."), change.part))
  end
end

--- What is left of a judgement made under version `old` where `now` is in force.
function version.stale(where, old, now)
  local a, b = version.parse(where, old), version.parse(where, now)
  if a[1] ~= b[1] then return "void" end
  return a[2] ~= b[2] and "recheck" or "no"
end

return version
