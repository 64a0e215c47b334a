-- weights: all that training can change in a model, kept in a folder and put back in place:
-- other names for the same model see the weights they had.
--
--   <folder>/weights.json        hash, strategy with its options, heads
--            base.safetensors    every parameter of the model itself
--            adapter.safetensors what its strategy trains beside them, where there is one
local core = require "hone.core"
local files = require "hone.files"

local weights = {}

-- Parameters by name: tensors of the model's own.
local function parameters(model)
  local list = {}
  for _, p in ipairs(model:parameters()) do
    if not p.tied then list[#list + 1] = { p.name .. ".weight", p.weight } end
    if p.bias then list[#list + 1] = { p.name .. ".bias", p.bias } end
  end
  return list
end

-- Heads by name: outputs, and whether there is a bias.
local function heads_of(model)
  local list = model:heads()
  for _, p in ipairs(model:parameters()) do
    if list[p.name] then list[p.name] = { outputs = list[p.name], bias = p.bias ~= nil } end
  end
  return list
end

function weights.save(model, folder)
  core.system.make_folder(folder)
  core.tensors.write(files.join(folder, "base.safetensors"), parameters(model))
  local strategy = model.strategy
  if strategy and strategy.name ~= "full" and #model:trainables() > 0 then
    model:save_trained(files.join(folder, "adapter.safetensors"))
  end
  core.json.write(files.join(folder, "weights.json"), {
    hash = model:hash(), heads = heads_of(model),
    strategy = strategy and { name = strategy.name, options = strategy.options } or nil })
end

-- Heads that training added.
local function add_heads(model, said)
  local have = model:heads()
  for name, head in pairs(said.heads) do
    if not have[name] then
      model:add_head(name, { outputs = head.outputs, bias = head.bias, sd = 0 })
    end
  end
end

function weights.load(model, folder)
  local said = core.json.read(files.join(folder, "weights.json"))
  if model:hash() == said.hash then return end
  add_heads(model, said)
  model:attach(nil)
  local base = core.tensors.open(files.join(folder, "base.safetensors"))
  for _, entry in ipairs(parameters(model)) do entry[2]:copy(base:read(entry[1])) end
  if said.strategy then
    model:attach(core.instance("strategy", said.strategy.name, said.strategy.options))
    local adapter = files.join(folder, "adapter.safetensors")
    if files.exists(adapter) then model:load_trained(adapter) end
  end
  if model:hash() ~= said.hash then
    core.fail(("%s: the weights are not those that were kept"):format(folder))
  end
end

return weights
