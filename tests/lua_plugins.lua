-- Plugins written in Lua, metrics on samples, judgements from Lua.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal, near, fails = s.test, s.equal, s.near, s.fails
local hone = require "hone"

local samples = hone.samples {
  { prompt = "p", response = "thank you", row = { answer = "thank you", weight = 2 } },
  { prompt = "p", response = "go away", row = { answer = "x" } },
  { prompt = "p", response = "" },
}

test("a_metric_defined_in_a_script_scores_fails_and_does_not_apply", function()
  local civil = hone.metric.define {
    name = "civil", version = "1.2.3",
    score = function(s)
      if s.response == "" then return nil end
      if s.response == "go away" then error "rude" end
      return s.weight * #s.response
    end,
  }
  local scores = civil(samples)
  equal(scores[1], 18.0)
  equal({ scores:state(2) }, { "failed", (select(2, scores:state(2))) })
  assert(select(2, scores:state(2)):find("lua_plugins.lua:%d+: rude"), select(2, scores:state(2)))
  equal(scores:state(3), "na")
  local summary = scores:summary()
  equal({ summary.count, summary.na, summary.failed, summary.mean }, { 3, 1, 1, 18.0 })
  equal(civil.version, "1.2.3")
  equal(hone.metric.civil {}.name, "civil")
end)

test("options_of_a_lua_metric_are_checked_like_those_of_any_plugin", function()
  hone.metric.define {
    name = "scaled",
    options = { { "factor", "number", default = 2, min = 0, doc = "times the length" },
                { "words", "strings", default = { "a", "b" }, doc = "some words" },
                { "mode", "choice", default = "full", choices = { "full", "half" }, doc = "how" } },
    score_batch = function(all, o)
      local out = {}
      for i = 1, #all do out[i] = o.factor * #all[i].response * (o.mode == "half" and 0.5
        or 1) + #o.words end
      return out
    end,
  }
  equal(hone.metric.scaled {}(samples)[1], 20.0)
  equal(hone.metric.scaled { factor = 1, mode = "half", words = {} }(samples)[1], 4.5)
  s.golden("lua-define-unknown", fails(function() hone.metric.scaled { facto = 1 } end))
  s.golden("lua-define-range", fails(function() hone.metric.scaled { factor = -1 } end))
  s.golden("lua-define-choice", fails(function() hone.metric.scaled { mode = "hlaf" } end))
end)

test("a_definition_without_name_or_score_is_refused", function()
  s.golden("lua-define-name", fails(hone.metric.define, { score = print }))
  s.golden("lua-define-score", fails(hone.metric.define, { name = "x" }))
  s.golden("lua-define-key", fails(hone.metric.define, { name = "x", scores = print }))
  s.golden("lua-define-type", fails(hone.metric.define, { name = "x", score = print,
    options = { { "a", "float" } } }))
  s.golden("lua-define-bad-name", fails(hone.metric.define, { name = "Bad Name", score = print }))
end)

test("a_metric_that_takes_too_long_is_stopped", function()
  local slow = hone.metric.define { name = "slow", timeout = 0.05,
                                    score = function() while true do end end }
  local _, said = slow(samples):state(1)
  assert(said:find("timeout", 1, true), said)
end)

test("a_lua_file_in_the_plugin_folder_is_a_plugin", function()
  os.execute "mkdir -p plugins/metric"
  s.write("plugins/metric/polite.lua", [[
    local hone = require "hone"
    return hone.metric.define {
      name = "polite", summary = "1 where thanks are said",
      options = { { "word", "string", default = "thank", doc = "of thanks" } },
      score = function(s, o) return s.response:find(o.word, 1, true) and 1 or 0 end,
    }]])
  s.write("plugins/metric/wrong.lua", "return 3")
  s.write("plugins/metric/broken.lua", "return (")
  s.write("plugins/metric/other.lua", [[return require("hone").metric.define { name = "another",
    score = print }]])
  s.write("score.lua", [[
    local hone = require "hone"
    local scores = hone.metric.polite { word = "go" }(hone.samples { { response = "go" },
      { response = "x" } })
    print(scores[1], scores[2])]])
  local path = "HONE_PLUGIN_PATH=plugins:$HONE_PLUGIN_PATH "
  local function hone_with(arguments)
    local _, _, status = os.execute(path ..
      ("'%s/hone' %s >out.txt 2>err.txt"):format(os.getenv "HONE_BUILD", arguments))
    return s.read "out.txt", s.read "err.txt", status
  end
  local out, err = hone_with "run score.lua"
  equal(out .. err, "1.0\t0.0\n")
  assert(hone_with("plugins metric"):find("metric/polite%s+%S*plugins/metric/polite.lua"))
  s.golden("lua-describe-polite", (hone_with "describe metric/polite"))
  for _, name in ipairs { "wrong", "broken", "other" } do
    local _, said, status = hone_with("describe metric/" .. name)
    equal(status, 1)
    s.golden("lua-plugin-" .. name, (said:gsub("%s+$", ""):gsub("/%S*/lua_plugins.lua/", "")))
  end
end)

test("built_in_metrics_score_samples_from_lua", function()
  equal(hone.metric.length { unit = "chars" }(samples)[1], 9.0)
  local exact = hone.metric.exact_match { column = "answer" }(samples)
  equal({ exact[1], exact[2] }, { 1.0, 0.0 })
  equal(exact:state(3), "na")
end)

test("judgements_from_rows_are_checked_by_quality_plugins", function()
  local rows = {}
  for i = 1, 20 do
    for k, who in ipairs { "ann", "bob" } do
      rows[#rows + 1] = { question = "q" .. i, worker = who, label = (i + (i == 3 and k
        or 0)) % 2 == 0 and "yes" or "no" }
    end
  end
  local j = hone.judgements(rows, { item = "question", annotator = "worker", value = "label" })
  equal({ #j, j.items, j.annotators, j.level }, { 40, 20, 2, "nominal" })
  local found = hone.quality.agreement {}:check(j)
  assert(type(found) == "table" and next(found))
  s.golden("lua-judgements-column", fails(hone.judgements, rows, { item = "questions",
    annotator = "worker", value = "label" }))
  s.golden("lua-judgements-kind", fails(hone.metric.length {}.score, hone.quality.agreement {},
    samples))
end)
