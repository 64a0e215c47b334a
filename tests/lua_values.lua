-- JSON and Lua values, options and arguments: what is accepted, and what is said otherwise.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near, fails = s.test, s.equal, s.near, s.fails
local hone = require "hone"
local core = require "hone.core"
local json = hone.json

test("json_keeps_integers_numbers_null_and_empty_lists", function()
  for _, text in ipairs { '{"a":1,"b":1.5,"c":null,"d":[],"e":{},"f":[1,"x",true]}', "[]", "{}",
                          '"\\u00e9"', "9007199254740993", "1e300" } do
    equal(json.decode(json.encode(json.decode(text))), json.decode(text))
  end
  equal(json.encode { a = 1, b = 1.5, c = hone.null, d = json.list {}, e = {} },
        '{"a":1,"b":1.5,"c":null,"d":[],"e":{}}')
  equal(math.type(json.decode("3")), "integer")
  equal(math.type(json.decode("3.0")), "float")
  equal(json.decode(json.encode(0.1)), 0.1)
end)

test("json_refuses_what_it_cannot_hold", function()
  s.golden("lua-json-nan", fails(json.encode, { x = 0 / 0 }))
  s.golden("lua-json-function", fails(json.encode, { x = print }))
  s.golden("lua-json-key", fails(json.encode, { [1] = 1, x = 2 }))
  s.golden("lua-json-utf8", fails(json.encode, { x = "\xff" }))
  local loop = {}
  loop[1] = loop
  s.golden("lua-json-loop", fails(json.encode, loop))
  s.golden("lua-json-text", fails(json.decode, "{ x: 1 }"))
end)

test("plugin_options_are_checked_at_the_callers_line", function()
  local line = debug.getinfo(1, "l").currentline + 1
  local said = fails(function() hone.optimizer.adamw { lrr = 1 } end)
  assert(said:find("lua_values.lua:" .. line ..
    ": optimizer/adamw: unknown option 'lrr' (did you mean 'lr'?)", 1, true), said)
  s.golden("lua-option-range", fails(function() hone.optimizer.adamw { lr = -1 } end))
  s.golden("lua-option-type", fails(function() hone.optimizer.adamw { lr = "fast" } end))
  s.golden("lua-option-table", fails(function() hone.optimizer.adamw(3) end))
  s.golden("lua-option-two", fails(function() hone.optimizer.adamw({}, 3) end))
  s.golden("lua-plugin-unknown", fails(function() return hone.optimizer.adam {} end))
  s.golden("lua-module-unknown", fails(function() return hone.optimiser end))
end)

test("library_options_are_checked_at_the_callers_line", function()
  local model = hone.model.load(s.file "parity/models/llama")
  s.golden("lua-sft-missing", fails(hone.sft, { model = model }))
  s.golden("lua-sft-unknown", fails(hone.sft, { model = model, epoch = 3 }))
  s.golden("lua-sft-range", fails(hone.sft, { model = model,
    data = hone.data.new { { text = "x" } }, epochs = 0 }))
  s.golden("lua-sft-nested", fails(hone.sft, { model = model,
    data = hone.data.new { { text = "x" } }, batch = { token = 1 } }))
  s.golden("lua-sft-plugin", fails(hone.sft, { model = model,
    data = hone.data.new { { text = "x" } }, optimizer = hone.strategy.full {} }))
  s.golden("lua-sft-model", fails(hone.sft, { model = "models/x" }))
  s.golden("lua-schedule-unknown", fails(function() return hone.schedule.cosin {} end))
  s.golden("lua-generate-choice", fails(model.generate, model, { prompt = { 1 },
    template = "chatlm" }))
  s.golden("lua-split",
    fails(function() return hone.data.new({ { text = "x" } }):split { train = 2 } end))
  s.golden("lua-model-missing", fails(hone.model.load, "no/such/folder"))
end)

test("an_instance_says_its_options_and_serves_as_json", function()
  local adamw = hone.optimizer.adamw { lr = 0.5 }
  equal(adamw.kind, "optimizer")
  equal(adamw.name, "adamw")
  equal(adamw.options.lr, 0.5)
  equal(json.decode(json.encode(adamw)).plugin, "adamw")
end)

local function args_of(words, spec)
  local invocation = require "hone.invocation"
  invocation.script, invocation.words = "script.lua", words
  return hone.args(spec)
end

test("arguments_have_the_types_of_their_defaults", function()
  local spec = { model = hone.required.path, epochs = 3, rate = 0.5, loud = false, name = "x" }
  equal(args_of({ "model=a/b", "epochs=5", "loud=yes" }, spec),
        { model = "a/b", epochs = 5, rate = 0.5, loud = true, name = "x" })
  equal(args_of({ "model=a=b", "rate=2", "name=" }, spec),
        { model = "a=b", epochs = 3, rate = 2.0, loud = false, name = "" })
end)

test("wrong_arguments_are_told_with_the_usage", function()
  local spec = { model = hone.required.path, epochs = 3 }
  s.golden("lua-args-missing", fails(args_of, {}, spec))
  s.golden("lua-args-unknown", fails(args_of, { "model=x", "epoch=3" }, spec))
  s.golden("lua-args-type", fails(args_of, { "model=x", "epochs=many" }, spec))
  s.golden("lua-args-word", fails(args_of, { "x" }, spec))
  s.golden("lua-args-default", fails(args_of, {}, { f = print }))
  s.golden("lua-required-unknown", fails(function() return hone.required.folder end))
end)

test("schedules_equal_those_of_transformers", function()
  local expected = json.read(s.file "parity/expect/schedules.json")
  for _, name in ipairs { "cosine", "linear", "constant" } do
    for _, warmup in ipairs { expected.warmup, expected.warmup / expected.steps } do
      local schedule = hone.schedule[name] { warmup = warmup }
      for step = 1, expected.steps do
        near(expected.lr * schedule(step, expected.steps), expected[name][step], 1e-15)
      end
    end
  end
end)

test("streams_of_random_numbers_are_functions_of_seed_and_name", function()
  local a, b, c = hone.random(7, "x"), hone.random(7, "x"), hone.random(7, "y")
  local x, y = a:uniform(), c:uniform()
  equal(b:uniform(), x)
  assert(x ~= y and x >= 0 and x < 1)
  local seen = hone.random(1, "s"):shuffle(50)
  table.sort(seen)
  for i = 1, 50 do equal(seen[i], i) end
  assert(core.seed(1, "a") ~= core.seed(1, "b"))
end)
