-- checkpoint: what a run needs to go on bit for bit as if it had not stopped.
--
-- <run>/checkpoints/step-000100/    optimizer.safetensors (values, states, count), state.json,
--                                   NAME.safetensors of each of run.others
-- <run>/checkpoints/best/           trained.safetensors, the best weights so far
--
-- Batches and random streams are functions of seed and step, and need no room.
-- A folder appears whole, before the one it replaces goes.
local core = require "hone.core"
local files = require "hone.files"

local checkpoint = {}

local function folder(run, ...) return files.join(run.folder, "checkpoints", ...) end

local function steps(run)
  local found = {}
  for _, name in ipairs(files.list(folder(run))) do
    if name:match("^step%-%d+$") then found[#found + 1] = name end
  end
  return found
end

--- The newest checkpoint's folder; nil where there is none.
function checkpoint.newest(run)
  local found = steps(run)
  return found[#found] and folder(run, found[#found])
end

function checkpoint.save(run, optimizer, keep)
  core.system.make_folder(folder(run))
  local name = ("step-%08d"):format(run.state.step)
  files.folder(folder(run, name), function(path)
    optimizer:save(files.join(path, "optimizer.safetensors"))
    for key, other in pairs(run.others or {}) do
      other:save(files.join(path, key .. ".safetensors"))
    end
    core.json.write(files.join(path, "state.json"), run.state)
  end)
  local found = steps(run)
  for i = 1, #found - keep do files.remove(folder(run, found[i])) end
end

--- Take up the newest checkpoint; false where there is none.
function checkpoint.load(run, optimizer)
  local path = checkpoint.newest(run)
  if not path then return false end
  optimizer:load(files.join(path, "optimizer.safetensors"))
  for key, other in pairs(run.others or {}) do
    other:load(files.join(path, key .. ".safetensors"))
  end
  run.state = core.json.read(files.join(path, "state.json"))
  return true
end

function checkpoint.save_best(run, model)
  core.system.make_folder(folder(run))
  files.folder(folder(run, "best"), function(path)
    model:save_trained(files.join(path, "trained.safetensors"))
  end)
end

function checkpoint.load_best(run, model)
  model:load_trained(folder(run, "best", "trained.safetensors"))
end

return checkpoint
