-- Scripts in examples/ and the pieces of Lua in docs/ run as they stand.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal = s.test, s.equal
local hone = require "hone"
local source = os.getenv "HONE_SOURCE"

-- What docs and examples name: a model of no use, and rows.
hone.model.new({ model_type = "llama", hidden_size = 32, num_hidden_layers = 2,
  num_attention_heads = 4,
                 intermediate_size = 48, vocab_size = 258, max_position_embeddings = 256 },
                   { seed = 1 })
  :set_tokenizer(hone.tokenizer.byte {}):save("models/tiny")
hone.json.write("rows.json", (function()
  local rows = {}
  for i = 1, 60 do rows[i] = { prompt = ("%d+1="):format(i),
    completion = ("%d, I think"):format(i + 1) } end
  return rows
end)())
os.execute "mkdir -p data"
local lines = {}
for _, row in ipairs(hone.json.read "rows.json") do lines[#lines + 1] = hone.json.encode(row) end
s.write("data/sums.jsonl", table.concat(lines, "\n"))

local function runs(arguments)
  local out, err, status = s.hone("run " .. arguments)
  equal({ status, status == 0 and "" or err }, { 0, "" })
  return out
end

test("every_piece_of_lua_in_docs_runs", function()
  local found = 0
  for piece in s.read(source .. "/docs/lua.md"):gmatch("```lua\n(.-)```") do
    found = found + 1
    s.write("piece.lua", piece)
    runs "piece.lua"
  end
  assert(found >= 6, found)
end)

test("examples_sft_learns_and_saves", function()
  local out = runs(source ..
    "/examples/sft.lua model=models/tiny data=data/sums.jsonl epochs=1 tokens=128")
  assert(out:find("^test: loss %d"), out)
  assert(hone.model.load("out/assistant").strategy.name == "lora")
end)

test("examples_metric_compares_two_settings", function()
  local out = runs(source ..
    "/examples/metric.lua model=models/tiny data=data/sums.jsonl prompts=3 max_tokens=8")
  assert(out:find("temperature 0.8\n  fresh +mean"), out)
end)

test("examples_agreement_measures_labels", function()
  s.write("labels.csv",
    "question,worker,label\nq1,ann,yes\nq1,bob,yes\nq2,ann,no\nq2,bob,yes\nq3,ann,no\nq3,bob,no\n")
  local out = runs(source ..
    "/examples/agreement.lua data=labels.csv item=question annotator=worker value=label")
  assert(out:find("judgements (6 of 3 items by 2 annotators)", 1, true), out)
end)

test("examples_reward_model_scores_forms", function()
  local out = runs(source .. "/examples/reward_model.lua pairs=60 epochs=1")
  assert(out:find("^test: loss %d.*accuracy .*report: "), out)
  assert(hone.reward_model.load("out/liked").made.sd > 0)
end)

test("examples_grpo_and_ppo_compare_before_and_after", function()
  local out = runs(source .. "/examples/grpo.lua epochs=1 steps=1 prompts=2 group=2 unseen=4")
  assert(out:find("fine%-tuned +%d.*and after GRPO +%d.*report: "), out)
  out = runs(source .. "/examples/ppo.lua steps=1 prompts=4 unseen=4")
  assert(out:find("base model +%d.*and after PPO +%d.*KL from the base model: .*report: "), out)
end)

if s.failed then os.exit(1, true) end
