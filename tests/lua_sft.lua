-- Fine-tuning: equal to PyTorch, to itself in other batches, and to itself after a stop.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near, fails = s.test, s.equal, s.near, s.fails
local core = require "hone.core"
local hone = require "hone"
local json = hone.json
local update = require "hone.update"

-- What these tests learn: a byte tokenizer on a tiny model, and rows made here.
local config = { model_type = "llama", hidden_size = 32, num_hidden_layers = 2,
  num_attention_heads = 4,
                 intermediate_size = 48, vocab_size = 258, max_position_embeddings = 128,
                 rms_norm_eps = 1e-5, tie_word_embeddings = true }

local function rows(n)
  local out = {}
  for i = 1, n do
    out[i] = { prompt = ("%d+%d="):format(i, i % 7), completion = ("%d"):format(i + i % 7),
      number = i }
  end
  return out
end

local function new_model(seed)
  return hone.model.new(config, { seed = seed or 1 }):set_tokenizer(hone.tokenizer.byte {})
end

local function group_of(batches)
  local group = { weight = 0 }
  for i, batch in ipairs(batches) do
    group[i] = batch
    group.weight = group.weight + batch.weight
  end
  return group
end

test("ten_steps_equal_those_of_pytorch_in_one_batch_or_two", function()
  local expected = json.read(s.file "parity/expect/llama_train.json")
  local weights = hone.tensors.open(s.file "parity/expect/llama_train.safetensors")
  for _, parts in ipairs { 1, 2 } do
    local model = hone.model.load(s.file "parity/models/llama"):attach(hone.strategy.full {})
    local optimizer = hone.optimizer.adamw { lr = expected.lr, weight_decay = expected.weight_decay,
                                             decay = "all" }:on(model)
    local batches = { hone.batch() }
    for i, ids in ipairs(expected.ids) do
      batches[i] = batches[i] or (parts == 2 and hone.batch() or nil);
      (parts == 2 and batches[i] or batches[1]):add(ids)
    end
    local group = group_of(batches)
    equal(group.weight, expected.targets + 0.0)
    for step = 1, expected.steps do
      local loss, norm = update(model, optimizer, group, { seed = 1, clip = expected.max_norm })
      near(loss, expected.losses[step], 1e-4 * expected.losses[1])
      near(norm, expected.norms[step], 1e-4 * expected.norms[1])
    end
    for _, t in ipairs(model:trainables()) do
      local reference = weights:read("weight/" .. t.name)
      assert(reference, t.name)
      assert(s.deviation(t.value:values(), reference:values()) < 1e-4, t.name)
    end
  end
end)

