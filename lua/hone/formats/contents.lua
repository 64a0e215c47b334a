-- contents: those of a task's items by the items' ids, in a file beside memory: what is
-- kept in memory of an item is where it stands.
local core = require "hone.core"

--- A function of an id; `cache` contents are kept decoded.
return function(task, cache)
  local file, places, at = assert(io.tmpfile()), {}, 0
  for row in task.store:each("entries", { task = task.name, limit = 5000 }) do
    local line = core.json.encode(row.content)
    places[row.item] = at
    file:write(line, "\n")
    at = at + #line + 1
  end
  local kept, count = {}, 0
  return function(item)
    if kept[item] then return kept[item] end
    if not places[item] then core.fail(("item %s is not in task '%s'"):format(item, task.name)) end
    if count >= cache then kept, count = {}, 0 end
    file:seek("set", places[item])
    kept[item], count = core.json.decode(file:read "l"), count + 1
    return kept[item]
  end
end
