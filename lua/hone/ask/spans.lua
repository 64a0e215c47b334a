-- spans: labelled parts of a text.
--   { { label = "claim", start = 4, ["end"] = 9 }, ... }: characters from 0, the end
--   left out; {} says that there is none.
local ask = require "hone.ask"
local core = require "hone.core"
local text = require "hone.text"

local spans = {
  each = true,
  question = "Mark what is to be labelled.",
  schema = {
    { "labels", "list", of = "string", required = true, doc = "of spans" },
    { "overlap", "boolean", default = false, doc = "spans may overlap" },
  },
}

local function length(s) return utf8.len(s) or #s end

local function overlapping(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted, function(a, b) return a.start < b.start end)
  for i = 2, #sorted do
    if sorted[i].start < sorted[i - 1]["end"] then
      return ("spans %d to %d and %d to %d overlap"):format(sorted[i - 1].start,
        sorted[i - 1]["end"], sorted[i].start, sorted[i]["end"])
    end
  end
end

function spans.check(self, value, _, _, target)
  if type(value) ~= "table" then
    return ("expected a list of spans, got %s"):format(text.value(value))
  end
  local n = length(target.text)
  for i, span in ipairs(value) do
    local where = ("span %d: "):format(i)
    if type(span) ~= "table" then return where .. "expected { label, start, end }" end
    local problem = ask.none_of(span.label, self.labels)
    if problem then return where .. "label: " .. problem end
    for _, key in ipairs { "start", "end" } do
      local at = math.tointeger(span[key])
      if not at or at < 0 or at > n then
        return ("%s%s: %s is not in the text (allowed: 0 to %d)"):format(where, key,
          text.value(span[key]), n)
      end
    end
    if span.start >= span["end"] then
      return ("%send: %d is not after its start, %d"):format(where, span["end"], span.start)
    end
  end
  return not self.overlap and overlapping(value) or nil
end

-- Where the words of a text begin and end, in characters.
local function words_of(s)
  local list = {}
  for first, last in s:gmatch("()%S+()") do
    list[#list + 1] = { length(s:sub(1, first - 1)), length(s:sub(1, last - 1)) }
  end
  return list
end

-- "3-5 claim", "3 claim": words counted from 1.
local function parse(self, said, words)
  local first, last, label = said:match("^%s*(%d+)%s*%-?%s*(%d*)%s+(.-)%s*$")
  if not first then return nil, "expected words and a label, as: 3-5 " .. self.labels[1] end
  first, last = math.tointeger(first), math.tointeger(last ~= "" and last or first)
  if not first or not last or first < 1 or last > #words or first > last then
    return nil, ("words %s to %s (allowed: 1 to %d)"):format(tostring(first), tostring(last),
      #words)
  end
  local problem = ask.none_of(label, self.labels)
  if problem then return nil, "label: " .. problem end
  return { label = label, start = words[first][1], ["end"] = words[last][2] }
end

function spans.fields(self, _, _, target)
  local words, shown = words_of(target.text), {}
  for word in target.text:gmatch("%S+") do
    shown[#shown + 1] = ("%d:%s"):format(#shown + 1, word)
  end
  return { { title = ("%s (FIRST-LAST LABEL; labels: %s)"):format(self.question,
               ask.words(self.labels)), kind = "line", many = true,
             show = table.concat(shown, " "),
             parse = function(said) return parse(self, said, words) end,
             put = function(_, list) return core.json.list(list) end } }
end

function spans.table() return { level = "region", region = "region" } end

function spans.rows(_, value)
  local rows = {}
  for i, span in ipairs(value) do
    rows[i] = { value = span.label, region = { span.start, span["end"] } }
  end
  return rows
end

return spans
