-- rlhf: an iteration of GRPO or PPO on a model with random weights: 8 prompts of 64
-- tokens, 8 answers of 64 tokens each.
--
-- Its floor is decoding at the rate of 16 sequences together, and 6 N multiply-adds
-- a token learned from (PPO: once more, 2 N a token each, for the reference and the
-- critic's first look) at the processor's peak. A prompt is learned from once for all
-- its answers.
local core = require "hone.core"
local files = require "hone.files"
local shapes = require "hone.bench.shapes"

local PROMPTS, ANSWERS, TOKENS = 8, 8, 64

local function prompts_of()
  local random, rows = core.random(1, "rlhf"), {}
  for i = 1, PROMPTS do
    local letters = {}
    for k = 1, TOKENS do letters[k] = string.char(96 + random:below(26)) end
    rows[i] = { prompt = table.concat(letters) }
  end
  return require("hone").data.new(rows, "bench")
end

-- The line of metrics of the best iteration after the first, parameters, and the share
-- of the time of all that was spent in neither products, attention nor the sampler.
local function measure(o)
  local hone = require "hone"
  local model = hone.model.new(shapes.find(o.shape), { seed = 1, dtype = o.dtype })
  model:set_tokenizer(hone.tokenizer.byte {})
  local ppo, before = o.algorithm == "ppo", core.spent()
  local run = hone[o.algorithm] {
    policy = model, prompts = prompts_of(), steps = 1 + (o.rounds or 2), selftest = false,
    reward = function(s) return s.tokens[#s.tokens] % 97 / 97 end,
    group = not ppo and ANSWERS or nil, samples = ppo and ANSWERS or nil,
    epochs = 1, kl = ppo and 0.05 or 0, batch = { prompts = PROMPTS, tokens = o.tokens or 2048 },
    sampling = { max_tokens = TOKENS, ignore_eos = true }, eval = { samples = 0 },
    optimizer = hone.optimizer.adamw { lr = 1e-6 }, name = "bench-rlhf",
  }
  local best, all, inside = nil, 0, 0
  for key, seconds in pairs(core.spent()) do inside = inside + seconds - before[key] end
  for _, line in ipairs(run:history()) do
    all = all + line.seconds
    if line.step > 1 and (not best or line.seconds < best.seconds) then best = line end
  end
  files.remove(run.folder)
  local all_parameters = model:counts()
  return best, all_parameters, math.max(0, 1 - inside / all)
end

return function(o, row, decode)
  o.algorithm = o.algorithm or "grpo"
  local line, parameters, apart = measure(o)
  local rate = decode({ shape = o.shape, dtype = o.dtype, sequences = 16, rounds = o.rounds })[1].value
  local answers, learned = PROMPTS * ANSWERS * TOKENS, PROMPTS * TOKENS * (1 + ANSWERS)
  local work = (o.algorithm == "ppo" and 10 or 6) * parameters * learned
  return {
    row("iterations", 1 / line.seconds, "1/s", function(limits)
      return 1 / (answers / rate + work / limits.fma)
    end),
    row("generating", line.seconds * line.generating, "s", answers / rate),
    row("scoring", line.seconds * line.scoring, "s"),
    row("learning", line.seconds * line.learning, "s", function(limits) return work / limits.fma end),
    row("answers", answers / line.seconds, "tokens/s"),
    row("other work", 100 * apart, "%", 10),
  }
end
