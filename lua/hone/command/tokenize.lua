-- hone tokenize MODEL|FILE TEXTFILE: ids of a text, or the text of ids.
local core = require "hone.core"
local files = require "hone.files"

local function ids_of(said)
  local ids = {}
  for word in said:gmatch("[^%s,]+") do
    local id = math.tointeger(tonumber(word))
    if not id then core.fail(("tokenize: '%s' is no token id"):format(word)) end
    ids[#ids + 1] = id
  end
  return ids
end

return {
  summary = "Print the token ids of a text on one line; - is standard input.",
  words = { "MODEL", "TEXTFILE" },
  flags = {
    { "decode", "boolean", doc = "the file holds ids: print their text" },
    { "bos", "boolean", doc = "add what the model expects before a text" },
    { "special", "boolean", doc = "names of special tokens stand for them" },
  },
  run = function(o)
    local tokenizer = core.tokenizer_load(o.model)
    local said = files.need(o.textfile)
    if o.decode then
      local ids = ids_of(said)
      local decoded = tokenizer:decode(ids, { special = o.special })
      if o.json then
        print(core.json.encode { tokens = #ids, text = decoded })
      else
        io.stdout:write(decoded)
      end
      return
    end
    local ids = tokenizer:encode(said, { bos = o.bos, special = o.special })
    print(o.json and core.json.encode { ids = core.json.list(ids:table()) } or tostring(ids))
  end,
}
