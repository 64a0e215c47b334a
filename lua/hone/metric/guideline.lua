-- guideline: what people read before they judge, and the words it uses.
--
--   guideline = "5: every word earns its place."     a text
--   guideline = "guidelines/concise.md"              a file, .md or .txt
--   guideline = { file = "guidelines/concise" }      any file
--   glossary = { filler = "words that add nothing", ... }
--
-- The text is read when the metric is defined, and is what the version stands for:
-- a file that changed since needs a new one.
local core = require "hone.core"

local guideline = {}

local function read(where, path)
  local file, problem = io.open(path, "rb")
  local words = file and file:read "a"
  if file then file:close() end
  if not words then
    core.fail(("%s: guideline: %s"):format(where, problem or path .. ": cannot be read"))
  end
  if not utf8.len(words) then core.fail(("%s: guideline: %s is no UTF-8"):format(where, path)) end
  if not words:find "%S" then core.fail(("%s: guideline: %s is empty"):format(where, path)) end
  return words
end

--- The text, and the path where it is a file's; nil without a guideline.
function guideline.text(where, given)
  if given == nil then return nil end
  if type(given) == "table" then
    if type(given.file) ~= "string" then
      core.fail(where .. ": guideline: expected a text, or { file = path }")
    end
    return read(where, given.file), given.file
  end
  if type(given) ~= "string" then
    core.fail(("%s: guideline: expected a text, or { file = path }, not a %s"):format(where,
      type(given)))
  end
  if given:find "^%S+%.md$" or given:find "^%S+%.txt$" then return read(where, given), given end
  return given
end

--- Words and what they mean.
function guideline.glossary(where, given)
  for word, meaning in pairs(given or {}) do
    if type(word) ~= "string" or type(meaning) ~= "string" then
      core.fail(where .. ": glossary: expected { word = \"what it means\", ... }")
    end
  end
  return given
end

return guideline
