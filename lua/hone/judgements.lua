-- judgements: hone.judgements(rows, columns), the table that quality and bias
-- plugins take; or hone.judgements { level = "nominal" } to add to.
--   columns: { item = "question", annotator = "worker", value = "label",
--              weight = , time = , order = , level = , duplicates = }
local core = require "hone.core"
local options = require "hone.options"

local schema = {
  { "item", "string", default = "item", doc = "column" },
  { "annotator", "string", default = "annotator", doc = "column" },
  { "value", "string", default = "value", doc = "column" },
  { "weight", "string", doc = "column" },
  { "time", "string", doc = "column, seconds" },
  { "order", "string", doc = "column: which side was shown first, 1 or 2" },
  { "level", "choice", default = "nominal", choices = { "nominal", "ordinal", "interval", "ratio" },
    doc = "of measurement" },
  { "duplicates", "choice", default = "error", choices = { "error", "latest", "first", "both" },
    doc = "what to do with a second value of an annotator for an item" },
}

return function(rows, columns)
  if columns == nil and type(rows) == "table" and #rows == 0 then
    return core.judgements_new(options.check("judgements", { schema[7] }, rows))
  end
  if type(rows) == "userdata" then
    local list = {}
    for i = 1, #rows do list[i] = rows[i] end
    rows = list
  end
  return core.judgements_from(rows, options.check("judgements", schema, columns))
end
