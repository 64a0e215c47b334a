-- hone plugins [KIND]: what is there, and what hides what.
local core = require "hone.core"

return {
  summary = "List the plugins of the search list; runs none of them.",
  words = { "[KIND]" },
  run = function(o)
    for _, p in ipairs(core.plugins(o.kind)) do
      if o.json then
        print(core.json.encode { kind = p.kind, name = p.name, path = p.path, hidden = p.hidden })
      else
        local hidden = p.hidden and "  (hidden)" or ""
        print(("%-28s %s%s"):format(p.kind .. "/" .. p.name, p.path, hidden))
      end
    end
  end,
}
