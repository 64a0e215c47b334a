-- memory: what a training step needs, and what there is.
local core = require "hone.core"
local files = require "hone.files"
local text = require "hone.text"

local memory = {}

local function number_in(path, pattern)
  local said = files.read(path)
  return said and math.tointeger(tonumber(said:match(pattern)))
end

--- Bytes that this process may use in all, and those free now; nil where the
--- system does not say.
function memory.available()
  local total = number_in("/proc/meminfo", "MemTotal:%s*(%d+)")
  local free = number_in("/proc/meminfo", "MemAvailable:%s*(%d+)")
  if not total or not free then return nil end
  total, free = total * 1024, free * 1024
  for _, path in ipairs { "/sys/fs/cgroup/memory.max",
                          "/sys/fs/cgroup/memory/memory.limit_in_bytes" } do
    local limit = number_in(path, "^(%d+)")
    if limit then total, free = math.min(total, limit), math.min(free, limit) end
  end
  return total, free
end

local function advice(o)
  local words = {}
  if o.strategy ~= "lora" then words[#words + 1] = "lora" end
  if not o.recompute then words[#words + 1] = "recompute = true" end
  words[#words + 1] = "fewer tokens a batch"
  return table.concat(words, ", or ")
end

--- The estimate, after it was said; raises when it exceeds what there is.
function memory.check(model, o)
  local e = model:estimate(o.tokens, o.tokens, o.states)
  local total, free = memory.available()
  local line = ("needs about %s: weights %s, gradients %s, optimizer %s, activations %s"):format(
    text.bytes(e.total), text.bytes(e.weights), text.bytes(e.gradients), text.bytes(e.optimizer),
    text.bytes(e.activations))
  if total and e.total > total then
    core.fail(("needs %s of %s: try %s"):format(text.bytes(e.total), text.bytes(total), advice(o)))
  end
  if free and e.total - e.weights > free then
    core.log("warn", ("%s; only %s are free: try %s"):format(line, text.bytes(free), advice(o)))
  else
    core.log("info", line)
  end
  return e
end

return memory
