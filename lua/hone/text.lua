-- text: words and numbers for people.
local text = {}

-- Edit distance with transpositions, as the core has it (Damerau 1964).
local function distance(a, b)
  local before, above, row = {}, {}, {}
  for j = 0, #b do above[j] = j end
  for i = 1, #a do
    row = { [0] = i }
    for j = 1, #b do
      local ca, cb = a:byte(i), b:byte(j)
      row[j] = math.min(above[j - 1] + (ca == cb and 0 or 1), row[j - 1] + 1, above[j] + 1)
      if i > 1 and j > 1 and ca == b:byte(j - 1) and a:byte(i - 1) == cb then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before, above = above, row
  end
  return above[#b]
end

--- " (did you mean 'lr'?)" of the nearest known word, or "".
function text.suggest(word, known)
  table.sort(known)
  local best, least = nil, 2 + #word // 4
  for _, name in ipairs(known) do
    local d = (#word >= 3 and name:sub(1, #word) == word) and 1 or distance(word, name)
    if d < least and d < #word then best, least = name, d end
  end
  return best and (" (did you mean '%s'?)"):format(best) or ""
end

--- 1234567 as "1,234,567".
function text.integer(n)
  local digits = ("%d"):format(n)
  local sign, rest = digits:match("^(%-?)(%d+)$")
  return sign .. rest:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "")
end

--- Bytes as "1.5 GB" (powers of 1024).
function text.bytes(n)
  local units = { "bytes", "KB", "MB", "GB", "TB" }
  local i = 1
  while n >= 1024 and i < #units do n, i = n / 1024, i + 1 end
  return i == 1 and ("%d bytes"):format(n) or ("%.1f %s"):format(n, units[i])
end

--- Seconds as "42 s", "3:07", "1:02:33".
function text.duration(seconds)
  local s = math.floor(seconds + 0.5)
  if s < 60 then return ("%d s"):format(s) end
  if s < 3600 then return ("%d:%02d"):format(s // 60, s % 60) end
  return ("%d:%02d:%02d"):format(s // 3600, s // 60 % 60, s % 60)
end

--- A number with about four digits.
function text.number(x)
  if type(x) ~= "number" then return tostring(x) end
  if math.type(x) == "integer" then return text.integer(x) end
  if x ~= x or x == math.huge or x == -math.huge then return tostring(x) end
  if x == 0 or (math.abs(x) >= 1e-3 and math.abs(x) < 1e5) then
    return (("%.4f"):format(x):gsub("(%.%d-)0+$", "%1"):gsub("%.$", ""))
  end
  return ("%.3e"):format(x)
end

--- "1 row", "2 rows".
function text.count(n, noun)
  return ("%s %s%s"):format(text.integer(n), noun, n == 1 and "" or "s")
end

--- A value as a script would write it, on one line.
function text.value(v)
  if type(v) == "string" then return ("%q"):format(v) end
  if type(v) ~= "table" then return tostring(v) end
  local parts, n = {}, #v
  for i = 1, n do parts[i] = text.value(v[i]) end
  local keys = {}
  for key in pairs(v) do
    if not (math.type(key) == "integer" and key >= 1 and key <= n) then keys[#keys + 1] = key end
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(keys) do parts[#parts + 1] = ("%s = %s"):format(key, text.value(v[key])) end
  return #parts == 0 and "{}" or "{ " .. table.concat(parts, ", ") .. " }"
end

return text
