-- hone eval MODEL --text FILE: how well a model predicts a text.
local core = require "hone.core"
local evaluate = require "hone.evaluate"
local files = require "hone.files"
local model = require "hone.model"
local text = require "hone.text"

return {
  summary = "Measure how well a model predicts a text: nats a token, less is better.",
  words = { "MODEL" },
  flags = {
    { "text", "string", "FILE", doc = "a text, - for standard input" },
    { "bytes", "integer", "N", doc = "only its first N bytes" },
    { "tokens", "integer", "N", doc = "only its first N tokens" },
    { "dtype", "string", "TYPE", doc = "of weights in memory: f32, bf16, f16, stored" },
  },
  run = function(o)
    if not o.text then core.fail("eval: --text FILE is missing") end
    for _, key in ipairs { "bytes", "tokens" } do
      if o[key] and o[key] < 1 then core.fail(("eval: --%s: at least 1"):format(key)) end
    end
    local it = model.load(o.model, { dtype = o.dtype })
    if not it.tokenizer then core.fail(("eval: %s has no tokenizer"):format(o.model)) end
    local said = files.need(o.text)
    local ids = it.tokenizer:encode(o.bytes and said:sub(1, o.bytes) or said, { bos = true })
    if o.tokens then ids = ids:slice(1, o.tokens) end
    local result = evaluate.text(it, ids)
    if o.json then
      print(core.json.encode { tokens = result.tokens, predicted = result.predicted,
                               nats_per_token = result.loss, perplexity = result.perplexity,
                               nats = result.nats })
    else
      print(("%s tokens, %.6f nats a token, perplexity %s"):format(text.integer(result.tokens),
        result.loss, text.number(result.perplexity)))
    end
  end,
}
