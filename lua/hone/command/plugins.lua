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
        print(("%-28s %s%s"):format(p.kind .. "/" .. p.name, p.path, p.hidden and "  (hidden)" or ""))
      end
    end
  end,
}
