-- doctor: what a run's metrics say is going wrong: the cause, the evidence, the remedy.
--
--   local doctor = doctors.new { ignore_eos = true }
--   for _, finding in ipairs(doctor:see(line)) do print(finding) end    new ones, each once
--   doctor.findings              { name, step, cause, evidence, remedy } each
--
-- A line is one of metrics.jsonl: of a step, or of an evaluation (validation_...). A rule
-- looks at the last lines, or at whole curves, and says its evidence; then it is silent for
-- the rest of the run. What a rule sees depends on the lines alone: a run that goes on
-- shows its doctor the lines that it has (doctors.of), and nothing is said twice.
--
-- Curves are compared by the means of windows: w points, a fifth of them and at most 20.
-- A rise or fall counts where it is over 4 standard errors, from the differences of
-- neighbours (von Neumann 1941, doi:10.1214/aoms/1177731677), over 3 times what points
-- differ within the windows, which slow waves do, and over 5 % of what it was.
local core = require "hone.core"
local rules = require "hone.doctor_rules"
local text = require "hone.text"

local doctors = {}
local Doctor = { __name = "hone.doctor" }
Doctor.__index = Doctor

-- Lines of steps that are kept for rules that look at the last ones.
local RECENT <const> = 20

-- ---- what rules ask ----

