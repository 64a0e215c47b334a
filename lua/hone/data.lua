-- data: hone.data.load(path):clean { ... }:split { ... }
local core = require "hone.core"
local options = require "hone.options"
local text = require "hone.text"

local data = {}

local load_schema = {
  { "columns", "any", doc = "names: { prompt = \"question\" } reads column question as prompt" },
  { "unit", "choice", choices = { "paragraph", "line", "file" }, doc = "of a text's rows" },
  { "limit", "integer", min = 1, doc = "rows at most" },
  { "utf8", "choice", choices = { "error", "drop" }, doc = "rows of invalid UTF-8" },
}

--- JSONL, JSON, CSV or text, plain or .gz.
function data.load(path, given)
  if type(path) ~= "string" then core.fail("data.load: takes the path of a file") end
  return core.data_load(path, options.check("data.load", load_schema, given))
end

--- From a list of tables.
function data.new(rows, name)
  if type(rows) ~= "table" then core.fail("data.new: takes a list of rows") end
  return core.data_new(rows, name)
end

local methods = core.data

local clean_schema = {
  { "dedup", "boolean", default = true, doc = "drop normalised exact duplicates" },
  { "min_chars", "integer", default = 0, min = 0, doc = "of a row's texts" },
  { "max_chars", "integer", min = 1, doc = "of a row's texts" },
  { "near", "number", min = 0, max = 1, doc = "drop rows as similar to an earlier one" },
}

-- "clean: 175 rows, 172 kept: 2 duplicate (seeds.jsonl:12, seeds.jsonl:40), 1 short".
local function clean_line(report)
  local dropped, names = {}, {}
  for name in pairs(report.dropped) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local d = report.dropped[name]
    if d.count > 0 then
      local more = d.count > #d.examples and ", ..." or ""
      dropped[#dropped + 1] = ("%s %s (%s%s)"):format(text.integer(d.count), name,
                                                      table.concat(d.examples, ", "), more)
    end
  end
  return ("clean: %s, %s kept%s"):format(text.count(report.before, "row"),
    report.after == report.before and "all" or text.integer(report.after),
    #dropped > 0 and "; dropped: " .. table.concat(dropped, "; ") or "")
end

-- What cleaning reported, by the dataset it made: runs put it into run.json.
local reports = setmetatable({}, { __mode = "k" })

--- A new dataset; what was dropped is said, and kept in the run's report.
function methods:clean(given)
  local cleaned, report = self:cleaned(options.check("clean", clean_schema, given))
  core.log("info", clean_line(report))
  reports[cleaned] = report
  return cleaned
end

--- The report of the cleaning that made this dataset, or nil.
function methods:clean_report() return reports[self] end

local parts_meta = { __name = "hone.parts" }

function parts_meta:__tostring()
  local words = {}
  for _, name in ipairs(self.names) do
    words[#words + 1] = ("%s %s"):format(name, text.integer(#self[name]))
  end
  return "split: " .. table.concat(words, ", ")
end

-- Names of parts in the order in which people think of them.
local function ordered(shares)
  local rank, names = { train = 1, validation = 2, test = 3 }, {}
  for name in pairs(shares) do names[#names + 1] = name end
  table.sort(names, function(a, b)
    local x, y = rank[a] or 4, rank[b] or 4
    if x ~= y then return x < y end
    return a < b
  end)
  return names
end

--- Parts by share: { train = , validation = , test = }, duplicates never parted.
function methods:split(given)
  if type(given) ~= "table" then core.fail("split: takes a table { train = 0.9, ... }") end
  local schema, shares = { { "seed", "integer", default = 0, doc = "of the split" } }, {}
  for name, share in pairs(given) do
    if name ~= "seed" then
      schema[#schema + 1] = { name, "number", min = 0, max = 1, doc = "share" }
      shares[name] = share
    end
  end
  local o = options.check("split", schema, given)
  local names, values = ordered(shares), {}
  if #names == 0 then core.fail("split: no part is named") end
  for i, name in ipairs(names) do values[i] = o[name] end
  local parts = setmetatable({ names = names }, parts_meta)
  for i, part in ipairs(self:parts(names, values, o.seed)) do
    reports[part] = reports[self]
    parts[names[i]] = part
  end
  core.log("info", tostring(parts))
  return parts
end

--- for i, row in data:rows() do
function methods:rows()
  local i = 0
  return function()
    i = i + 1
    local row = self[i]
    if row ~= nil then return i, row end
  end
end

--- The first n rows; all, where there are fewer.
function methods:take(n)
  local index = {}
  for i = 1, math.min(n, #self) do index[i] = i end
  return self:select(index)
end

return data