test("a_run_learns_keeps_the_best_weights_and_tells_its_story", function()
  local model = new_model()
  local parts = hone.data.new(rows(120), "sums"):clean {}:split { train = 0.8, validation = 0.1,
    test = 0.1, seed = 1 }
  local run = hone.sft { model = model, data = parts, epochs = 4, batch = { tokens = 256 },
    name = "story",
                         optimizer = hone.optimizer.adamw { lr = 1e-2 }, eval = { every = 3,
                           samples = 2, max_tokens = 8,
                         metrics = { hone.metric.length {},
                           hone.metric.exact_match { column = "completion" } } } }
  local history, watched = run:history(), {}
  for _, line in ipairs(history) do watched[#watched + 1] = line.validation_loss end
  assert(watched[#watched] < watched[1] - 0.5, "nothing was learned")
  equal(run.state.best.loss, math.min(table.unpack(watched)))
  near(run:evaluate("validation").loss, run.state.best.loss, 1e-12)
  local result = run:test()
  assert(tostring(result):find("^test: loss %d"), tostring(result))
  local record = json.read "runs/story/run.json"
  equal({ record.status, record.test.loss, record.weights }, { "finished", result.loss,
    model:hash() })
  local page = s.read "runs/story/report.html"
  assert(not page:find("<script", 1, true) and not page:find("http://[^w]"),
    "the page is not self-contained")
  for _, word in ipairs { "<svg", "validation", "Answers", "exact_match", "sums", "</html>" } do
    assert(page:find(word, 1, true), word)
  end
  local open = {}
  for slash, name, rest in page:gsub("<!DOCTYPE[^>]*>", ""):gsub("<style>.-</style>",
    ""):gmatch("<(/?)(%w+)([^>]*)>") do
    if slash == "/" then
      equal(table.remove(open), name)
    elseif rest:sub(-1) ~= "/" and not ({ meta = 1, br = 1 })[name] then
      open[#open + 1] = name
    end
  end
  equal(open, {})
end)

test("html_in_answers_and_names_is_escaped", function()
  local data = hone.data.new({ { prompt = "<b>&", completion = "</b>\"'" }, { prompt = "x",
    completion = "y" } }, "<i>data")
  hone.sft { model = new_model(), data = data, steps = 1, name = "escape",
    eval = { max_tokens = 4 } }
  local page = s.read "runs/escape/report.html"
  assert(page:find("&lt;b&gt;&amp;", 1, true) and page:find("&lt;/b&gt;&quot;&#39;", 1, true))
  assert(not page:find("<b>", 1, true) and not page:find("<i>", 1, true))
end)

test("early_stopping_stops_after_evaluations_without_a_gain", function()
  local parts = hone.data.new(rows(40)):split { train = 0.5, validation = 0.5 }
  local run = hone.sft { model = new_model(), data = parts, steps = 50, batch = { tokens = 64 },
                         optimizer = hone.optimizer.sgd { lr = 0 }, name = "patient",
                         eval = { every = 2, patience = 3, samples = 0 } }
  equal({ run.state.step, run.state.stopped, run.state.best.step }, { 6, true, 0 })
end)

test("a_loss_that_is_no_number_names_step_and_samples_and_keeps_the_checkpoint", function()
  local data = hone.data.new(rows(8), "rows")
  local model = new_model()
  local function poison(step)
    if step == 4 then
      local weight = model:parameters()[1].weight
      weight:copy(weight:affine(0, 0):log())
    end
    return 1
  end
  local said = fails(hone.sft, { model = model, data = data, steps = 9, batch = { tokens = 64 },
    name = "nan",
                                 schedule = poison, eval = { every = 1, samples = 0 } })
  s.golden("lua-sft-nan", said)
  assert(hone.json.read("runs/nan/checkpoints/step-00000003/state.json").step == 3)
  equal(json.read("runs/nan/run.json").status, "failed")
end)

local script = [[
  local hone = require "hone"
  local args = hone.args { stop = 0, strategy = "full", out = "out", kill = 0 }
  local config = hone.json.read "config.json"
  local model = hone.model.new(config, { seed = 3 }):set_tokenizer(hone.tokenizer.byte {})
  local rows = hone.json.read "rows.json"
  local parts = hone.data.new(rows, "rows"):split { train = 0.8, validation = 0.2, seed = 5 }
  local cosine = hone.schedule.cosine { warmup = 0.1 }
  local stop = tonumber((io.open("stop") or io.tmpfile()):read "a")
  local run = hone.sft {
    model = model, data = parts, epochs = 3, seed = 11, batch = { tokens = 48, accumulate = 2 },
    strategy = args.strategy == "lora" and hone.strategy.lora { rank = 2, dropout = 0.25 }
      or hone.strategy.full {},
    optimizer = hone.optimizer.adamw { lr = 1e-2 }, eval = { every = 4, samples = 1,
      max_tokens = 4 },
    schedule = function(step, steps)
      if step == stop then
        if args.kill == 1 then os.exit(9) end
        require("hone.core").interrupt()
      end
      return cosine(step, steps)
    end,
  }
  print(model:hash(), run.state.step, run.state.best.step, run.state.best.loss)]]

for _, how in ipairs { "full", "lora" } do
  test(("a_%s_run_that_stopped_and_went_on_has_the_bits_of_one_that_did_not"):format(how),
    function()
    s.write("script.lua", script)
    s.write("config.json", json.encode(config))
    s.write("rows.json", json.encode(rows(60)))
    os.execute "rm -rf runs stop"
    local whole, err, status = s.hone("run script.lua strategy=" .. how)
    equal({ status, err:match("hone: done") }, { 0, "hone: done" })
    local lines = s.read((io.popen "ls -d runs/*":read "l") .. "/metrics.jsonl")
    for _, stop in ipairs { "3", "8", "9" } do
      os.execute "rm -rf runs"
      s.write("stop", stop)
      local out, said, code = s.hone("run script.lua strategy=" .. how)
      equal({ out, code }, { "", 130 })
      assert(said:find("interrupted at step %d+ of %d+, kept in runs/"), said)
      os.remove "stop"
      local resumed, problem = s.hone("run script.lua --resume strategy=" .. how)
      equal(resumed, whole)
      assert(not problem:find("error"), problem)
      local again = s.read((io.popen "ls -d runs/*":read "l") .. "/metrics.jsonl")
      local function losses(text) return (text:gsub('"seconds":[^,}]*,?', "")) end
      equal(losses(again), losses(lines))
    end
  end)
end

test("a_run_that_was_killed_goes_on_from_its_last_checkpoint", function()
  os.execute "rm -rf runs stop"
  local whole = s.hone "run script.lua kill=1"
  os.execute "rm -rf runs"
  s.write("stop", "7")
  local _, _, status = s.hone "run script.lua kill=1"
  equal(status, 9)
  os.remove "stop"
  equal((s.hone "run script.lua --resume kill=1"), whole)
end)

test("a_script_that_broke_off_between_two_runs_goes_on_with_the_second", function()
  os.execute "rm -rf runs"
  s.write("two.lua", script .. [[

    if io.open "stop" then os.exit(9) end
    local second = hone.sft { model = run.model, data = parts, steps = 3, name = "second" }
    print("second", second.model:hash())]])
  local whole = s.hone "run two.lua"
  os.execute "rm -rf runs"
  s.write("stop", "1000000")
  local _, _, status = s.hone "run two.lua"
  equal(status, 9)
  os.remove "stop"
  equal((s.hone "run two.lua --resume"), whole)
  _, _, status = s.hone "run two.lua --resume"
  equal(status, 1)                                   -- it came to its end
  os.execute "rm -rf runs"
end)

test("resume_without_an_unfinished_run_or_with_other_options_is_refused", function()
  local _, said, status = s.hone "run script.lua --resume kill=1"
  equal(status, 1)
  s.golden("lua-resume-none", (said:gsub("%s+$", "")))
  s.write("stop", "5")
  s.hone "run script.lua"
  s.write("script.lua", (script:gsub("lr = 1e%-2", "lr = 2e-2")))
  _, said, status = s.hone "run script.lua --resume"
  equal(status, 1)
  assert(said:find("was started with other options", 1, true), said)
  s.write("script.lua", script)
  os.remove "stop"
end)

test("northstar_script_runs_as_it_stands", function()
  local path = s.data "../northstar/1_sft.lua"
  if not io.open(path) then s.skip "no northstar folder" end
  local out, err, status = s.hone(("run %s model=%s data=%s epochs=1"):format(path,
    s.data "models/stories260k",
                                   s.data "instructions/self_instruct_seeds.jsonl"))
  equal({ status, status == 0 and "" or err }, { 0, "" })
  assert(out:find("^test: loss %d"), out)
  local again = hone.model.load "out/assistant"
  assert(again.strategy, "the adapter is missing")
end)

if s.failed then os.exit(1, true) end
