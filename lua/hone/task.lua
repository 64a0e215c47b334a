-- task: items put before people, and what they said.
--
--   local task = store:task { name = "answers", overlap = 3, gold = 0.05, repeats = 0.05,
--     ask = { hone.ask.preference {}, hone.ask.rating(concise) },
--     guideline = "guidelines/answers.md", qualification = { attributes = { region = { "eu" } } } }
--   local answers = task:add(pairs):wait()
--
-- The same name with the same definition is the same task; another definition is an
-- error that says what differs, unless revise = true makes it a new version. The
-- guideline's text goes into the store: what people were told is known for each judgement.
--
-- Serving, as `hone annotate` does it:
--
--   local a = task:next(annotator)            -- nil: nothing (left) for them
--   task:submit(a, { preference = "first" }, { seconds = 12.5, key = "..." })
--   task:skip(a, "not my field"); task:flag(a, "truncated"); task:release(a)
--   task:change(judgement, annotator, answers, { seconds = 3 })
--
-- Item: a table of content as ask/content.lua has it, with gold = { ask = answer } for an
-- item whose answers are known, wanted = n for another overlap; or a pair of samples.
local ask = require "hone.ask"
local core = require "hone.core"
local files = require "hone.files"
local metrics = require "hone.task_metrics"
local options = require "hone.options"
local text = require "hone.text"

local Task = { __name = "hone.task" }
Task.__index = Task

local schema = {
  { "name", "string", required = true, doc = "of the task" },
  { "ask", "any", required = true, doc = "a list of asks" },
  { "overlap", "integer", default = 3, min = 1, max = 1000000,
    doc = "judgements an item wants; no less than its metrics' raters" },
  { "gold", "number", default = 0, min = 0, max = 1, doc = "share of gold items" },
  { "repeats", "number", default = 0, min = 0, max = 1, doc = "share asked again, order turned" },
  { "lease", "number", default = 1800, min = 1, doc = "seconds until an item goes to another" },
  { "seed", "integer", default = 0, min = 0, doc = "of orders and shares" },
  { "guideline", "path", doc = "file of what people are told" },
  { "glossary", "any", doc = "{ word = meaning }, shown beside the guideline" },
  { "qualification", "any",
    doc = "{ attributes = { name = { values } }, skills = { name = least } }" },
  { "extra", "any", doc = "kept with the definition" },
  { "revise", "boolean", default = false, doc = "make another definition a new version" },
}

local task = {}

-- ---- opening ----

local function guideline_id(store, path)
  if not path then return nil end
  local said = files.read(path)
  if not said then core.fail(("task: guideline: %s: there is no such file"):format(path)) end
  return store:put { { text = said } }[1]
end

local function wrap(store, reply)
  local definition = reply.definition
  return setmetatable({ store = store, name = reply.name, version = reply.version,
                        definition = definition, asks = ask.list(definition.ask) }, Task)
end

