-- tensor: hone.tensor { 1, 2, 3 }, and every operation as hone.tensor.NAME.
-- What each does is said in docs/lua.md; lua/bind/ops.c binds them.
local core = require "hone.core"

local tensor = core.tensor

return setmetatable(tensor, {
  __call = function(_, ...) return tensor.new(...) end,
  __index = function(_, name)
    core.fail(("hone.tensor has no '%s'%s"):format(tostring(name),
      require("hone.text").suggest(tostring(name), (function()
        local known = {}
        for key in pairs(tensor) do known[#known + 1] = key end
        return known
      end)())))
  end,
})
