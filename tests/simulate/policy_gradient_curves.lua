-- Draws what policy_gradient.lua wrote: a small chart an algorithm, a line a seed.
--   hone run tests/simulate/policy_gradient_curves.lua folder=FOLDER out=docs/policy_gradient.svg
local hone = require "hone"
local args = hone.args { folder = hone.required.path, out = hone.required.path, seeds = 3 }

local names = { "grpo", "ppo", "rloo", "reinforce_pp", "remax", "raft", "online_dpo" }
local wide, high, gap = 150, 84, 18
local out = {}
local function add(form, ...) out[#out + 1] = form:format(...) end

-- Rewards from 0 to 1 upwards.
local function panel(name, left, top)
  add('<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#bbb"/>', left, top, wide, high)
  add('<text x="%d" y="%d">%s</text>', left + 4, top + 13, name)
  for seed = 1, args.seeds do
    local curve = hone.json.read(("%s/%s-%d.json"):format(args.folder, name, seed)).curve
    local points = {}
    for k, p in ipairs(curve) do
      points[k] = ("%.1f,%.1f"):format(left + (k - 1) / (#curve - 1) * wide, top + high - p[1] * high)
    end
    add('<polyline points="%s" fill="none" stroke="#2f6fde"/>', table.concat(points, " "))
  end
end

for k, name in ipairs(names) do
  panel(name, gap + (k - 1) % 4 * (wide + gap), gap + (k - 1) // 4 * (high + gap))
end
local width, height = 4 * (wide + gap) + gap, 2 * (high + gap) + gap
local file = assert(io.open(args.out, "w"))
file:write(('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" '
  .. 'font-family="sans-serif" font-size="11">\n<rect width="100%%" height="100%%" fill="#fff"/>\n%s\n</svg>\n')
  :format(width, height, width, height, table.concat(out, "\n")))
file:close()
