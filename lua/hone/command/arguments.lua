-- arguments: flags and words of a command.
--
-- A command lists its words ("MODEL", "[KIND]", "..." at the end: the rest) and
-- flags: { "max-tokens", "integer", "N", doc = "..." } gives o.max_tokens.
local core = require "hone.core"
local text = require "hone.text"

local arguments = {}

local common = {
  { "config", "string", "FILE", doc = "one more settings file" },
  { "threads", "integer", "N", doc = "of the processor" },
  { "json", "boolean", doc = "one JSON object a line" },
  { "help", "boolean", doc = "this text" },
}

local function all_flags(command)
  local flags = { table.unpack(command.flags or {}) }
  for _, flag in ipairs(common) do flags[#flags + 1] = flag end
  return flags
end

local function value_of(name, flag, said)
  if said == nil then core.fail(("%s: --%s needs %s"):format(name, flag[1], flag[3])) end
  if flag[2] == "string" then return said end
  local n = tonumber(said)
  if flag[2] == "integer" then n = n and math.tointeger(n) end
  if not n then
    core.fail(("%s: --%s: expected %s, got '%s'"):format(name, flag[1],
      flag[2] == "integer" and "an integer" or "a number", said))
  end
  return n
end

local function find_flag(name, flags, word)
  local known = {}
  for _, flag in ipairs(flags) do
    if flag[1] == word then return flag end
    known[#known + 1] = flag[1]
  end
  core.fail(("%s: unknown option '--%s'%s"):format(name, word, text.suggest(word, known)))
end

-- Words by the command's list; what follows "..." goes on as it stands.
local function assign(name, command, words, o)
  for i, wanted in ipairs(command.words or {}) do
    if wanted == "..." then
      o.rest = { table.unpack(words, i) }
      return
    end
    local optional = wanted:match("^%[(.*)%]$")
    local key = (optional or wanted):lower():gsub("[^%w]", "_")
    o[key] = words[i]
    if words[i] == nil and not optional then
      core.fail(("%s: %s is missing\n  usage: %s"):format(name, wanted,
        arguments.usage(name, command)))
    end
  end
  if #words > #(command.words or {}) then
    core.fail(("%s: '%s' is too many"):format(name, words[#(command.words or {}) + 1]))
  end
end

function arguments.usage(name, command)
  local parts = { "hone", name, table.unpack(command.words or {}) }
  for _, flag in ipairs(command.flags or {}) do
    parts[#parts + 1] = ("[--%s%s]"):format(flag[1], flag[3] and " " .. flag[3] or "")
  end
  return table.concat(parts, " ")
end

function arguments.help(name, command)
  local lines = { arguments.usage(name, command), "", command.summary, "" }
  for _, flag in ipairs(all_flags(command)) do
    lines[#lines + 1] = ("  %-20s %s"):format("--" .. flag[1] .. (flag[3] and " " .. flag[3] or ""),
                                              flag.doc)
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The options that the words say.
function arguments.parse(name, command, given)
  local flags, words, o, i = all_flags(command), {}, {}, 1
  while i <= #given do
    local word = given[i]
    if word == "--" then
      table.move(given, i + 1, #given, #words + 1, words)
      break
    end
    local flag_name, said = word:match("^%-%-([%w%-]+)=?(.*)$")
    if not flag_name then
      words[#words + 1] = word
    else
      local flag = find_flag(name, flags, flag_name)
      local key = flag[1]:gsub("-", "_")
      if flag[2] == "boolean" then
        o[key] = true
      else
        if not word:find("=", 1, true) then
          i = i + 1
          said = given[i]
        end
        o[key] = value_of(name, flag, said)
      end
    end
    i = i + 1
  end
  if not o.help then assign(name, command, words, o) end
  return o
end

return arguments
