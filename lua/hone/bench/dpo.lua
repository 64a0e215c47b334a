-- dpo: a step on 8 pairs of uneven length, 64 to 512 tokens a side with a prompt of 32,
-- on a model with random weights, all of which train.
--
-- Its floor is 6 N multiply-adds a token at the processor's peak; a pair's prompt
-- counts once, padding does not exist. The reference was computed before.
local core = require "hone.core"
local files = require "hone.files"
local shapes = require "hone.bench.shapes"

local LENGTHS, PROMPT = { 64, 512, 128, 320, 96, 448, 192, 256 }, 32

local function pairs_of()
  local random, rows = core.random(1, "dpo"), {}
  local function letters(n)
    local list = {}
    for k = 1, n do list[k] = string.char(96 + random:below(26)) end
    return table.concat(list)
  end
  for i, n in ipairs(LENGTHS) do
    rows[i] = { prompt = letters(PROMPT), chosen = letters(n - PROMPT),
                rejected = letters(LENGTHS[(i + 2) % 8 + 1] - PROMPT) }
  end
  return require("hone").data.new(rows, "bench")
end

return function(o, row, peak)
  local hone = require "hone"
  local model = hone.model.new(shapes.find(o.shape), { seed = 1, dtype = o.dtype })
  model:set_tokenizer(hone.tokenizer.byte {})
  local run = hone.preference { model = model, data = pairs_of(), steps = 1 + (o.rounds or 3),
    batch = { tokens = 8192 }, eval = { samples = 0 }, selftest = false,
    optimizer = hone.optimizer.adamw { lr = 1e-6 }, name = "bench-dpo" }
  local best
  for _, line in ipairs(run:history()) do
    if line.tokens and (not best or line.seconds < best.seconds) then best = line end
  end
  files.remove(run.folder)
  return {
    row("steps", 1 / best.seconds, "1/s"),
    row("tokens", best.tokens / best.seconds, "tokens/s"),
    row("arithmetic", 6 * model:counts() * best.tokens / best.seconds / 1e9, "GFLOP/s", "fma"),
    row("peak memory", peak() / 1e9, "GB", run.record.memory.total / 1e9),
  }
end
