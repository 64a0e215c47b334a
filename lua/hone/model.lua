-- model: hone.model.load(folder), hone.model.new(config), and model:generate.
local core = require "hone.core"
local options = require "hone.options"
require "hone.select" -- samples:pair

local model = {}

local load_schema = {
  { "dtype", "choice", default = "f32", choices = { "f32", "bf16", "f16", "stored" },
    doc = "of weights in memory" },
  { "precision", "choice", default = "f32", choices = { "f32", "bf16" },
    doc = "of products with the weights" },
  { "recompute", "boolean", default = false, doc = "blocks keep only their input for backward" },
  { "tokenizer", "boolean", default = true, doc = "look for one" },
}

--- A folder with config.json, *.safetensors and, where present, a tokenizer.
function model.load(folder, given)
  if type(folder) ~= "string" then core.fail("model.load: takes the path of a folder") end
  return core.model_load(folder, options.check("model.load", load_schema, given))
end

--- Random weights from a configuration: a table as config.json is.
function model.new(config, given)
  if type(config) ~= "table" then core.fail("model.new: takes a table as config.json is") end
  local schema = { { "seed", "integer", default = 0, doc = "of the weights" },
                   table.unpack(load_schema) }
  local o = options.check("model.new", schema, given)
  return core.model_new(config, o.seed, o)
end

local head_schema = {
  { "outputs", "integer", default = 1, min = 1, max = 65536, doc = "numbers a row" },
  { "bias", "boolean", default = false, doc = "not of the head 'score'" },
  { "sd", "number", min = 0, doc = "of its random weights; unset: 1/sqrt(width + 1); 0: zeros" },
  { "seed", "integer", default = 0, doc = "of the weights" },
}

--- A linear head on hidden states, trained with any strategy: see <hone/model.h>.
local bound_add_head = core.model.add_head
function core.model:add_head(name, given)
  return bound_add_head(self, name, options.check("add_head", head_schema, given))
end

local generate_schema = {
  { "prompt", "any", doc = "a text, a list of ids" },
  { "prompts", "any", doc = "a list of texts, of lists of ids, of { ids = , row = }, or data" },
  { "samples", "integer", default = 1, min = 1, max = 1 << 20, doc = "of each prompt" },
  { "max_tokens", "integer", default = 128, min = 1, max = 1 << 30, doc = "of a response" },
  { "temperature", "number", default = 0, min = 0, doc = "0: the likeliest token" },
  { "top_k", "integer", default = 0, min = 0, doc = "0: all" },
  { "top_p", "number", default = 1, min = 0, max = 1, open_min = true, doc = "1: all" },
  { "min_p", "number", default = 0, min = 0, max = 1, doc = "0: all" },
  { "repetition_penalty", "number", default = 1, min = 0, open_min = true,
    doc = "of tokens that prompt or response has; 1: none" },
  { "seed", "integer", default = 0, doc = "of sampling" },
  { "batch", "integer", default = 0, min = 0, doc = "sequences decoded together; 0: 16" },
  { "adapters", "boolean", default = true, doc = "of the model's strategy" },
  { "stop", "list", of = "string", doc = "texts that end a response" },
  { "stop_tokens", "any", doc = "ids that end a response, besides the model's" },
  { "ignore_eos", "boolean", default = false, doc = "go on after the end of a text" },
  { "template", "choice", default = "plain", choices = { "plain", "chatml" },
    doc = "of data's messages" },
  { "environment", "function",
    doc = "called with prompt, sample, text, turn when a turn ends; its answer goes on, nil ends" },
  { "turns", "integer", default = 0, min = 0, doc = "of the model, at most; 0: any" },
  { "on_token", "function", doc = "called with prompt, sample, token, logp; false stops" },
}

-- { ids = , row = } of one prompt: a text gets what the model expects before it.
local function prompt_of(self, value)
  if type(value) == "table" and value.ids then return value end
  if type(value) ~= "string" then return { ids = value } end
  local tokenizer = self.tokenizer
  if not tokenizer then core.fail("generate: the model has no tokenizer: give lists of ids") end
  local ids = tokenizer:encode(value, { bos = true })
  if #ids == 0 then core.fail("generate: an empty prompt, and the tokenizer has no BOS token") end
  return { ids = ids }
end

local function prompts_of(self, o)
  if (o.prompt == nil) == (o.prompts == nil) then
    core.fail("generate: needs prompt = TEXT, or prompts = LIST or data")
  end
  if o.prompt ~= nil then return { prompt_of(self, o.prompt) } end
  local list, data = {}, o.prompts
  if type(data) == "userdata" then
    for i = 1, #data do
      list[i] = { ids = data:prompt(i, self, { template = o.template }), row = data[i] }
    end
    return list
  end
  if type(data) ~= "table" then core.fail("generate: prompts is a list, or data") end
  for i, value in ipairs(data) do list[i] = prompt_of(self, value) end
  return list
end

--- Samples: #samples, samples[i].response, .prompt, .tokens, .logp, .finish ...
function core.model:generate(given)
  local o = options.check("generate", generate_schema, given)
  return core.generate(self, prompts_of(self, o), o, o.on_token)
end

return model
