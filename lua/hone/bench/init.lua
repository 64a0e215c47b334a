-- bench: how fast hone is here, as shares of what the machine can do.
--
-- Every bench gives rows { name, value, unit, limit, share }: limit is the
-- machine's own, measured in the same run, in the same unit; share is value /
-- limit. Models have random weights, texts are made: no files are needed.
local core = require "hone.core"
local files = require "hone.files"
local shapes = require "hone.bench.shapes"
local text = require "hone.text"

local benches, bench = {}, { names = { "machine", "train", "decode", "prefill", "tokenize", "start", "rlhf", "dpo" } }

-- limit: a number, which of the machine's ("fma", "read"), in units of 1e9, or a
-- function of these.
local function row(name, value, unit, limit)
  return { name = name, value = value, unit = unit, limit = limit }
end

-- Seconds that each of `times` calls takes at best.
local function best(times, fn)
  local least = math.huge
  for i = 1, times do
    local began = core.system.clock()
    fn(i)
    least = math.min(least, core.system.clock() - began)
  end
  return least
end

-- Bytes that this process has held at most; 0 where the system does not say.
local function peak()
  local said = files.read("/proc/self/status")
  return said and 1024 * (tonumber(said:match("VmHWM:%s*(%d+)")) or 0) or 0
end

local function model_of(o)
  local hone = require "hone"
  return hone.model.new(shapes.find(o.shape), { seed = 1, dtype = o.dtype, precision = o.precision })
end

local function random_ids(count, vocab, name)
  local random, ids = require("hone").random(1, name), {}
  for i = 1, count do ids[i] = random:below(vocab) - 1 end
  return ids
end

local function batch_of(o)
  local sequences, length = o.batch:match("^(%d+)x(%d+)$")
  sequences, length = math.tointeger(sequences), math.tointeger(length)
  if not sequences or sequences < 1 or length < 2 then
    core.fail(("bench: --batch '%s': SEQUENCESxTOKENS is needed, as 4x256"):format(o.batch))
  end
  return sequences, length
end

--- A whole step of training: forward, backward, AdamW.
function benches.train(o)
  local hone, update = require "hone", require "hone.update"
  local sequences, length = batch_of(o)
  local model = model_of(o)
  model:attach(hone.strategy.full {})
  model:set_recompute(o.recompute or false)
  local optimizer = hone.optimizer.adamw {}:on(model)
  local batch = core.batch_new()
  for i = 1, sequences do batch:add(random_ids(length, model.vocab, "train/" .. i)) end
  local group = { batch, weight = batch.weight, tokens = batch.tokens }
  local estimate = model:estimate(batch.tokens, batch.outputs, 2)
  local seconds = best(o.rounds or 4, function(i)
    local loss, problem = update(model, optimizer, group, { seed = i, clip = 1, rate = 1e-3 })
    if not loss then core.fail(problem) end
  end)
  local rate, parameters = batch.tokens / seconds, model:counts()
  local flops = 6 * parameters * rate / 1e9
  return {
    row("tokens", rate, "tokens/s"),
    row("arithmetic", flops, "GFLOP/s", "fma"),
    row("sustained", flops, "GFLOP/s", "sustained"),
    row("peak memory", peak() / 1e9, "GB", estimate.total / 1e9),
  }
end

--- Decoding, one token a sequence a step; the prompt's time is taken off.
function benches.decode(o)
  local model, sequences = model_of(o), o.sequences or 1
  local prompts = {}
  for i = 1, sequences do prompts[i] = random_ids(16, model.vocab, "decode/" .. i) end
  local function seconds(tokens)
    return best(o.rounds or 3, function()
      model:generate { prompts = prompts, max_tokens = tokens, ignore_eos = true, batch = sequences }
    end)
  end
  local few, many = 8, 8 + (o.tokens or 64)
  local steps = (many - few) / (seconds(many) - seconds(few))
  local width = ({ bf16 = 2, f16 = 2 })[o.dtype] or 4
  return {
    row("tokens", sequences * steps, "tokens/s"),
    row("weights read", model:counts() * width * steps / 1e9, "GB/s", "read"),
  }
end

