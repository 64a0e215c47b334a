-- Every function of the binding, with each of its allocations failing in turn:
-- an error, no crash, and nothing that stays behind.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local core = require "hone.core"
local hone = require "hone"
local T = hone.tensor

local config = { model_type = "llama", hidden_size = 16, num_hidden_layers = 1,
                 num_attention_heads = 2, intermediate_size = 16, vocab_size = 258,
                 max_position_embeddings = 64 }
local model = hone.model.new(config):set_tokenizer(hone.tokenizer.byte {})
local data = hone.data.new { { prompt = "a", completion = "bc" }, { prompt = "d",
  completion = "e" } }
local samples = hone.samples { { prompt = "a", response = "b" } }
local loud = hone.metric.define { name = "loud", score = function(x) return #x.response end }
local a, b = T { 1, 2, 3 }, T { 4, 5, 6 }

local function collect()
  collectgarbage()
  collectgarbage()
end

-- Run with the first allocation failing, then the second, until all succeed.
local function each_fails(fn)
  local n = 0
  repeat
    n = n + 1
    core.alloc_fail_after(n)
    local ok, problem = pcall(fn)
    core.alloc_fail_after(0)
    core.graph.finish(true)
    assert(ok or type(problem) == "string", "an error without a message")
  until ok or n > 5000
  assert(n > 1, "nothing was allocated")
  assert(n <= 5000, "it never succeeded")
  collect()
end

-- What the first round leaves is in caches, which the second finds filled.
local function survives(fn)
  each_fails(fn)
  local live = core.alloc_live()
  each_fails(fn)
  s.equal(core.alloc_live() - live, 0)
end

local cases = {
  instances = function() return hone.optimizer.adamw { lr = 1, betas = { 0.5, 0.9 } } end,
  json = function() return hone.json.encode { a = { 1, 2, { b = "c" } }, d = {} } end,
  datasets = function() return hone.data.new { { text = "x" }, { text = "y" } } end,
  splits = function() return data:parts({ "train", "test" }, { 0.5, 0.5 }, 1) end,
  cleaning = function() return data:cleaned {} end,
  examples = function() return data:encode(model, {}):plan(64, 1, 0):batch(1) end,
  ids = function() return model.tokenizer:encode("hello", { bos = true }):slice(2, 3) end,
  scores = function() return loud(samples):summary() end,
  copies = function() return model:copy() end,
  operations = function() return ((a + b) * 2 / a):sum():item() end,
  steps = function()
    return hone.step(function()
      local x = T({ 1, 2 }):require_grad()
      local y = (x * x):sum()
      y:backward()
      return y:item()
    end)
  end,
  generation = function()
    return core.generate(model, { { ids = { 1, 2 }, row = { q = 1 } } }, { max_tokens = 2 })
  end,
  judgements = function()
    return hone.judgements({ { item = "i", annotator = "a", value = "x" } }, {})
  end,
}
local names = {}
for name in pairs(cases) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do
  s.test(name .. "_survive_a_failing_allocation", function() survives(cases[name]) end)
end
