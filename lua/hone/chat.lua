-- chat: a conversation with a model.
--
--   local talk = chat.new(model, { system = "Be brief.", temperature = 0.8 })
--   local answer, why = talk:ask("Hello", io.write)    why: "stop", "length", "interrupted"
--   talk:retry(io.write)                               another answer to the same
--   talk:reset()
--
-- Messages are rendered as in training (<hone/data.h>): by template plain or chatml, the
-- latter where the tokenizer has <|im_start|>; template none says the words alone, for
-- models that only go on with a text. Where the model's window is full, the oldest question
-- and its answer are left out. Text is handed on as it comes, whole characters, but for what
-- may be the beginning of a stop text. An answer that is interrupted stays in the
-- conversation as far as it went.
local core = require "hone.core"
local options = require "hone.options"

local chat = {}
local Chat = { __name = "hone.chat" }
Chat.__index = Chat

chat.schema = {
  { "template", "choice", choices = { "plain", "chatml", "none" }, doc = "of messages" },
  { "system", "string", doc = "what the model is told first" },
  { "temperature", "number", default = 0.7, min = 0, doc = "0: the likeliest token" },
  { "top_k", "integer", default = 0, min = 0, doc = "0: all" },
  { "top_p", "number", default = 1, min = 0, max = 1, open_min = true, doc = "1: all" },
  { "min_p", "number", default = 0, min = 0, max = 1, doc = "0: all" },
  { "max_tokens", "integer", default = 512, min = 1, doc = "of an answer" },
  { "seed", "integer", default = 0, doc = "of sampling" },
}

--- o: see chat.schema.
function chat.new(model, given)
  if not model.tokenizer then core.fail "chat: the model has no tokenizer" end
  local o = options.check("chat", chat.schema, given)
  o.template = o.template or (model.tokenizer:find "<|im_start|>" and "chatml" or "plain")
  return setmetatable({ model = model, o = o, messages = {}, asked = 0 }, Chat)
end

--- Change an option: checked as at the beginning.
function Chat:set(name, value)
  local given = {}
  for key, v in pairs(self.o) do given[key] = v end
  given[name] = value
  self.o = options.check("chat", chat.schema, given)
end

--- Forget what was said.
function Chat:reset() self.messages, self.dropped = {}, 0 end

-- ---- prompts ----

local function render(self, first)
  local o, list = self.o, {}
  if o.template == "none" then
    local words = { o.system }
    for k = first, #self.messages do words[#words + 1] = self.messages[k].content end
    return self.model.tokenizer:encode(table.concat(words), { bos = true })
  end
  if o.system then list[1] = { role = "system", content = o.system } end
  table.move(self.messages, first, #self.messages, #list + 1, list)
  return core.data_new({ { messages = list } }, "chat"):prompt(1, self.model,
    { template = o.template })
end

-- Ids that leave room for an answer, without as many of the oldest exchanges as it takes.
local function prompt_of(self)
  local limit = self.model.max_positions
  local room = limit and limit - math.min(self.o.max_tokens, math.max(1, limit // 4))
  local first, ids = 1, render(self, 1)
  while room and #ids > room and first + 2 <= #self.messages do
    first = first + 2
    ids = render(self, first)
  end
  self.dropped = first - 1
  if room and #ids > room then
    core.fail(("chat: %d tokens; the window of %d has room for %d beside an answer"):format(#ids,
      limit, room))
  end
  if #ids == 0 then core.fail "chat: nothing was said, and the tokenizer has no BOS token" end
  return ids, limit and math.min(self.o.max_tokens, limit - #ids) or self.o.max_tokens
end

-- ---- answers ----

-- What ends an answer, beside the model's own end: the mark of a turn, or a new question.
local function stops(self)
  if self.o.template == "chatml" then
    local id = self.model.tokenizer:find "<|im_end|>"
    return { "<|im_end|>" }, id and { id } or nil
  elseif self.o.template == "plain" then
    return { "\n### User:" }
  end
end

-- Where in text a stop text, or what may become one, begins; and whether it is whole.
local function stop_at(text, list)
  local at, whole
  for _, stop in ipairs(list or {}) do
    local found = text:find(stop, 1, true)
    if found and (not at or found <= at) then at, whole = found, true end
    for n = math.min(#stop - 1, #text), 1, -1 do
      if not whole and text:sub(-n) == stop:sub(1, n) and (not at or #text - n + 1 < at) then
        at = #text - n + 1
      end
    end
  end
  return at, whole
end

--- push(text) hands on what is surely no part of a stop text, finish() what is left; it
--- returns all that was handed on. What follows a stop text is dropped.
function chat.filter(list, write)
  local held, ended, said = "", false, {}
  local function hand_on(text)
    if text ~= "" then
      said[#said + 1] = text
      write(text)
    end
  end
  return function(piece)
    if ended then return end
    held = held .. piece
    local at, whole = stop_at(held, list)
    hand_on(held:sub(1, (at or #held + 1) - 1))
    held, ended = at and held:sub(at) or "", whole or false
  end, function()
    if not ended then hand_on(held) end
    return table.concat(said)
  end
end

-- Tokens as they come, as on_token of core.generate takes them; and the end.
local function stream(self, list, write)
  local out, ends = self.model.tokenizer:stream(), {}
  local push, finish = chat.filter(list, write)
  for _, id in ipairs(self.model.eos) do ends[id] = true end
  local eos = self.model.tokenizer:role "eos"
  if eos then ends[eos] = true end
  return function(_, _, token)
    if not ends[token] then push(out:push(token)) end
    return not core.interrupted()
  end, function()
    push(out:finish())
    return finish()
  end
end

local function answer(self, write)
  local ids, room = prompt_of(self)
  local o, list, marks = self.o, stops(self)
  local on_token, finish = stream(self, list, write or function() end)
  self.asked = self.asked + 1
  local ok, samples = pcall(core.generate, self.model, { { ids = ids } }, {
    temperature = o.temperature, top_k = o.top_k, top_p = o.top_p, min_p = o.min_p,
    max_tokens = room, seed = core.seed(o.seed, "answer/" .. self.asked), stop = list,
    stop_tokens = marks }, on_token)
  local said = finish()
  if not ok and not core.interrupted() then error(samples, 0) end
  core.clear_interrupt()
  self.messages[#self.messages + 1] = { role = "assistant", content = said }
  return said, ok and samples[1].finish or "interrupted", ok and samples[1].response_tokens or nil
end

--- What the model answers; write is called with its text as it comes. The second result
--- says why it ended, the third how many tokens it took. A question that fails is forgotten.
function Chat:ask(question, write)
  local before = #self.messages
  self.messages[before + 1] = { role = "user", content = question }
  local ok, said, why, tokens = pcall(answer, self, write)
  if not ok then
    self.messages[before + 1] = nil
    error(said, 0)
  end
  return said, why, tokens
end

--- Another answer to the last question.
function Chat:retry(write)
  if #self.messages == 0 then core.fail "chat: nothing was asked yet" end
  self.messages[#self.messages] = nil
  return answer(self, write)
end

return chat
