-- object: what a value is: object(value) is "hone.judgements", "hone.plugin", ... or its type.
return function(value)
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.__name or type(value)
end