--- One prompt, of which only the last position's logits are asked for.
function benches.prefill(o)
  local model, tokens = model_of(o), o.tokens or 512
  local ids, layers = random_ids(tokens, model.vocab, "prefill"), 0
  for _, p in ipairs(model:parameters()) do
    local count = p.layer >= 0 and 1 or 0
    for _, extent in ipairs(p.weight.shape) do count = count * extent end
    layers = layers + count
  end
  local seconds = best(o.rounds or 5, function()
    model:generate { prompts = { ids }, max_tokens = 1, ignore_eos = true }
  end)
  local flops = 2 * layers * tokens / seconds / 1e9
  return {
    row("tokens", tokens / seconds, "tokens/s"),
    row("arithmetic", flops, "GFLOP/s", "fma"),
    row("sustained", flops, "GFLOP/s", "sustained"),
  }
end

-- English-like text of n bytes: words of Zipf's frequencies.
local function prose(n)
  local random, words, parts, size = require("hone").random(1, "prose"), {}, {}, 0
  for i = 1, 5000 do
    local letters = {}
    for j = 1, 2 + random:below(8) do letters[j] = string.char(96 + random:below(26)) end
    words[i] = table.concat(letters)
  end
  while size < n do
    local word = words[math.min(5000, math.floor(5000 ^ random:uniform()))]
    parts[#parts + 1] = word
    size = size + #word + 1
  end
  return table.concat(parts, " ")
end

--- Encoding on one thread. --tokenizer and --text name others than those made here.
function benches.tokenize(o)
  local hone = require "hone"
  local said = o.text and files.need(o.text) or prose(1 << 21)
  local tokenizer = o.tokenizer and hone.tokenizer.load(o.tokenizer) or
    hone.tokenizer.bpe {}:train({ said:sub(1, 1 << 19) }, 4096)
  local count
  local seconds = best(o.rounds or 3, function() count = #tokenizer:encode(said) end)
  return { row("bytes", #said / seconds / 1e6, "MB/s"), row("tokens", count / seconds, "tokens/s") }
end

--- From nothing to the version, and to the first step of a small model.
function benches.start(o)
  local hone, update = require "hone", require "hone.update"
  local program = core.system.program()
  local version = best(o.rounds or 10, function()
    if not os.execute(("'%s' version >/dev/null"):format(program:gsub("'", "'\\''"))) then
      core.fail(("bench: %s version failed"):format(program))
    end
  end)
  local first = best(o.rounds or 5, function()
    local model = hone.model.new(shapes.find "stories260k", { seed = 1 })
    model:attach(hone.strategy.full {})
    local batch = core.batch_new()
    batch:add(random_ids(256, model.vocab, "start"))
    update(model, hone.optimizer.adamw {}:on(model), { batch, weight = batch.weight, tokens = batch.tokens },
           { seed = 1, clip = 1, rate = 1e-3 })
  end)
  return { row("hone version", 1e3 * version, "ms", 30), row("first step", 1e3 * first, "ms", 200) }
end

--- An iteration of reinforcement learning: see rlhf.lua.
function benches.rlhf(o) return require "hone.bench.rlhf"(o, row, benches.decode) end

--- A step of DPO: see dpo.lua.
function benches.dpo(o) return require "hone.bench.dpo"(o, row, peak) end

--- Rows of a bench by name, and the machine's limits. These are measured last:
--- their memory is not the bench's.
function bench.run(name, o)
  local rows = benches[name] and benches[name](o) or {}
  local limits = core.measure_machine()
  if name == "machine" then
    rows = { row("fma", limits.fma / 1e9, "GFLOP/s"), row("sustained", limits.sustained / 1e9, "GFLOP/s", "fma"),
             row("bf16 dot", limits.bf16 / 1e9, "GFLOP/s"),
             row("product", limits.packed / 1e9, "GFLOP/s", "fma"),
             row("bf16 product", limits.packed_bf16 / 1e9, "GFLOP/s", "packed"),
             row("OpenBLAS", limits.product / 1e9, "GFLOP/s", "fma"), row("read", limits.read / 1e9, "GB/s") }
  end
  for _, r in ipairs(rows) do
    if type(r.limit) == "function" then r.limit = r.limit(limits)
    elseif limits[r.limit] then r.limit = limits[r.limit] / 1e9 end
    r.bench, r.share = name, r.limit and r.value / r.limit
  end
  return rows, limits
end

--- A row as a line for people.
function bench.line(r)
  local limit = r.limit and ("  of %s, %s %%"):format(text.number(r.limit), ("%.1f"):format(100 * r.share)) or ""
  return ("%-14s %12s %-9s%s"):format(r.name, text.number(r.value), r.unit, limit)
end

return bench
