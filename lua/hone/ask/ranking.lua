-- ranking: responses from best to worst.
--   { 3, 1, 2 }: places as shown, best first; { 3, { 1, 2 } }: a tie; with partial =
--   true some may be left out, which says nothing of them.
local content = require "hone.ask.content"
local core = require "hone.core"
local text = require "hone.text"

local ranking = {
  question = "Rank the responses, best first.",
  schema = {
    { "ties", "boolean", default = true, doc = "some may share a place" },
    { "partial", "boolean", default = false, doc = "some may be left out" },
  },
}

-- Calls fn(place, rank) of each; returns a problem.
local function walk(self, value, n, fn)
  local seen, count = {}, 0
  for rank, group in ipairs(value) do
    if type(group) == "table" and not self.ties and #group > 1 then
      return ("place %d: a tie (allowed: one response a place)"):format(rank)
    end
    for _, place in ipairs(type(group) == "table" and group or { group }) do
      local at = math.tointeger(place)
      if not at or at < 1 or at > n then
        return ("place %d: %s is none of the responses (allowed: 1 to %d)"):format(rank,
          text.value(place), n)
      end
      if seen[at] then return ("place %d: response %d is there twice"):format(rank, at) end
      seen[at], count = true, count + 1
      if fn then fn(at, rank) end
    end
  end
  if count < n and not self.partial then
    return ("%d of %d responses are ranked (allowed: all of them)"):format(count, n)
  end
  if count < 2 then
    return ("%s ranked (allowed: 2 or more)"):format(text.count(count, "response"))
  end
end

function ranking.check(self, value, c)
  local n = #content.options(c)
  if n < 2 then return ("the item has %s; a ranking is of 2 or more"):format(
    text.count(n, "response")) end
  if type(value) ~= "table" or #value == 0 then
    return ("expected a list of places, best first, got %s"):format(text.value(value))
  end
  return walk(self, value, n)
end

function ranking.fields(self, c)
  return { { title = self.question, kind = "order", count = #content.options(c),
             ties = self.ties, partial = self.partial } }
end

function ranking.table() return { level = "ranking", ranking = "ranking" } end

function ranking.rows(_, value, c, order)
  local places, out = content.places(order, #content.options(c)), core.json.list {}
  for rank, group in ipairs(value) do
    local list = core.json.list {}
    for k, at in ipairs(type(group) == "table" and group or { group }) do list[k] = places[at] end
    out[rank] = #list == 1 and list[1] or list
  end
  return { { ranking = out } }
end

return ranking
