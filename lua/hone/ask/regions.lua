-- regions: labelled places in media.
--   { { label = "cat", shape = "box", box = { x, y, width, height } },
--     { label = "road", shape = "polygon", points = { { x, y }, ... } },
--     { label = "face", shape = "keypoints", points = { { x, y }, ... } },
--     { label = "laugh", shape = "segment", start = 1.5, ["end"] = 2 } }
-- Pixels of the medium, from its upper left corner; seconds. medium = 2 says which of
-- several; in a video a place has a segment beside it, as start and end.
--
-- Rows hold a box, that of all points, or a segment, which is what plugins compare;
-- regions.iou compares the shapes themselves.
local ask = require "hone.ask"
local content = require "hone.ask.content"
local core = require "hone.core"
local text = require "hone.text"

local shapes = { "box", "polygon", "keypoints", "segment" }
local fits = { image = { box = true, polygon = true, keypoints = true },
               audio = { segment = true },
               video = { box = true, polygon = true, keypoints = true, segment = true } }

local regions = {
  question = "Mark what is to be labelled.",
  schema = {
    { "labels", "list", of = "string", required = true, doc = "of regions" },
    { "shapes", "list", of = "choice", choices = shapes, default = shapes, doc = "allowed" },
    { "points", "integer", min = 1, doc = "that keypoints have; unset: any number" },
  },
}

-- ---- validation ----

local function number_problem(name, value, low, high)
  if type(value) == "number" and value >= low and value <= high then return nil end
  return ("%s: %s is not in the medium (allowed: %s to %s)"):format(name, text.value(value),
    text.number(low), text.number(high))
end

local function size(medium) return medium.width or math.huge, medium.height or math.huge end

local function box_problem(box, medium)
  if type(box) ~= "table" or #box ~= 4 then return "box: expected { x, y, width, height }" end
  local width, height = size(medium)
  local problem = number_problem("box: x", box[1], 0, width)
    or number_problem("box: y", box[2], 0, height)
  if problem then return problem end
  for k, name in ipairs { "width", "height" } do
    local most = (k == 1 and width or height) - box[k]
    local value = box[2 + k]
    if not (type(value) == "number" and value > 0 and value <= most) then
      return ("box: %s: %s reaches out of the medium (allowed: above 0, up to %s)"):format(name,
        text.value(value), text.number(most))
    end
  end
end

