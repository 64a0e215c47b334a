-- hone bench WHAT: how fast hone is here, as a share of what the machine can do.
local bench = require "hone.bench"
local core = require "hone.core"
local text = require "hone.text"

local shape = { train = "gpt2-124m", decode = "smollm2-135m", prefill = "smollm2-135m", rlhf = "smollm2-135m",
                dpo = "smollm2-135m" }

return {
  summary = "Measure speed against the machine's limits: machine, train, decode, prefill, tokenize, start, rlhf, dpo.",
  words = { "WHAT" },
  flags = {
    { "shape", "string", "NAME", doc = "of a model: gpt2-124m, smollm2-135m, stories260k, ..." },
    { "batch", "string", "SxT", doc = "train: sequences x tokens, 4x256" },
    { "sequences", "integer", "N", doc = "decode: together, 1" },
    { "tokens", "integer", "N", doc = "decode: of a response, 64; prefill: of the prompt, 512; rlhf: of a pass" },
    { "dtype", "string", "TYPE", doc = "of weights: f32, bf16, f16" },
    { "precision", "string", "TYPE", doc = "of products: f32, bf16" },
    { "recompute", "boolean", doc = "train: keep only the blocks' inputs" },
    { "tokenizer", "string", "PATH", doc = "tokenize: another than one made here" },
    { "text", "string", "FILE", doc = "tokenize: another than one made here" },
    { "algorithm", "string", "NAME", doc = "rlhf: grpo, ppo" },
    { "rounds", "integer", "N", doc = "of which the best counts" },
  },
  run = function(o)
    local name = o.what
    local known = table.concat(bench.names, ", ")
    if not (", " .. known .. ","):find(", " .. name .. ",", 1, true) then
      core.fail(("bench: unknown bench '%s'%s (known: %s)"):format(name,
        text.suggest(name, { table.unpack(bench.names) }), known))
    end
    o.shape, o.batch = o.shape or shape[name], o.batch or "4x256"
    local rows, limits = bench.run(name, o)
    if limits.blas_narrow then
      core.log("warn", ("OpenBLAS uses kernels for %s, whose vectors are narrower than this processor's; is OPENBLAS_CORETYPE set?")
        :format(limits.blas_core))
    end
    if not o.json then
      print(("%s threads, %s kernels, OpenBLAS for %s%s"):format(limits.threads, limits.kernels, limits.blas_core,
        o.shape and "; " .. o.shape or ""))
    end
    for _, row in ipairs(rows) do print(o.json and core.json.encode(row) or bench.line(row)) end
  end,
}
