-- files: paths, and folders that appear whole.
local core = require "hone.core"
local system = core.system

local files = {}

function files.join(...) return (table.concat({ ... }, "/"):gsub("/+", "/")) end
function files.exists(path) return system.kind(path) ~= nil end

--- Names in a folder, sorted; {} where there is none.
function files.list(path)
  local names = system.list(path) or {}
  table.sort(names)
  return names
end

--- The text of a file; nil where there is none.
function files.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text <const> = file:read("a")
  file:close()
  return text
end

--- The text of a file, or of standard input for "-"; raises where there is none.
function files.need(path)
  if path == "-" then return io.read("a") end
  local file, message = io.open(path, "rb")
  if not file then core.fail(message) end
  local text, problem = file:read("a")
  file:close()
  if not text then core.fail(("%s: %s"):format(path, problem)) end
  return text
end

--- Remove a file, or a folder with all that is in it; links are not followed.
function files.remove(path)
  if system.kind(path) == "folder" and not system.is_link(path) then
    for _, name in ipairs(files.list(path)) do files.remove(files.join(path, name)) end
  end
  system.remove(path)
end

--- Write a folder under a temporary name, then put it in place: it is either
--- whole or not there.
function files.folder(path, fill)
  local temporary = path .. ".tmp"
  files.remove(temporary)
  system.make_folder(temporary)
  local ok, problem = pcall(fill, temporary)
  if not ok then
    files.remove(temporary)
    error(problem, 0)
  end
  files.remove(path)
  system.rename(temporary, path)
end

return files
