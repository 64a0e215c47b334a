-- lines: JSON Lines that a script writes and reads whole.
--   lines.write(path, count, row)    row(i) gives the i-th
--   for row in lines.each(path) do
local core = require "hone.core"

local lines = {}

function lines.write(path, count, row)
  local list = {}
  for i = 1, count do list[i] = core.json.encode(row(i)) .. "\n" end
  core.system.write(path, table.concat(list))
end

function lines.each(path)
  local n, following = 0, io.lines(path)
  return function()
    local line = following()
    n = n + 1
    return line and core.json.decode(line, ("%s:%d"):format(path, n))
  end
end

return lines