local function points_problem(points, medium, least, exactly)
  if type(points) ~= "table" or #points < least or (exactly and #points ~= exactly) then
    return ("points: %s (allowed: %s)"):format(
      type(points) == "table" and tostring(#points) or text.value(points),
      exactly and tostring(exactly) or least .. " or more")
  end
  local width, height = size(medium)
  for i, p in ipairs(points) do
    if type(p) ~= "table" or #p ~= 2 then return ("points: %d: expected { x, y }"):format(i) end
    local problem = number_problem(("points: %d: x"):format(i), p[1], 0, width)
      or number_problem(("points: %d: y"):format(i), p[2], 0, height)
    if problem then return problem end
  end
  if least < 3 then return nil end
  local first, second = core.polygon_crossing(points)
  if first then
    return ("points: edge %d crosses edge %d (allowed: a polygon that does not cross itself)")
      :format(first, second)
  end
end

local function segment_problem(r, medium)
  local most = medium.duration or math.huge
  local problem = number_problem("start", r.start, 0, most) or number_problem("end", r["end"], 0,
    most)
  if problem then return problem end
  if r.start >= r["end"] then
    return ("end: %s is not after its start, %s"):format(text.number(r["end"]),
      text.number(r.start))
  end
end

local function region_problem(self, r, media)
  if type(r) ~= "table" then return "expected { label, shape, ... }" end
  local problem = ask.none_of(r.label, self.labels)
  if problem then return "label: " .. problem end
  problem = ask.none_of(r.shape, self.shapes)
  if problem then return "shape: " .. problem end
  local medium = media[math.tointeger(r.medium or 1)]
  if not medium then
    return ("medium: %s is none (allowed: 1 to %d)"):format(text.value(r.medium or 1), #media)
  end
  if fits[medium.kind] and not fits[medium.kind][r.shape] then
    return ("shape: a %s in %s"):format(r.shape, medium.kind)
  end
  if r.shape == "segment" or (medium.kind == "video" and r.start ~= nil) then
    problem = segment_problem(r, medium)
    if problem or r.shape == "segment" then return problem end
  end
  if r.shape == "box" then return box_problem(r.box, medium) end
  return points_problem(r.points, medium, r.shape == "polygon" and 3 or 1,
    r.shape == "keypoints" and self.points or nil)
end

function regions.check(self, value, c)
  if type(value) ~= "table" then
    return ("expected a list of regions, got %s"):format(text.value(value))
  end
  local media = content.media(c)
  if #media == 0 then return "the item has no media" end
  for i, r in ipairs(value) do
    local problem = region_problem(self, r, media)
    if problem then return ("region %d: %s"):format(i, problem) end
  end
end

-- ---- the terminal ----

local function pairs_of(numbers)
  local points = core.json.list {}
  for i = 1, #numbers, 2 do points[#points + 1] = { numbers[i], numbers[i + 1] } end
  return points
end

-- "box cat 10 20 100 50", "segment laugh 1.5 2".
local function parse(self, said, c)
  local shape, rest = said:match("^%s*(%a+)%s+(.-)%s*$")
  if not shape then return nil, "expected SHAPE LABEL NUMBERS, as: box cat 10 20 100 50" end
  local numbers = {}
  local label = rest:match("^(.-)%s+[%d.%s-]+$") or rest
  for word in rest:sub(#label + 1):gmatch("%S+") do
    numbers[#numbers + 1] = tonumber(word)
    if not numbers[#numbers] then return nil, ("'%s' is no number"):format(word) end
  end
  local r = { shape = shape, label = label }
  if shape == "box" then r.box = numbers
  elseif shape == "segment" then r.start, r["end"] = numbers[1], numbers[2]
  else
    if #numbers % 2 == 1 then return nil, "points: an x without its y" end
    r.points = pairs_of(numbers)
  end
  local problem = region_problem(self, r, content.media(c))
  if problem then return nil, problem end
  return r
end

function regions.fields(self, c)
  return { { title = ("%s (SHAPE LABEL NUMBERS; shapes: %s; labels: %s)"):format(self.question,
               ask.words(self.shapes), ask.words(self.labels)), kind = "line", many = true,
             parse = function(said) return parse(self, said, c) end,
             put = function(_, list) return core.json.list(list) end } }
end

-- ---- rows ----

local function bounds(points)
  local x, y, right, bottom = math.huge, math.huge, -math.huge, -math.huge
  for _, p in ipairs(points) do
    x, right = math.min(x, p[1]), math.max(right, p[1])
    y, bottom = math.min(y, p[2]), math.max(bottom, p[2])
  end
  return { x, y, right - x, bottom - y }
end

function regions.table() return { level = "region", region = "region" } end

function regions.rows(_, value, c)
  local rows, several = {}, #content.media(c) > 1
  for i, r in ipairs(value) do
    local part = several and ("medium %d"):format(r.medium or 1) or nil
    if r.shape == "segment" then
      -- Seconds and pixels do not compare: a part of their own.
      part = (part and part .. "/" or "") .. "time"
    end
    rows[i] = { value = r.label, part = part, region = r.shape == "segment"
      and { r.start, r["end"] } or r.shape == "box" and r.box or bounds(r.points) }
  end
  return rows
end

-- ---- overlap ----

local function keypoints_near(a, b)
  if #a ~= #b then return 0.0 end
  local box, sum = bounds(b), 0
  local scale = math.max(1, box[3] * box[4])
  for i = 1, #a do
    local d = (a[i][1] - b[i][1]) ^ 2 + (a[i][2] - b[i][2]) ^ 2
    sum = sum + math.exp(-d / (2 * scale * 0.1 ^ 2))
  end
  return sum / #a
end

local function corners(r)
  if r.shape == "polygon" then return r.points end
  local x, y, w, h = table.unpack(r.box)
  return { { x, y }, { x + w, y }, { x + w, y + h }, { x, y + h } }
end

--- How much two regions are the same, 0 to 1: intersection over union; of keypoints the
--- mean of exp(-d²/(2 · area · 0.1²)), area of the box around the second's (COCO's object
--- keypoint similarity with one constant). Of kinds that do not compare, 0.
function regions.iou(a, b)
  if (a.medium or 1) ~= (b.medium or 1) then return 0.0 end
  if a.shape == "segment" or b.shape == "segment" then
    if a.shape ~= b.shape then return 0.0 end
    return core.region_iou({ a.start, a["end"] }, { b.start, b["end"] })
  end
  if a.shape == "keypoints" or b.shape == "keypoints" then
    return a.shape == b.shape and keypoints_near(a.points, b.points) or 0.0
  end
  if a.shape == "box" and b.shape == "box" then return core.region_iou(a.box, b.box) end
  return core.polygon_iou(corners(a), corners(b))
end

return regions