local function find(store, name)
  local reply = store:request("task", { name = name })
  if reply then return wrap(store, reply) end
  local known = {}
  for row in store:each "tasks" do known[#known + 1] = row.name end
  core.fail(("%s has no task '%s'%s"):format(store.path, name, text.suggest(name, known)))
end

function task.open(store, given)
  if type(given) == "string" then return find(store, given) end
  local o = options.check("task", schema, given)
  local asks, known = ask.list(o.ask), store:request("task", { name = o.name })
  metrics.check(asks, known and known.definition)
  o.overlap = math.max(o.overlap, metrics.raters(asks))
  local extra = {}
  for key, value in pairs(o.extra or {}) do extra[key] = value end
  extra.glossary = o.glossary
  local definition = {
    name = o.name, ask = ask.specs(o.ask), overlap = o.overlap, gold = o.gold,
    repeats = o.repeats, lease = o.lease, seed = o.seed, qualification = o.qualification,
    guideline = guideline_id(store, o.guideline), extra = next(extra) and extra or nil,
  }
  return wrap(store, store:request("put_task", { definition = definition, revise = o.revise }))
end

-- ---- items ----

local function tokens_of(sample)
  local ok, n = pcall(function() return sample.response_tokens end)
  return ok and math.type(n) == "integer" and n > 0 and n or nil
end

local apart = { gold = true, wanted = true, sides = true }

-- Content of a sample, or of a pair of samples: their texts and the prompt, and how many
-- tokens the responses have.
local function content_of(row)
  if row.left == nil or type(row.left) == "string" then return row end
  local out = {}
  for key, value in pairs(row) do
    if type(value) ~= "userdata" then out[key] = value end
  end
  out.prompt = row.prompt or row.left.prompt
  out.left, out.right = ask.content.text(row.left), ask.content.text(row.right)
  out.left_tokens, out.right_tokens = tokens_of(row.left), tokens_of(row.right)
  return out
end

local function item_of(row)
  if type(row) == "userdata" then return { content = { prompt = row.prompt, response = row.response,
                                                         response_tokens = tokens_of(row) } } end
  local content = {}
  for key, value in pairs(content_of(row)) do
    if not apart[key] then content[key] = value end
  end
  local options = #ask.content.options(content)
  return { content = content, gold = row.gold, wanted = row.wanted,
           sides = row.sides or (options > 1 and options or 0) }
end

--- Items, a list or samples; those that are there already stay. Gives the task.
function Task:add(items)
  local page = core.json.list {}
  local function put()
    if #page > 0 then self.store:request("add", { task = self.name, items = page }) end
    page = core.json.list {}
  end
  if type(items) == "userdata" and items.rows then items = items:rows() end
  self.store:atomically(function()
    for i = 1, #items do
      page[#page + 1] = item_of(items[i])
      if #page == 1000 then put() end
    end
    put()
  end)
  return self
end

--- How many judgements one item wants; 0: no more.
function Task:want(item, count)
  self.store:request("set_item", { task = self.name, item = item, wanted = count })
end

--- Judgements made elsewhere: rows as hone_store_import has them.
function Task:import(rows)
  return self.store:request("import", { task = self.name, rows = core.json.list(rows) })
end

--- JSON Lines of such rows, or of items { content = , gold = }: all or, when a line is
--- broken, none; o.keep: all but the broken. { lines, judgements, items, again, broken, errors }.
function Task:load(path, o)
  o = options.check("load", { { "keep", "boolean", default = false,
                                doc = "all but broken lines" } }, o)
  return self.store.plugin:read_lines(self.name, path, o.keep)
end

-- ---- serving ----

local function id_of(annotator) return type(annotator) == "table" and annotator.id or annotator end

--- What an annotator judges next; nil when there is nothing for them.
function Task:next(annotator)
  local a = self.store:request("next", { task = self.name, annotator = id_of(annotator) })
  if a then a.annotator = id_of(annotator) end
  return a
end

local submit_schema = {
  { "seconds", "number", min = 0, doc = "spent on it" },
  { "key", "string", doc = "that makes sending it twice harmless" },
}

local function send(self, where, given, content, order, answers, o)
  o = options.check(where, submit_schema, o)
  local problem = ask.problem(self.asks, answers, content, order)
    or metrics.problem(self.asks, answers, content, order)
  if problem then core.fail(("%s: %s"):format(where, problem)) end
  given.answers = ask.pack(self.asks, answers, content, order)
  given.seconds, given.key = o.seconds, o.key
  return self.store:request("submit", given)
end

--- Answers { ask = value } to an assignment, checked by the asks: { judgement, again }. Where
--- metrics that say when people may stop are sure of the item, it wants no more.
function Task:submit(a, answers, o)
  local reply = send(self, "submit", { assignment = a.id, annotator = a.annotator }, a.content,
                     a.order, answers, o)
  local enough, count = metrics.enough(self, a.item)
  if enough then self:want(a.item, count) end
  return reply
end

--- Other answers in the place of a judgement of this annotator's.
function Task:change(judgement, a, answers, o)
  return send(self, "change", { supersedes = judgement, annotator = a.annotator }, a.content,
              a.order, answers, o)
end

local function leave(self, a, how, reason)
  self.store:request("leave", { assignment = a.id, annotator = a.annotator, how = how,
                                reason = reason })
end
function Task:skip(a, reason) leave(self, a, "skip", reason) end
function Task:flag(a, reason) leave(self, a, "flag", reason) end
function Task:release(a) leave(self, a, "release") end

-- ---- where it stands ----

--- { items, gold, finished, wanted, judgements, live, skipped, flagged, state }.
function Task:counts()
  local reply = self.store:request("task", { name = self.name })
  reply.definition = nil
  return reply
end

function Task:set(state) self.store:request("set_task", { name = self.name, state = state }) end
function Task:pause() self:set "paused" end
function Task:resume() self:set "open" end
function Task:close() self:set "closed" end

--- The guideline that people see; nil without one.
function Task:guideline()
  local id = self.definition.guideline
  local item = id and id ~= core.null and self.store:item(id)
  return item and item.text
end

function Task:glossary()
  local extra = self.definition.extra
  return extra and extra ~= core.null and extra.glossary or {}
end

--- Judgements with their items' content: { item, content, annotator, order, answers,
--- seconds, at, kind, version, guideline, metrics, gold }.
function Task:judgements(filter)
  local request, cache, kept = { task = self.name }, {}, 0
  for key, value in pairs(filter or {}) do request[key] = value end
  local following = self.store:each("judgements", request)
  return function()
    local j = following()
    if not j then return nil end
    if not cache[j.item] then
      if kept >= 10000 then cache, kept = {}, 0 end
      cache[j.item], kept = self.store:item(j.item), kept + 1
    end
    j.content = cache[j.item]
    return j
  end
end

--- What people said so far: tables to check and to aggregate (collected.lua).
function Task:answers()
  local attributes = {}
  for row in self.store:each "annotators" do attributes[row.id] = row.attributes end
  return require "hone.collected".new { asks = self.asks, records = self:judgements(),
                                        attributes = attributes }
end

--- The answers, once all that is wanted is there. Attached workers are asked first; when
--- people are needed the program ends with status 75, and the script goes on from here
--- when it is run again.
function Task:wait()
  for _, worker in ipairs(self.store.workers) do
    if self:counts().wanted > 0 then worker(self) end
  end
  local c = self:counts()
  if c.items > 0 and c.wanted == 0 then return self:answers() end
  if c.items == 0 then core.fail(("task '%s' has no items to wait for"):format(self.name)) end
  local said = ("waiting for people: '%s' has %d of %d judgements: "
    .. "`hone annotate %s %s --as NAME`; `hone run --resume` goes on"):format(self.name,
    c.judgements, c.judgements + c.wanted, self.store.path, self.name)
  error(setmetatable({ status = 75, waiting = self.name, text = said },
                     { __tostring = function(e) return e.text end }), 0)
end

function Task:__tostring()
  local c = self:counts()
  return ("task %s: %d of %d items finished, %d judgements, %d to come"):format(self.name,
    c.finished, c.items, c.judgements, c.wanted)
end

-- task:simulate(pool) and others, where their modules are.
setmetatable(Task, { __index = function(_, name)
  if name == "simulate" then return require "hone.simulate".task end
end })

return task
