-- Say what a good answer is, and measure two settings of a model by it.
--   hone run examples/metric.lua model=models/smollm2-135m data=data/prompts.jsonl
local hone = require "hone"
local args = hone.args {
  model = hone.required.path, data = hone.required.path, prompts = 20, max_tokens = 64, seed = 1,
}

-- One definition, for evaluations now and for rewards later. s has the prompt,
-- the response and the columns of the prompt's row.
local fresh = hone.metric.define {
  name = "fresh", version = "1.0.0",
  summary = "share of words that were not said before, in [0, 1]",
  score = function(s)
    local seen, words, new = {}, 0, 0
    for word in s.response:lower():gmatch("%a+") do
      words = words + 1
      if not seen[word] then seen[word], new = true, new + 1 end
    end
    if words == 0 then return nil end              -- nothing was said: does not apply
    return new / words
  end,
}

local model = hone.model.load(args.model)
local prompts = hone.data.load(args.data):take(args.prompts)

for _, temperature in ipairs { 0, 0.8 } do
  local samples = model:generate { prompts = prompts, temperature = temperature,
                                   max_tokens = args.max_tokens, seed = args.seed }
  print(("temperature %.1f"):format(temperature))
  for _, metric in ipairs { fresh, hone.metric.length { unit = "words" } } do
    local s = metric(samples):summary()
    local mean = s.mean == hone.null and "none" or ("%.3f"):format(s.mean)
    print(("  %-8s mean %s of %d, %d not applicable, %d failed"):format(metric.name, mean, s.count,
                                                                      s.na, s.failed))
  end
end
