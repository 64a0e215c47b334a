-- samples: hone.samples { { prompt = , response = , row = }, ... }, for metrics
-- to judge what no model of ours made. #samples, samples[i].
local core = require "hone.core"

return function(list)
  if type(list) ~= "table" then core.fail("samples: takes a list of { prompt = , response = }") end
  local samples = core.samples_new()
  for _, sample in ipairs(list) do samples:add(sample) end
  return samples
end
