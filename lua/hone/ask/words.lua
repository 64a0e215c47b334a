-- words: the difference of two texts as runs of words, and back.
--
--   words.diff("a bad day", "a good day")   { { "=", 1 }, { "-", " bad" }, { "+", " good" },
--                                             { "=", 1 } }
--   words.apply("a bad day", diff)          "a good day"
--
-- A word keeps the blanks before it, so that nothing of a text is lost. "=" keeps a
-- number of words. Myers 1986 (doi:10.1007/BF01840446) on what lies between the
-- common beginning and end; texts that differ in more than `most` words there are
-- taken as replaced.
local words = { most = 1000 }

--- A list of words, each with the blanks before it; the last may be blanks alone.
function words.split(text)
  local list, at = {}, 1
  for blanks, word, after in text:gmatch("(%s*)(%S+)()") do
    list[#list + 1] = blanks .. word
    at = after
  end
  if at <= #text then list[#list + 1] = text:sub(at) end
  return list
end

-- The path of Myers through the grid a x b, as a list of "=", "-", "+" backwards;
-- nil where more than `most` words differ.
local function path(a, b, most)
  local n, m, furthest, trace = #a, #b, { [1] = 0 }, {}
  for d = 0, math.min(n + m, most) do
    local before = {}
    for k, x in pairs(furthest) do before[k] = x end
    trace[d] = before
    for k = -d, d, 2 do
      local down = k == -d or (k ~= d and (furthest[k - 1] or -1) < (furthest[k + 1] or -1))
      local x = down and furthest[k + 1] or furthest[k - 1] + 1
      local y = x - k
      while x < n and y < m and a[x + 1] == b[y + 1] do x, y = x + 1, y + 1 end
      furthest[k] = x
      if x >= n and y >= m then return trace, d end
    end
  end
end

local function walk(a, b, trace, d)
  local x, y, steps = #a, #b, {}
  for depth = d, 1, -1 do
    local v, k = trace[depth], x - y
    local down = k == -depth or (k ~= depth and (v[k - 1] or -1) < (v[k + 1] or -1))
    local from = down and k + 1 or k - 1
    local fx = v[from]
    local fy = fx - from
    while x > fx and y > fy and x > (down and fx or fx + 1) do
      steps[#steps + 1], x, y = "=", x - 1, y - 1
    end
    steps[#steps + 1] = down and "+" or "-"
    x, y = fx, fy
  end
  while x > 0 do steps[#steps + 1], x = "=", x - 1 end
  return steps
end

-- Add a run of words to the diff, joined to the run before of the same sign.
local function add(diff, sign, word)
  local last = diff[#diff]
  if last and last[1] == sign then
    last[2] = sign == "=" and last[2] + 1 or last[2] .. word
  else
    diff[#diff + 1] = { sign, sign == "=" and 1 or word }
  end
end

--- How `after` comes from `before`.
function words.diff(before, after)
  local a, b, diff = words.split(before), words.split(after), {}
  local first, last = 0, 0
  while first < #a and first < #b and a[first + 1] == b[first + 1] do first = first + 1 end
  while last < #a - first and last < #b - first and a[#a - last] == b[#b - last] do
    last = last + 1
  end
  for i = 1, first do add(diff, "=", a[i]) end
  local x = table.move(a, first + 1, #a - last, 1, {})
  local y = table.move(b, first + 1, #b - last, 1, {})
  local trace, d = path(x, y, words.most)
  if trace then
    local steps, i, j = walk(x, y, trace, d), 0, 0
    for k = #steps, 1, -1 do
      local sign = steps[k]
      i, j = i + (sign == "+" and 0 or 1), j + (sign == "-" and 0 or 1)
      add(diff, sign, sign == "+" and y[j] or x[i])
    end
  else
    for _, word in ipairs(x) do add(diff, "-", word) end
    for _, word in ipairs(y) do add(diff, "+", word) end
  end
  for i = #a - last + 1, #a do add(diff, "=", a[i]) end
  return diff
end

--- The text that a diff makes; nil and why where it is none of this text.
function words.apply(before, diff)
  local a, at, out = words.split(before), 0, {}
  for i, run in ipairs(diff) do
    local sign, what = run[1], run[2]
    if sign == "=" and math.type(what) == "integer" and what >= 1 and at + what <= #a then
      out[#out + 1] = table.concat(a, "", at + 1, at + what)
      at = at + what
    elseif sign == "+" and type(what) == "string" then
      out[#out + 1] = what
    elseif sign == "-" and type(what) == "string" then
      local gone = ""
      while #gone < #what and at < #a do at, gone = at + 1, gone .. a[at + 1] end
      if gone ~= what then return nil, ("run %d takes away words that are not there"):format(i) end
    else
      return nil, ("run %d is none of {'=', words}, {'-', text}, {'+', text}"):format(i)
    end
  end
  if at ~= #a then return nil, ("it covers %d of %d words"):format(at, #a) end
  return table.concat(out)
end

return words
