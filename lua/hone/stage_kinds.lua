-- stage_kinds: how stages keep each kind of object: kinds[kind].write(writer, value, where)
-- gives what objects.json says of it, kinds[kind].read(reader, said) the object again.
--
--   samples, a sample    JSON Lines: tokens, log-probabilities, texts, rows. Samples that stand
--                        alone (in pairs) share a file
--   answers              asks, attributes of annotators, and each judgement as the store had it
--   judgements           rows, in the order of their names
--   labels, audits       what they were made from, and made again: a digest says that they are
--                        the same
--   models               the folder that model:save writes; one that the stage took from the
--                        script: its name, its weights are kept beside (weights.lua)
--   plugins              kind, name, options. A metric that a script defines must be defined
--                        when it is read
local captured = require "hone.captured"
local core = require "hone.core"
local lines = require "hone.lines"
local object = require "hone.object"

local kinds = {
  words = "nil, booleans, numbers, texts, tables of these, samples, answers, judgements, labels, "
    .. "audits, models, reward models, runs, plugins, data, tensors",
}

--- The kind of a value: what object says; runs have no class of their own.
function kinds.of(value)
  if type(value) ~= "table" then return object(value) end
  if captured.plain(value) then return "table" end
  local is_run = type(rawget(value, "record")) == "table" and type(rawget(value, "folder"))
  return is_run == "string" and "run" or object(value)
end

-- ---- samples ----

local function sample_row(s)
  local tokens = s.tokens
  local has = #tokens > 0
  return { prompt = s.prompt, response = s.response, finish = s.finish, group = s.group,
           seed = s.seed, row = s.row, tokens = has and core.json.list(tokens:table()) or nil,
           prompt_tokens = s.prompt_tokens, response_tokens = not has and s.response_tokens or nil,
           logp = has and s.logp and core.json.list(s.logp) or nil,
           own = has and s.own and core.json.list(s.own) or nil }
end

local function read_samples(path)
  local samples = core.samples_new()
  for row in lines.each(path) do samples:add(row) end
  return samples
end

