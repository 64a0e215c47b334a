-- How often the intervals of bias detectors hold the truth, and how often they
-- cry wolf, in 1,000 simulated tables each. The figures are in docs/bias.md.
--   hone run tests/simulate/bias.lua [runs]
local hone = require "hone"

local runs = tonumber((...) or arg and arg[1] or nil) or 1000
local seed = 12345
-- Numbers that depend on nothing but the seed.
local random = hone.random(seed, "bias")
local function uniform() return random:uniform() end
local function normal() return random:normal() end
local function sigma(x) return 1 / (1 + math.exp(-x)) end

local function report(name, make)
  local held, alarms, sum, truth = 0, 0, 0, nil
  for _ = 1, runs do
    local found
    found, truth = make()
    if found.interval[1] <= truth and truth <= found.interval[2] then held = held + 1 end
    if found.p < 0.05 then alarms = alarms + 1 end
    sum = sum + found.effect
  end
  print(("%-34s truth %6.3f  mean effect %6.3f  interval holds %.3f  p < 0.05 %.3f"):format(
    name, truth, sum / runs, held / runs, alarms / runs))
end

-- 40 annotators of two groups, 60 items, each judged by 8; annotators differ.
local function group_gap(gap)
  return function()
    local j, lean, order = hone.judgements { level = "interval" }, {}, {}
    for a = 1, 40 do lean[a], order[a] = 0.5 * normal() + (a > 20 and gap or 0), a end
    for i = 1, 60 do
      local quality = 2 * normal()
      for k = 1, 8 do
        local with = k + math.floor(uniform() * (41 - k))
        order[k], order[with] = order[with], order[k]
        j:add("i" .. i, "a" .. order[k], quality + lean[order[k]] + normal())
      end
    end
    for _, name in ipairs(j:names "annotators") do
      j:describe_annotator(name, { group = tonumber(name:sub(2)) > 20 and "y" or "x" })
    end
    return hone.bias.group_gap { permutations = 199, top = 0 }:detect(j), gap
  end
end

-- 60 items a group, 3 judgements each, which agree more than chance.
local function parity(gap)
  return function()
    local j = hone.judgements { level = "nominal" }
    for i = 1, 120 do
      local p = 0.5 + (i > 60 and gap / 2 or -gap / 2)
      local shared = uniform() < p
      for a = 1, 3 do
        local yes = shared
        if uniform() > 0.6 then yes = uniform() < p end
        j:add("i" .. i, "a" .. a, yes and "yes" or "no")
      end
      j:describe_item("i" .. i, { group = i > 60 and "y" or "x" })
    end
    local found = hone.bias.demographic_parity { positive = { "yes" }, top = 0 }:detect(j)
    if found.highest == "x" then -- the sign of the gap, not its size
      found.effect = -found.effect
      found.interval = { -found.interval[2], -found.interval[1] }
    end
    return found, gap
  end
end

-- 100 items in both orders; strength matters, and the first side by `pull`.
local function position(pull)
  return function()
    local rows, gaps = {}, {}
    for i = 1, 100 do
      gaps[i] = normal()
      for order = 1, 2 do
        local x = gaps[i] + (order == 1 and pull or -pull)
        rows[#rows + 1] = { item = tostring(i), annotator = "a", order = order,
                            value = uniform() < sigma(x) and "1" or "2" }
      end
    end
    local j = hone.judgements(rows, { order = "order", duplicates = "both" })
    for i = 1, 100 do j:describe_item(tostring(i), { gap = gaps[i] }) end
    return hone.bias.position { strength = "gap", top = 0 }:detect(j), sigma(pull) - 0.5
  end
end

for _, gap in ipairs { 0, 0.5 } do report("group_gap", group_gap(gap)) end
for _, gap in ipairs { 0, 0.2 } do report("demographic_parity", parity(gap)) end
for _, pull in ipairs { 0, 0.4 } do report("position", position(pull)) end
