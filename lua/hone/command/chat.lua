-- hone chat MODEL: talk to a model. On a terminal with a prompt, history and commands;
-- elsewhere each line of standard input is a question, each answer goes to standard output.
local chats = require "hone.chat"
local core = require "hone.core"
local model = require "hone.model"
local terminal = require "hone.terminal"
local text = require "hone.text"

local help = [[
/reset            forget what was said       /retry   another answer
/system TEXT      what the model is told     /quit    end
/temperature T, /top-k K, /top-p P, /min-p P, /max-tokens N, /seed N
Ctrl-C stops an answer; twice, it ends the program.]]

local settings = { temperature = true, top_k = true, top_p = true, min_p = true,
                   max_tokens = true, seed = true }

-- ---- commands: each gives what is shown, and "quit", "retry" ----

local function set(talk, name, said)
  local value = tonumber(said)
  if not value then return ("%s is %s"):format(name:gsub("_", "-"), text.number(talk.o[name])) end
  local ok, problem = pcall(talk.set, talk, name, math.tointeger(value) or value)
  return ok and ("%s is now %s"):format(name:gsub("_", "-"), said) or tostring(problem)
end

local function command(talk, line)
  local word, rest = line:match "^/(%S*)%s*(.-)%s*$"
  local name = word:gsub("-", "_")
  if word == "quit" or word == "exit" then return nil, "quit" end
  if word == "retry" then
    if #talk.messages == 0 then return "nothing was asked yet" end
    return nil, "retry"
  end
  if word == "reset" then
    talk:reset()
    return "forgotten"
  elseif word == "system" then
    talk:set("system", rest ~= "" and rest or nil)
    return rest ~= "" and "the model is told so first" or "the model is told nothing first"
  elseif settings[name] then
    return set(talk, name, rest)
  elseif word == "help" then
    return help
  end
  local known = { "/quit", "/retry", "/reset", "/system", "/help" }
  for key in pairs(settings) do known[#known + 1] = "/" .. key:gsub("_", "-") end
  return ("there is no command /%s%s; /help lists them"):format(word,
    text.suggest("/" .. word, known))
end

-- ---- answers ----

-- With Ctrl-C caught, so that the first one stops the answer and the next the program.
local function say(talk, question, write)
  core.catch(true)
  local ok, said, why, tokens
  if question then ok, said, why, tokens = pcall(talk.ask, talk, question, write)
  else ok, said, why, tokens = pcall(talk.retry, talk, write) end
  core.catch(false)
  return ok, said, why, tokens
end

-- Where the answer did not end by itself, or the window is full, that is said.
local function remarks(talk, why, tokens)
  local words = {}
  if why == "interrupted" then words[1] = "stopped" end
  if why == "length" then words[1] = ("cut off after %s"):format(text.count(tokens, "token")) end
  if (talk.dropped or 0) > 0 then
    words[#words + 1] = ("the first %s no longer in the window"):format(
      text.count(talk.dropped, "message"))
  end
  return table.concat(words, ", ")
end

-- ---- on a terminal ----

local function writer(screen)
  return function(piece)
    io.stdout:write((terminal.clean(piece):gsub("\n", screen.plain and "\n" or "\r\n")))
    io.stdout:flush()
  end
end

local function show(screen, said, style)
  for line in (said .. "\n"):gmatch "(.-)\n" do
    io.stdout:write(screen:style(terminal.clean(line), style), "\r\n")
  end
  io.stdout:flush()
end

local function answer(screen, talk, question)
  -- Signals reach a terminal that is in line mode only.
  screen.handle:suspend()
  local ok, said, why, tokens = say(talk, question, writer(screen))
  screen.handle:resume()
  io.stdout:write "\r\n"
  if not ok then return show(screen, tostring(said), "warn") end
  local remark = remarks(talk, why, tokens)
  if remark ~= "" then show(screen, "(" .. remark .. ")", "dim") end
  io.stdout:write "\r\n"
end

local function on_terminal(talk, name)
  local screen <close> = terminal.open "chat"
  show(screen, ("%s, template %s. /help lists commands."):format(name, talk.o.template), "dim")
  local leaving = false
  while true do
    local line, key = screen:line "> "
    if not line then
      if key == "end" or key == nil or (key == "ctrl-c" and leaving) then return end
      leaving = key == "ctrl-c"
      if leaving then show(screen, "Ctrl-C again, or /quit, ends.", "dim") end
    elseif line:find "^/" then
      leaving = false
      local said, action = command(talk, line)
      if action == "quit" then return end
      if said then show(screen, said, "dim") end
      if action == "retry" then answer(screen, talk) end
    elseif line:find "%S" then
      leaving = false
      answer(screen, talk, line)
    end
  end
end

-- ---- elsewhere ----

local function as_json(said, why, tokens)
  return core.json.encode { response = said, finish = why, tokens = tokens }
end

local function on_lines(talk, o)
  local function write(piece)
    if not o.json then
      io.stdout:write(piece)
      io.stdout:flush()
    end
  end
  for line in io.lines() do
    local said, action, question
    if line:find "^/" then said, action = command(talk, line) else question = line end
    if action == "quit" then return end
    if said then io.stderr:write(said, "\n") end
    if action == "retry" or (question and question:find "%S") then
      local ok, response, why, tokens = say(talk, question, write)
      if not ok then error(response, 0) end
      io.stdout:write(o.json and as_json(response, why, tokens) or "", "\n")
      io.stdout:flush()
    end
  end
end

return {
  summary = "Talk to a model.",
  words = { "MODEL" },
  flags = {
    { "template", "string", "NAME", doc = "of messages: plain, chatml, none (the words alone)" },
    { "system", "string", "TEXT", doc = "what the model is told first" },
    { "temperature", "number", "T", doc = "default 0.7; 0: the likeliest token" },
    { "top-k", "integer", "K", doc = "of the K likeliest tokens" },
    { "top-p", "number", "P", doc = "of the fewest tokens whose shares sum to P" },
    { "min-p", "number", "P", doc = "of tokens at least P times as likely as the likeliest" },
    { "max-tokens", "integer", "N", doc = "of an answer (default 512)" },
    { "seed", "integer", "N", doc = "of sampling (default 0)" },
    { "dtype", "string", "TYPE", doc = "of weights in memory: f32, bf16, f16, stored" },
  },
  run = function(o)
    local talk = chats.new(model.load(o.model, { dtype = o.dtype }), { template = o.template,
      system = o.system, temperature = o.temperature, top_k = o.top_k, top_p = o.top_p,
      min_p = o.min_p, max_tokens = o.max_tokens, seed = o.seed })
    local handle = not o.json and core.terminal.open()
    if not handle then return on_lines(talk, o) end
    getmetatable(handle).__close(handle)
    on_terminal(talk, o.model)
  end,
}
