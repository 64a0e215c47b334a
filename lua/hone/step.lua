-- step: one pass forward and backward.
--
--   local loss = hone.step({ seed = 7 }, function() ...; loss:backward(); return loss:item() end)
--
-- Tensors that operations make in it end with it; record = false: without gradients.
local core = require "hone.core"
local options = require "hone.options"

local schema = {
  { "record", "boolean", default = true, doc = "for backward" },
  { "train", "boolean", default = false, doc = "dropout is active" },
  { "adapters", "boolean", default = true, doc = "of strategies" },
  { "seed", "integer", default = 0, doc = "of dropout" },
}

return function(given, fn)
  if fn == nil then given, fn = nil, given end
  core.graph.begin(options.check("step", schema, given))
  local results = table.pack(pcall(fn))
  core.graph.finish(not results[1])
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end
