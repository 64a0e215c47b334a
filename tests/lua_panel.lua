-- The panel of algorithms: its text, and how it is drawn on a terminal.
package.path = os.getenv "HONE_SOURCE" .. "/tests/lua/?.lua;" .. package.path
local s = require "support"
local test, equal = s.test, s.equal
local panel = require "hone.panel"
local terminal = require "hone.terminal"

local plain = { unicode = true, dim = function(said) return said end }

local function state(more)
  local o = { label = "grpo", done = 12, total = 200, start = 2, seconds = 32, parts = {},
    now = { step = 12, reward = 0.734, reward_sd = 0.21, kl = 0.0123, length = 34.25,
            entropy = 2.31, tokens = 4896, seconds = 3.2, generating = 0.61, scoring = 0.04,
            learning = 0.35 },
    curves = { reward = { 0, 1, 2, 3, 4, 5, 6, 7 }, kl = { 1, 1, 1 }, length = { 3, 2, 1 } } }
  for key, value in pairs(more or {}) do o[key] = value end
  return o
end

test("a_curve_goes_from_its_least_to_its_most", function()
  equal(panel.sparkline({ 0, 1, 2, 3, 4, 5, 6, 7 }, 20, true), "▁▂▃▄▅▆▇█")
  equal(panel.sparkline({ 7, 0 }, 20, false), "#_")
  equal(panel.sparkline({ 0, 0, 7, 7 }, 2, true), "▁█")
  equal(panel.sparkline({ 5, 5, 5 }, 20, true), "▁▁▁")
  equal(panel.sparkline({}, 20, true), "")
  equal(panel.sparkline({ 1, 2 }, 0, true), "")
end)

test("the_panel_says_where_the_run_is", function()
  local lines = panel.lines(state(), 72, plain)
  equal(lines, {
    "grpo 12/200  3.2 s each  10:02 left                       1,530 tokens/s",
    "reward       0.734 ± 0.21     ▁▂▃▄▅▆▇█",
    "kl           0.0123           ▁▁▁",
    "length       34.25            █▅▁",
    "entropy      2.31             ",
    "time         generating 61 % ━━━━━━━━━ scoring 4 % ━ learning 35 % ━━━━━",
  })
end)

test("parts_of_the_reward_have_lines_of_their_own", function()
  local s1 = state { parts = { "polite", "short", "a_very_long_name_of_a_part" } }
  s1.now.polite, s1.now.short = 0.9, require "hone".null
  local lines = panel.lines(s1, 72, plain)
  assert(lines[3]:find "^  polite     0.9", lines[3])
  assert(lines[4]:find "^  short      none", lines[4])
  equal(#lines, 8)
end)

test("no_line_is_wider_than_the_terminal", function()
  for width = 1, 130 do
    for _, unicode in ipairs { true, false } do
      local lines = panel.lines(state { parts = { "reward of a long name", "宽字符的名字很长" },
        now = { ["reward of a long name"] = 1e-9, ["宽字符的名字很长"] = -123456789, reward = 1,
                tokens = 1 << 40, seconds = 1, generating = 1, scoring = 0, learning = 0 } }, width,
        { unicode = unicode, dim = plain.dim })
      for _, line in ipairs(lines) do
        assert(terminal.width(line) <= width, ("%d: %s"):format(width, line))
        assert(unicode or not line:find "[▁█━]" or line:find "宽", line)
      end
    end
  end
end)

-- ---- on a terminal ----

local script = [[
local hone = require "hone"
local model = hone.model.new({ model_type = "llama", hidden_size = 16, num_hidden_layers = 1,
  num_attention_heads = 2, num_key_value_heads = 1, intermediate_size = 24, vocab_size = 258,
  max_position_embeddings = 64, rms_norm_eps = 1e-5, tie_word_embeddings = true }, { seed = 1 })
model:set_tokenizer(hone.tokenizer.byte {})
local rows = {}
for i = 1, 4 do rows[i] = { prompt = "q" .. i } end
hone.grpo { policy = model, prompts = hone.data.new(rows, "rows"), steps = 30, group = 4,
  batch = { prompts = 2 }, sampling = { max_tokens = 4, ignore_eos = true },
  eval = { samples = 0 }, kl = 0.01, name = "panel",
  reward = { { function(s) return #s.response end, name = "size" },
             { function(s) return s.tokens[#s.tokens] / 256 end, name = "last" } } }
]]

test("on_a_terminal_the_panel_is_redrawn_in_place", function()
  s.write("panel.lua", script)
  s.pty("expect grpo \nexpect tokens/s\nexpect reward\nexpect size\nexpect last\n" ..
    "expect kl\nexpect length\nexpect entropy\nexpect generating\nexpect grpo 30/30\n" ..
    "expect generating\nexpect done: \nstatus 0\ncooked\n", 90, 30, "run panel.lua")
end)

test("elsewhere_there_are_plain_lines", function()
  s.write("panel.lua", script)
  local _, err, status = s.hone "run panel.lua"
  equal(status, 0)
  assert(not err:find "\27", "escape sequences in a file")
  assert(err:find "grpo 30/30 .*reward .*kl .*length .*entropy", err)
end)

if s.failed then os.exit(1, true) end
