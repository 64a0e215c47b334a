-- Reports of algorithms: every metric is defined in the docs and drawn, answers have the
-- scores of the reward's parts, findings stand on top, all of it well-formed.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal = s.test, s.equal
local answers = require "hone.answers"
local curves = require "hone.report_curves"
local hone = require "hone"
local json = hone.json

local config = { model_type = "llama", hidden_size = 32, num_hidden_layers = 2,
  num_attention_heads = 4, num_key_value_heads = 2, intermediate_size = 48, vocab_size = 258,
  max_position_embeddings = 64, rms_norm_eps = 1e-5, tie_word_embeddings = true }

local function new_model()
  return hone.model.new(config, { seed = 1 }):set_tokenizer(hone.tokenizer.byte {})
end

local function prompts(n)
  local rows = {}
  for i = 1, n do rows[i] = { prompt = ("<b>question</b> %d?"):format(i) } end
  return hone.data.new(rows, "prompts")
end

local function count(sample) return #sample.response end
local function last(sample) return sample.tokens[#sample.tokens] / 256 end

local kind = hone.metric.define { name = "kind",
  score = function(sample) return #sample.response % 2 end }

local function options(given)
  local o = { policy = new_model(), prompts = prompts(8), steps = 2,
    reward = { { count, name = "size", weight = 0.1 }, { last, name = "last" } },
    optimizer = hone.optimizer.adamw { lr = 1e-2 }, batch = { prompts = 4 },
    sampling = { max_tokens = 6 }, seed = 3,
    eval = { data = prompts(4), samples = 2, every = 1,
             metrics = { hone.metric.length {}, kind } } }
  for key, value in pairs(given or {}) do o[key] = value end
  return o
end

-- Names in the first column of the tables under a heading of docs/algorithms.md.
local function defined()
  local section = s.read(s.file "../docs/algorithms.md"):match "## Logged metrics\n(.-)\n## "
  local names = {}
  for cell in section:gmatch "\n|([^|\n]+)|" do
    for name in cell:gmatch "`([^`]+)`" do names[name] = true end
  end
  return names
end

-- The reward's parts are NAME there; validation_ metrics stand in the text below.
local function general(key)
  if key:find "^validation_" then return nil end
  return (key:gsub("^size", "NAME"):gsub("^last", "NAME"))
end

-- Whether every opening tag of a page has its closing one.
local function check_page(page)
  local open, alone = {}, { meta = 1, br = 1 }
  for slash, name, rest in page:gsub("<!DOCTYPE[^>]*>", ""):gsub("<style>.-</style>", "")
    :gmatch "<(/?)(%w+)([^>]*)>" do
    if slash == "/" then
      equal(table.remove(open), name)
    elseif rest:sub(-1) ~= "/" and not alone[name] then
      open[#open + 1] = name
    end
  end
  equal(open, {})
  assert(not page:find "<script" and not page:find "https?://[^w]", "it is not self-contained")
end

local cases = { grpo = { kl = 0.1, resample = 1 }, ppo = { samples = 2 }, rloo = {},
                reinforce_pp = { samples = 2 }, raft = {}, online_dpo = {}, remax = {} }
for name, given in pairs(cases) do
  test(name .. "_defines_and_draws_all_that_it_logs", function()
    given.name = "report-" .. name
    local run, names = hone[name](options(given)), defined()
    local page = s.read(run:path "report.html")
    check_page(page)
    for _, line in ipairs(run:history()) do
      for key in pairs(line) do
        local word = general(key)
        assert(not word or names[word], ("%s logs %s, not in the docs"):format(name, key))
      end
    end
    for _, word in ipairs { ">Reward<", ">Held out<", ">Answers<", ">Learning<", ">Time<",
      "reward, mean of a step&#39;s answers", "best validation reward" } do
      assert(page:find(word, 1, true), word)
    end
  end)
end

test("answers_have_the_scores_of_the_rewards_parts", function()
  local reward = hone.reward { { count, name = "size", weight = 0.1 }, { last, name = "last" } }
  local out = answers.collect(new_model(), prompts(3), { count = 2, max_tokens = 4, seed = 1,
    metrics = { hone.metric.length {} }, reward = reward })
  equal({ out.order[1], out.order[2], out.order[3], out.order[4] },
    { "reward", "size", "last", "length" })
  equal(#out.samples, 2)
  for _, sample in ipairs(out.samples) do
    local c = sample.scores
    assert(math.abs(c.reward - (0.1 * c.size + c.last)) < 1e-6, "the parts do not make the sum")
    equal(c.length, 4.0)
  end
  local one = answers.collect(new_model(), prompts(1), { count = 1, max_tokens = 4, seed = 1,
    metrics = {}, reward = hone.reward { { count, name = "size" } } })
  equal(#one.order, 1)
end)

test("scores_before_and_after_stand_in_the_page", function()
  local page = s.read "runs/report-grpo/report.html"
  assert(page:find("&lt;b&gt;question&lt;/b&gt; 1?", 1, true) and not page:find("<b>", 1, true))
  for _, name in ipairs { "reward", "size", "last", "length", "kind" } do
    assert(page:find('<span class="chip[^"]*">' .. name .. " <strong>"), name)
  end
end)

test("what_the_doctor_found_stands_on_top", function()
  local run = hone.grpo(options { steps = 22, reward = function() return 1 end, group = 2,
    batch = { prompts = 1 }, skip = false, name = "found", eval = { samples = 0 } })
  local page = s.read(run:path "report.html")
  check_page(page)
  local at, below = page:find("Step 20: all rewards are equal", 1, true), page:find("<svg", 1, true)
  assert(at and below and at < below, "it is not on top")
end)

test("a_run_that_failed_says_so_on_top", function()
  local o = options { name = "failed", eval = { samples = 0 } }
  o.reward = { { function(sample) error("no <idea>", 0) end, name = "bad" }, failures = "stop" }
  s.fails(hone.grpo, o)
  local page = s.read "runs/failed/report.html"
  check_page(page)
  assert(page:find("The run failed", 1, true) and page:find("no &lt;idea&gt;", 1, true))
end)

test("every_number_of_a_history_is_drawn_once", function()
  local history = {}
  for k = 1, 60 do
    history[k] = { step = k, reward = k, ["a part"] = k / 2, ["a part/sd"] = 1, seconds = 1,
                   tokens = 10, mine = k % 7, loss = 1 / k, kl = -k }
  end
  history[61] = { step = 60, validation_loss = 1, validation_kind = 2 }
  local page = curves.html(history)
  check_page(page)
  for title, n in pairs { ["reward, mean of a step&#39;s answers"] = 1, ["a part"] = 1, mine = 1,
    loss = 1, kind = 1, ["tokens a second"] = 1, ["standard deviations of parts in a step"] = 1 } do
    local _, seen = page:gsub('class="title">' .. title:gsub("%p", "%%%0") .. "<", "")
    equal({ title, seen }, { title, n })
  end
  equal(curves.html {}, "")
  -- A constant is a constant: rounding is not stretched to a chart's height.
  local flat = {}
  for k = 1, 60 do flat[k] = { step = k, lr = 0.1 + (k % 2) * 1e-17 } end
  local height
  for y in curves.html(flat):gmatch "[ML]%d[%d.]* (%d[%d.]*)" do
    height = height or y
    equal(y, height)
  end
  assert(height, "nothing was drawn")
end)

if s.failed then os.exit(1, true) end
