-- hone generate MODEL: what a model goes on to say.
local core = require "hone.core"
local files = require "hone.files"
local model = require "hone.model"

-- Print a response as it comes, whole characters at a time.
local function stream(tokenizer, ended)
  local out = tokenizer:stream()
  return function(_, _, token)
    if not ended[token] then
      io.stdout:write(out:push(token))
      io.stdout:flush()
    end
  end, function() io.stdout:write(out:finish(), "\n") end
end

local function as_json(sample)
  return core.json.encode {
    prompt = sample.prompt, response = sample.response, finish = sample.finish,
    prompt_tokens = sample.prompt_tokens, response_tokens = sample.response_tokens,
    seed = sample.seed,
  }
end

return {
  summary = "Print what a model says after a prompt.",
  words = { "MODEL" },
  flags = {
    { "prompt", "string", "TEXT", doc = "what comes before (default: nothing)" },
    { "prompt-file", "string", "FILE", doc = "the same from a file, - for standard input" },
    { "temperature", "number", "T", doc = "0 (default): the likeliest token" },
    { "top-k", "integer", "K", doc = "of the K likeliest tokens" },
    { "top-p", "number", "P", doc = "of the fewest tokens whose shares sum to P" },
    { "max-tokens", "integer", "N", doc = "of a response (default 128)" },
    { "samples", "integer", "N", doc = "responses (default 1)" },
    { "seed", "integer", "N", doc = "of sampling (default 0)" },
    { "dtype", "string", "TYPE", doc = "of weights in memory: f32, bf16, f16, stored" },
  },
  run = function(o)
    local it = model.load(o.model, { dtype = o.dtype })
    local prompt = o.prompt_file and files.need(o.prompt_file) or o.prompt or ""
    local options = { prompt = prompt, temperature = o.temperature, top_k = o.top_k,
                      top_p = o.top_p, max_tokens = o.max_tokens, samples = o.samples,
                      seed = o.seed }
    if o.json or (o.samples or 1) > 1 or not it.tokenizer then
      for _, sample in ipairs(it:generate(options)) do
        io.stdout:write(o.json and as_json(sample) or sample.response, "\n")
      end
      return
    end
    local ended = {}
    for _, id in ipairs(it.eos) do ended[id] = true end
    local eos = it.tokenizer:role("eos")
    if eos then ended[eos] = true end
    local finish
    options.on_token, finish = stream(it.tokenizer, ended)
    it:generate(options)
    finish()
  end,
}
