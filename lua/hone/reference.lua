-- reference: log-probabilities of a reference, which training does not change.
--
--   reference.new { model, adapter = true }            the model itself, its adapter off
--   reference.new { model, folder = , key = , sets = { train = , ... } }       computed now
--
-- An adapter is left out of a forward pass at no cost in memory: no second copy. Where all
-- weights train, or the reference is another model, each example's log-probability is
-- computed once before training and kept:
--
--   <run>/reference/key.json               hashes of weights and data, template, tokens
--   <run>/reference/logps.safetensors      tensors [examples] of each set, in nats, f32
--
-- A run that goes on reads them; other weights or data compute them anew.
local core = require "hone.core"
local files = require "hone.files"
local step = require "hone.step"
local T = require "hone.tensor"
local tensors = require "hone.tensors"

local reference = {}
local methods = {}

-- Summed log-probabilities of the learned tokens of a batch's examples, a list.
local function logps(model, part, adapters)
  return step({ record = false, adapters = adapters }, function()
    return model:logp(part.batch):segment_sum(part.outputs):values()
  end)
end

-- Of the examples that are used, in batches of at most `tokens` tokens; NaN of the others.
local function compute(model, examples, used, tokens)
  local out, at = {}, 1
  for e = 1, #examples do out[e] = 0 / 0 end
  while at <= #used do
    if core.interrupted() then core.fail("interrupted") end
    local part, list, room = { outputs = {} }, {}, tokens
    while at <= #used do
      local n, _, learned = examples:size(used[at])
      if #list > 0 and n > room then break end
      list[#list + 1], part.outputs[#part.outputs + 1] = used[at], learned
      room, at = room - n, at + 1
    end
    part.batch = examples:batch(list, true)
    for i, value in ipairs(logps(model, part, true)) do out[list[i]] = value end
  end
  return out
end

-- What a folder holds for this key: { name = values }, or nil.
local function cached(folder, key)
  local path = files.join(folder, "key.json")
  if not files.exists(path) then return nil end
  local ok, seen = pcall(core.json.read, path)
  if not ok or core.json.encode(seen) ~= core.json.encode(core.json.decode(core.json.encode(key)))
  then return nil end
  local good, file = pcall(tensors.open, files.join(folder, "logps.safetensors"))
  if not good then return nil end
  local out = {}
  for _, name in ipairs(file:names()) do out[name] = file:read(name):values() end
  return out
end

local function keep(folder, key, values, names)
  files.folder(folder, function(path)
    local list = {}
    for i, name in ipairs(names) do list[i] = { name, T(values[name]) } end
    tensors.write(files.join(path, "logps.safetensors"), list)
    core.json.write(files.join(path, "key.json"), key)
  end)
end

local function precompute(self, o)
  local names, examples, used = {}, {}, {}
  for part, set in pairs(o.sets) do
    for name, list in pairs(set:used()) do
      names[#names + 1] = part .. "/" .. name
      examples[names[#names]], used[names[#names]] = set[name], list
    end
  end
  table.sort(names)
  local values = o.folder and cached(o.folder, o.key)
  self.cached = values ~= nil
  for _, name in ipairs(names) do
    if values and #(values[name] or {}) ~= #examples[name] then values = nil end
  end
  if not values then
    values, self.cached = {}, false
    for _, name in ipairs(names) do
      values[name] = compute(self.model, examples[name], used[name], o.tokens)
    end
    if o.folder then keep(o.folder, o.key, values, names) end
  end
  for _, name in ipairs(names) do self.values[examples[name]] = values[name] end
end

--- Raise unless two models read the same tokens.
function reference.check_vocabulary(model, other)
  if other.vocab ~= model.vocab then
    core.fail(("reference: a vocabulary of %d tokens; the model has %d"):format(other.vocab,
      model.vocab))
  end
  local a, b = model.tokenizer, other.tokenizer
  if not a or not b then return end
  local differ = a:vocab() ~= b:vocab()
  for id = 0, math.min(a:vocab(), b:vocab()) - 1 do
    if differ then break end
    differ = a:token(id) ~= b:token(id)
  end
  if differ then core.fail("reference: its tokenizer has another vocabulary than the model's") end
end

--- o: model, and adapter, or sets, tokens, folder (nil: nothing is kept), key.
function reference.new(o)
  local self = setmetatable({ model = o.model, adapter = o.adapter, values = {} },
                            { __index = methods })
  if not o.adapter then precompute(self, o) end
  return self
end

--- Of the examples of a batch { batch, examples, outputs }: a list.
function methods:of(examples, part)
  if self.adapter then return logps(self.model, part, false) end
  local values, out = self.values[examples], {}
  for i, e in ipairs(part.examples) do out[i] = values[e] end
  return out
end

return reference
