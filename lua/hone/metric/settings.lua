-- settings: metrics that a settings file defines, so that a team shares them without
-- a script (libconfig):
--
--   metrics = { concise = {
--     version = "1.0.0"; question = "How concise is the answer?";
--     scale = { level = "ordinal"; min = 1; max = 5; };
--     anchors = ( { at = 1; text = "Repeats, hedges."; }, { at = 5; text = "One sentence."; } );
--     guideline = "guidelines/concise.md";
--     metric = { plugin = "length"; unit = "words"; target = 20; };
--   }; };
--
-- The fields are those of hone.metric.define that are no functions; `metric` names the
-- plugin that scores, with its options. They are there as hone.metric.concise {} when
-- hone.metric is first used.
local core = require "hone.core"
local object = require "hone.object"

local settings = {}

local function instance(name, given)
  if type(given) == "string" then return core.instance("metric", given, {}) end
  if type(given) ~= "table" or type(given.plugin) ~= "string" then
    core.fail(("%s: metric: expected a plugin's name, or { plugin = name; ... }"):format(name))
  end
  local rest = {}
  for key, value in pairs(given) do if key ~= "plugin" then rest[key] = value end end
  return core.instance("metric", given.plugin, rest)
end

--- Define what the settings have. A wrong definition is told with its name.
function settings.define(define)
  local all, names = core.settings().metrics or {}, {}
  for name in pairs(all) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local made = { name = name }
    for key, value in pairs(all[name]) do made[key] = value end
    local ok, problem = pcall(function()
      if made.metric ~= nil then made.metric = instance(name, made.metric) end
      define(made)
    end)
    if not ok then core.fail(("settings: metrics.%s: %s"):format(name, object.plain(problem))) end
  end
end

return settings
