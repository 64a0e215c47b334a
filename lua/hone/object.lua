-- object: what a value is, and messages that were raised.
--   object(value)           "hone.judgements", "hone.plugin", ... or its type
--   object.plain(message)   without the place in a script that it begins with
local object = {}

function object.plain(message)
  return (tostring(message):gsub("^[^\n]-:%d+: ", "", 1))
end

return setmetatable(object, { __call = function(_, value)
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.__name or type(value)
end })