kinds["hone.samples"] = {
  write = function(writer, samples)
    local path, name = writer:file "samples-%d.jsonl"
    lines.write(path, #samples, function(i) return sample_row(samples[i]) end)
    return { file = name, step = samples.step }
  end,
  read = function(reader, said)
    return read_samples(reader:path(said.file)):set_step(said.step)
  end,
}

kinds["hone.sample"] = {
  write = function(writer, sample)
    local pool = writer.pool
    if not pool then
      local path, name = writer:file "samples-%d.jsonl"
      pool = { name = name, list = {} }
      writer.pool = pool
      writer.later[#writer.later + 1] = function()
        lines.write(path, #pool.list, function(i) return sample_row(pool.list[i]) end)
      end
    end
    pool.list[#pool.list + 1] = sample
    return { file = pool.name, at = #pool.list }
  end,
  read = function(reader, said)
    reader.pool = reader.pool or read_samples(reader:path(said.file))
    return reader.pool[said.at]
  end,
}

-- ---- judgements ----

kinds["hone.collected"] = {
  write = function(writer, answers)
    local path, name = writer:file "answers-%d.jsonl"
    lines.write(path, #answers.records, function(i) return answers.records[i] end)
    return { file = name, asks = require "hone.ask".specs(answers.list),
             attributes = answers.attributes }
  end,
  read = function(reader, said)
    return require "hone.collected".new { asks = said.asks, attributes = said.attributes,
                                          records = lines.each(reader:path(said.file)) }
  end,
}

kinds["hone.judgements"] = require "hone.stage_judgements"

-- ---- what was made of them ----

-- A table of a class, field by field.
local function fields(names)
  return function(writer, value, where)
    local out = {}
    for _, name in ipairs(names) do
      out[name] = writer:value(value[name], where .. "." .. name)
    end
    return { fields = out }
  end
end

local function read_fields(reader, said)
  local out = {}
  for name, field in pairs(said.fields) do out[name] = reader:value(field) end
  return out
end

kinds["hone.judgements.set"] = {
  write = fields { "tables" },
  read = function(reader, said)
    return require "hone.judgements".set(read_fields(reader, said).tables)
  end,
}

kinds["hone.checked"] = {
  write = fields { "parts", "passed", "kept", "removed" },
  read = function(reader, said)
    return setmetatable(read_fields(reader, said), require "hone.checked")
  end,
}

-- What is computed again must come to the same.
local function digest_of(labels) return core.digest(core.json.encode((labels:rows()))) end

local write_labels = fields { "plugin", "judgements", "part", "name", "weights", "soft", "changed",
                              "mitigation" }
kinds["hone.labels"] = {
  write = function(writer, labels, where)
    local out = write_labels(writer, labels, where)
    out.digest = digest_of(labels)
    return out
  end,
  read = function(reader, said)
    local labels = require "hone.labels".restore(read_fields(reader, said))
    if digest_of(labels) ~= said.digest then
      core.fail(("%s: %s gives other labels than when they were kept: another build of hone?")
        :format(reader.folder, labels.plugin.name))
    end
    return labels
  end,
}

kinds["hone.labels.set"] = {
  write = function(writer, set, where)
    local by_name = {}
    for _, name in ipairs(set:names()) do by_name[name] = set[name] end
    return { fields = { by_name = writer:value(by_name, where) } }
  end,
  read = function(reader, said)
    return require "hone.labels".set(read_fields(reader, said).by_name)
  end,
}

kinds["hone.audit"] = {
  write = fields { "subject", "detectors", "alpha", "mitigation" },
  read = function(reader, said)
    local found = read_fields(reader, said)
    local audit = require "hone.audit" { found.subject, alpha = found.alpha,
                                         table.unpack(found.detectors) }
    audit.mitigation = found.mitigation
    return audit
  end,
}

-- ---- models and what trains ----

local function check_hash(reader, said, model)
  if model:hash() ~= said.hash then
    core.fail(("%s: the model in %s has other weights than when it was kept"):format(
      reader.folder, said.file))
  end
end

local function dtype_of(model) return model:parameters()[1].weight.dtype end

kinds["hone.model"] = {
  write = function(writer, model)
    local name = writer.known and writer.known[model]
    if name then return { variable = name } end
    local path, file = writer:file "model-%d"
    model:save(path)
    return { file = file, dtype = dtype_of(model), hash = model:hash() }
  end,
  read = function(reader, said)
    if said.variable then return reader.known[said.variable] end
    local model = require "hone.model".load(reader:path(said.file), { dtype = said.dtype })
    check_hash(reader, said, model)
    return model
  end,
}

kinds["hone.reward_model"] = {
  write = function(writer, liked)
    local path, file = writer:file "reward-model-%d"
    liked:save(path)
    return { file = file, dtype = dtype_of(liked.model),
             run = liked.run and liked.run.name or nil }
  end,
  read = function(reader, said)
    return require "hone.reward_model".load(reader:path(said.file), { dtype = said.dtype })
  end,
}

kinds.run = {
  write = function(_, run) return { name = run.name } end,
  read = function(_, said) return require "hone.run".read(said.name) end,
}

-- ---- the others ----

kinds["hone.plugin"] = {
  write = function(_, plugin)
    local ok, d = pcall(function() return plugin:definition() end)
    return { of = plugin.kind, name = plugin.name, options = plugin.options,
             definition = ok and d and d:hash() or nil }
  end,
  read = function(reader, said)
    local made = core.instance(said.of, said.name, said.options)
    if said.definition and made:definition():hash() ~= said.definition then
      core.fail(("%s: %s/%s is defined otherwise than when it was kept"):format(reader.folder,
        said.of, said.name))
    end
    return made
  end,
}

kinds["hone.data"] = {
  write = function(writer, data)
    local path, file = writer:file "data-%d.jsonl"
    lines.write(path, #data, function(i) return data[i] end)
    return { file = file, name = data.name }
  end,
  read = function(reader, said)
    local rows = core.json.list {}
    for row in lines.each(reader:path(said.file)) do rows[#rows + 1] = row end
    return core.data_new(rows, said.name)
  end,
}

kinds["hone.parts"] = {
  write = function(writer, parts, where)
    local out = { names = parts.names }
    for _, name in ipairs(parts.names) do out[name] = parts[name] end
    return { fields = { parts = writer:value(out, where) } }
  end,
  read = function(reader, said) return read_fields(reader, said).parts end,
}

kinds["hone.tensor"] = {
  write = function(writer, tensor)
    local path, file = writer:file "tensor-%d.safetensors"
    core.tensors.write(path, { { "value", tensor } })
    return { file = file }
  end,
  read = function(reader, said)
    return core.tensors.open(reader:path(said.file)):read "value"
  end,
}

return kinds
