-- stages: what a stage of a workflow gave, kept in a folder and read again as it was.
--
--   stages.write(folder, value, o)   raises by name where something cannot be kept
--   stages.read(folder, known)       the value
--   stages.digest(folder)            of all that is in it
--
-- o.where: what messages call the value; o.known: names of models that are kept elsewhere
-- { [model] = name }, and known { [name] = model } when they are read.
--
-- <folder>/value.json holds plain values as they are; an object stands there as { "$": n },
-- and objects.json says what the n-th is and which files of the folder it fills. So an object
-- that stands at two places is one again. What is kept, and how:
--
--   nil, booleans, numbers, texts, tables of these     value.json, every bit of them
--   samples, a sample, answers of a task, judgements,  stage_kinds.lua
--   what was checked, labels, models, reward models,
--   runs, plugins, data, tensors
--
-- Functions, rewards and tables with classes of their own are not kept.
local captured = require "hone.captured"
local core = require "hone.core"
local files = require "hone.files"
local kinds = require "hone.stage_kinds"

local stages = {}

-- ---- writing ----

local function hex(s) return (s:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
local function unhex(s)
  return (s:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local special = { ["nan"] = 0 / 0, ["inf"] = math.huge, ["-inf"] = -math.huge }
local function number(x)
  if x == x and math.abs(x) ~= math.huge then return x end
  return { ["$number"] = x ~= x and "nan" or x > 0 and "inf" or "-inf" }
end

local Writer = {}
Writer.__index = Writer

local function is_list(t)
  local n = 0
  for key in next, t do
    n = n + 1
    if math.type(key) ~= "integer" then return false end
  end
  return n > 0 and n == #t
end

local function is_object(t)
  for key in next, t do
    local plain = type(key) == "string" and key:sub(1, 1) ~= "$" and utf8.len(key)
    if not plain or key:find("\0", 1, true) then return false end
  end
  return true
end

function Writer:table(t, where)
  if self.above[t] then core.fail(where .. ": a table that holds itself cannot be kept") end
  self.above[t] = true
  local out = core.json.list {}
  if is_list(t) or getmetatable(t) ~= nil then
    for i, item in ipairs(t) do out[i] = self:value(item, ("%s[%d]"):format(where, i)) end
  elseif is_object(t) then
    out = {}
    for key, item in next, t do out[key] = self:value(item, where .. "." .. key) end
  else
    for key, item in next, t do
      local at = ("%s[%s]"):format(where, tostring(key))
      out[#out + 1] = core.json.list { self:value(key, at), self:value(item, at) }
    end
    out = { ["$table"] = out }
  end
  self.above[t] = nil
  return out
end

--- A value as JSON; where: how the script would name it.
function Writer:value(value, where)
  if value == nil then return { ["$nil"] = true } end
  local kind = kinds.of(value)
  if kind == "boolean" or value == core.null then return value end
  if kind == "number" then return number(value) end
  if kind == "string" then return utf8.len(value) and value or { ["$bytes"] = hex(value) } end
  if kind == "table" and captured.plain(value) then return self:table(value, where) end
  if not kinds[kind] then
    core.fail(("%s is a %s, which cannot be kept (allowed: %s)"):format(where,
      (kind:gsub("^hone%.", "")), kinds.words))
  end
  return { ["$"] = self:object(kind, value, where) }
end

--- The number of an object, kept when it is first met.
function Writer:object(kind, value, where)
  local n = self.numbers[value]
  if n then return n end
  n = #self.objects + 1
  self.numbers[value], self.objects[n] = n, { kind = kind }
  local said = kinds[kind].write(self, value, where)
  for key, field in pairs(said) do self.objects[n][key] = field end
  return n
end

--- A file's path in the folder, for what is kept apart: "samples-2.jsonl".
function Writer:file(form)
  self.count = self.count + 1
  local name = form:format(self.count)
  return files.join(self.folder, name), name
end

function stages.write(folder, value, o)
  o = o or {}
  local self = setmetatable({ folder = folder, objects = core.json.list {}, numbers = {},
                              above = {}, count = 0, later = {}, known = o.known }, Writer)
  local out = self:value(value, o.where or "result")
  for _, finish in ipairs(self.later) do finish() end
  core.json.write(files.join(folder, "objects.json"), self.objects)
  core.json.write(files.join(folder, "value.json"), core.json.list { out })
end

-- ---- reading ----

local Reader = {}
Reader.__index = Reader

function Reader:value(said)
  if type(said) ~= "table" or not captured.plain(said) then return said end
  if #said > 0 then
    local out = {}
    for i = 1, #said do out[i] = self:value(said[i]) end
    return out
  end
  if said["$"] then return self:object(said["$"]) end
  if said["$nil"] then return nil end
  if said["$number"] then return special[said["$number"]] end
  if said["$bytes"] then return unhex(said["$bytes"]) end
  if said["$table"] then
    local out = {}
    for _, pair in ipairs(said["$table"]) do out[self:value(pair[1])] = self:value(pair[2]) end
    return out
  end
  if getmetatable(said) ~= nil then return said end
  local out = {}
  for key, item in pairs(said) do out[key] = self:value(item) end
  return out
end

function Reader:object(n)
  if self.made[n] == nil then
    local said = self.objects[n]
    if not said or not kinds[said.kind] then
      core.fail(("%s: object %s is of no kind that this hone knows"):format(self.folder,
        tostring(said and said.kind or n)))
    end
    self.made[n] = kinds[said.kind].read(self, said)
  end
  return self.made[n]
end

function Reader:path(name) return files.join(self.folder, name) end

function stages.read(folder, known)
  local self = setmetatable({ folder = folder, made = {}, known = known or {},
                              objects = core.json.read(files.join(folder, "objects.json")) },
                            Reader)
  return self:value(core.json.read(files.join(folder, "value.json"))[1])
end

--- A digest of all that write left in a folder.
function stages.digest(folder)
  local words = {}
  local function add(path, name)
    if core.system.kind(path) == "folder" then
      for _, inner in ipairs(files.list(path)) do
        add(files.join(path, inner), name .. "/" .. inner)
      end
    else
      words[#words + 1] = name .. " " .. core.digest(files.read(path))
    end
  end
  add(folder, "")
  return core.digest(table.concat(words, "\n"))
end

return stages