--- Values of a metric in the last n steps, `absent` where a line has none; nil where
--- there are fewer steps, or absent is nil and a line has none.
function Doctor:last(key, n, absent)
  local out, lines = {}, self.recent
  if #lines < n then return nil end
  for k = #lines - n + 1, #lines do
    local value = lines[k][key]
    if type(value) ~= "number" then value = absent end
    if value == nil then return nil end
    out[#out + 1] = value
  end
  return out
end

local function mean(values, first, last)
  local sum = 0
  for k = first, last do sum = sum + values[k] end
  return sum / (last - first + 1)
end

--- The mean of the last n.
function Doctor:late(key, n, absent)
  local values = self:last(key, n, absent)
  return values and mean(values, 1, n)
end

--- The mean of the first n steps that had it.
function Doctor:early(key, n)
  local curve = self.curves[key]
  return curve and #curve >= n and mean(curve, 1, n) or nil
end

-- Standard error of a difference of two windows of w, from neighbours' differences.
local function noise(values, w)
  local sum, squares, n = 0, 0, #values - 1
  for k = 1, n do
    local d = values[k + 1] - values[k]
    sum, squares = sum + d, squares + d * d
  end
  local variance = math.max(0, squares / n - (sum / n) ^ 2) / 2
  return math.sqrt(variance * 2 / w)
end

-- Mean and variance of w points.
local function window(values, first, w)
  local m, squares = mean(values, first, first + w - 1), 0
  for k = first, first + w - 1 do squares = squares + (values[k] - m) ^ 2 end
  return { mean = m, variance = squares / w }
end

local function width(values) return math.max(1, math.min(20, #values // 5)) end

local function clear(from, to, values, w)
  local within = math.sqrt((from.variance + to.variance) / 2)
  return math.abs(to.mean - from.mean) > math.max(4 * noise(values, w), 3 * within,
    0.05 * math.abs(from.mean), 1e-9)
end

--- From what first to what last mean a curve went, where that is clear; else nil.
function Doctor:moved(key)
  local values = self.curves[key]
  if not values or #values < 4 then return nil end
  local w = width(values)
  local from, to = window(values, 1, w), window(values, #values - w + 1, w)
  if clear(from, to, values, w) then return from.mean, to.mean end
end

--- From its best mean (sign 1: the most, -1: the least) to the last one, where it has
--- clearly fallen back from it since; else nil.
function Doctor:worsened(key, sign)
  local values = self.curves[key]
  if not values or #values < 3 then return nil end
  local w, best = width(values), nil
  for k = 1, #values - w + 1 do
    local seen = window(values, k, w)
    if not best or sign * seen.mean > sign * best.mean then best = seen end
  end
  local to = window(values, #values - w + 1, w)
  if sign * to.mean < sign * best.mean and clear(best, to, values, w) then
    return best.mean, to.mean
  end
end

--- Names of curves that begin so, sorted.
function Doctor:named(pattern)
  local out = {}
  for key in pairs(self.curves) do
    if key:find(pattern) then out[#out + 1] = key end
  end
  table.sort(out)
  return out
end

-- ---- lines ----

local Finding = { __name = "hone.finding" }
Finding.__index = Finding

function Finding:__tostring()
  return ("doctor: %s: %s. %s"):format(self.cause, self.evidence, self.remedy)
end

local function take(self, line)
  for key, value in pairs(line) do
    if type(value) == "number" and key ~= "step" then
      local curve = self.curves[key]
      if not curve then
        curve = {}
        self.curves[key] = curve
      end
      curve[#curve + 1] = value
    end
  end
  self.step = line.step
  if line.seconds then
    self.recent[#self.recent + 1] = line
    if #self.recent > RECENT then table.remove(self.recent, 1) end
    self.steps = self.steps + 1
  end
end

-- Whole curves are looked at some 20 times while they double: together that costs no
-- more than a few passes over them.
local function looks_back(self, line)
  return not line.seconds or self.steps % math.max(1, self.steps // 20) == 0
end

--- Look at a line: a list of what is newly found.
function Doctor:see(line)
  local new = {}
  if type(line.step) ~= "number" then return new end
  take(self, line)
  for _, rule in ipairs(rules) do
    if not self.said[rule.name] and (not rule.curves or looks_back(self, line)) then
      local evidence, cause, remedy = rule.find(self)
      if evidence then
        self.said[rule.name] = true
        local finding = setmetatable({ name = rule.name, step = self.step, evidence = evidence,
          cause = cause or rule.cause, remedy = remedy or rule.remedy }, Finding)
        new[#new + 1] = finding
        self.findings[#self.findings + 1] = finding
      end
    end
  end
  return new
end

--- o: what of the run's options matters to rules: ignore_eos (answers have no end by
--- intent), max_tokens (of an answer), watched (names of held-out metrics among a step's).
function doctors.new(o)
  return setmetatable({ o = o or {}, curves = {}, recent = {}, steps = 0, said = {},
                        findings = {} }, Doctor)
end

--- A doctor that has seen a history, and what it found there.
function doctors.of(history, o)
  local self = doctors.new(o)
  for _, line in ipairs(history) do self:see(line) end
  return self
end

-- ---- in a run ----

local function keep(run)
  local kept = core.json.list {}
  for k, f in ipairs(run.doctor.findings) do
    kept[k] = { name = f.name, step = f.step, cause = f.cause, evidence = f.evidence,
                remedy = f.remedy }
  end
  run:note { findings = kept }
end

-- Parts of the reward that are only watched.
local function watched(reward)
  local out = {}
  for _, part in ipairs(reward and reward.parts or {}) do
    if part.weight == 0 and not part.floor then out[#out + 1] = part.name end
  end
  return out
end

--- A run begins or goes on: from here its doctor sees each line that is logged.
function doctors.attend(run)
  local sampling = run.options.sampling or {}
  run.doctor = doctors.of(run:history(), { ignore_eos = sampling.ignore_eos,
    max_tokens = sampling.max_tokens, watched = watched(run.reward) })
  keep(run)
end

--- Called with each line of a run's metrics: new findings are kept in run.json and said.
function doctors.watch(run, line)
  local new = run.doctor and run.doctor:see(line) or {}
  if #new > 0 then keep(run) end
  if #new > 0 and run.bar then run.bar:clear() end
  for _, finding in ipairs(new) do
    core.log("warn", ("step %s: %s"):format(text.integer(finding.step), tostring(finding)))
  end
  return new
end

return doctors
