-- store: the work of people, kept in a file: tasks, judgements, a log of changes.
--
--   local store = hone.store("feedback.db")              -- made where there is none
--   local task = store:task { name = "answers", ask = { hone.ask.preference {} }, overlap = 3 }
--   task:add(pairs):wait():check { ... }                 -- see task.lua
--
--   store:annotator { name = "Ann", attributes = { region = "north" }, skills = { law = 0.8 } }
--   for j in store:each("judgements", { task = "answers" }) do print(j.annotator, j.seconds) end
--   store:erase(id, { text = true, reason = "asked to" })
--   local head = store:verify()                          -- raises nothing: head.ok, head.broken
--
-- What each call takes and gives stands in <hone/store.h>; fields that are null there
-- are absent here. A store is kept by a plugin of kind store; hone.store.sqlite
-- { path = } makes one alone, for request() and batch().
local core = require "hone.core"
local kinds = require "hone.kinds"
local options = require "hone.options"

local Store = { __name = "hone.store" }
Store.__index = Store

local schema = {
  { "plugin", "string", default = "sqlite", doc = "of kind store" },
  { "durable", "boolean", default = true, doc = "survives a loss of power, too" },
  { "busy", "number", default = 30, min = 0, max = 3600, doc = "seconds to wait for other writers" },
  { "clock", "function", doc = "gives the time, in seconds since 1970: for tests and simulations" },
}

-- Whom task:wait of every store asks.
local workers = {}

local function open(path, given)
  if type(path) ~= "string" then core.fail("store: takes the path of a file") end
  local o = options.check("store", schema, given)
  local plugin = core.instance("store", o.plugin, { path = path, durable = o.durable,
                                                    busy = o.busy })
  return setmetatable({ path = path, plugin = plugin, clock = o.clock,
                        workers = { table.unpack(workers) } }, Store)
end

--- A call as <hone/store.h> has it.
function Store:request(name, fields)
  if self.clock and fields.now == nil then fields.now = self.clock() end
  return self.plugin:request(name, fields)
end

--- All that fn writes, or nothing: what it raises undoes it.
function Store:atomically(fn, ...)
  if self.within then return fn(...) end
  self.plugin:batch "begin"
  self.within = true
  local results = table.pack(pcall(fn, ...))
  self.within = false
  self.plugin:batch(results[1] and "commit" or "rollback")
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- Rows one after another, a page in memory: "items", "tasks", "entries", "annotators",
--- "assignments", "judgements", "log". filter: { task, item, annotator, current, limit }.
function Store:each(what, filter)
  local request, page, at = { what = what, after = 0 }, nil, 0
  for key, value in pairs(filter or {}) do request[key] = value end
  return function()
    at = at + 1
    while not page or (at > #page.rows and page.after) do
      if page then request.after = page.after end
      request.now = nil
      page, at = self:request("list", request), 1
    end
    return page.rows[at]
  end
end

function Store:list(what, filter)
  local out = core.json.list {}
  for row in self:each(what, filter) do out[#out + 1] = row end
  return out
end

--- All of a list (see each) as JSON Lines, in a file that appears when it is whole.
--- Gives how many.
function Store:export(what, path, filter)
  local request = { what = what }
  for key, value in pairs(filter or {}) do request[key] = value end
  return self.plugin:write_lines(request, path)
end

-- ---- tasks ----

--- A task by its definition, made or found again; by its name, found. See task.lua.
function Store:task(given) return require "hone.task".open(self, given) end

--- Counts and definition of every task, in the order they were made.
function Store:tasks()
  local out = {}
  for row in self:each "tasks" do out[#out + 1] = self:request("task", { name = row.name }) end
  return out
end

--- Whom task:wait asks before it gives up: worker(task) judges what it is served.
function Store:attach(worker)
  if type(worker) ~= "function" then core.fail("store:attach takes a function of a task") end
  self.workers[#self.workers + 1] = worker
  return self
end

-- ---- items ----

--- Keep contents; gives their ids.
function Store:put(contents)
  return self:request("put_items", { items = core.json.list(contents) }).ids
end

function Store:item(id)
  local rows = self:request("list", { what = "items", item = id }).rows
  return rows[1] and rows[1].content
end

-- ---- annotators ----

--- Someone by name or id, made where new: { id, attributes, skills, state, new }.
function Store:annotator(given)
  if type(given) == "string" then given = { name = given } end
  return self:request("put_annotator", given)
end

--- All of them, with the names that were not erased.
function Store:annotators() return self:list "annotators" end

--- Forget who an annotator is; o.text: also the free text they wrote.
function Store:erase(annotator, o)
  o = options.check("erase", { { "text", "boolean", default = false, doc = "free text, too" },
                               { "reason", "string", doc = "for the log" } }, o)
  return self:request("erase", { annotator = annotator, text = o.text, reason = o.reason })
end

-- ---- the log ----

--- Follow the log: { ok, rows, hash, judgements, broken = { row, reason } }. head: an
--- earlier one, kept elsewhere, which tells when the end was cut off.
function Store:verify(head)
  return self:request("verify", { head = head and { row = head.rows or head.row,
                                                    hash = head.hash } })
end

function Store:close()
  getmetatable(self.plugin).__close(self.plugin)
end
Store.__close = Store.close

function Store:__tostring() return ("store %s"):format(self.path) end

local store = { open = open }

--- Stores that are opened from here on have this worker: see Store:attach.
function store.everywhere(worker) workers[#workers + 1] = worker end

-- hone.store.sqlite { ... }: the kind's own constructors.
return setmetatable(store, {
  __call = function(_, path, given) return open(path, given) end,
  __index = function(_, name) return kinds.find("store")[name] end,
})
