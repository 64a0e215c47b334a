-- Direct preference optimisation: a shop's replies as its customers like them.
--   hone run examples/dpo.lua
--
-- The base model of the quickstart answers 240 messages, several times each. Customers prefer an answer that speaks of
-- "your kettle" to one that speaks of "the kettle"; one in ten of them picks the wrong one, and the loss is told so.
-- What is learned shows on 60 messages that the model has not seen.
local hone = require "hone"
local args = hone.args { loss = "cdpo", beta = 0.3, noise = 0.1, lr = 2e-4, epochs = 3, messages = 240, seed = 7 }
local folder = arg[0]:match("^.*/") or ""

local model = hone.model.load(folder .. "quickstart/base")
local tickets = hone.data.load(folder .. "quickstart/tickets.jsonl"):take(args.messages + 60)

local asked, unseen = {}, {}
for i, row in tickets:rows() do
  local prompt = row.prompt:gsub("Form:$", "Reply:")
  if i <= args.messages then asked[#asked + 1] = prompt else unseen[#unseen + 1] = prompt end
end

local function answers(prompts, samples)
  return model:generate { prompts = prompts, samples = samples, temperature = 1, max_tokens = 40, stop = { "\n" },
                          seed = args.seed }
end

local function personal(reply) return reply:find("sorry that .*your ") ~= nil end

-- The share of replies to unseen messages that customers would like.
local function liked()
  local samples, n = answers(unseen, 4), 0
  for i = 1, #samples do n = n + (personal(samples[i].response) and 1 or 0) end
  return n / #samples
end

-- Two answers to the same message of which one is liked: a pair.
local samples, random, rows = answers(asked, 4), hone.random(args.seed, "customers"), {}
for first = 1, #samples, 4 do
  local good, bad
  for i = first, first + 3 do
    local reply = samples[i].response
    if personal(reply) then good = good or reply else bad = bad or reply end
  end
  if good and bad then
    if random:uniform() < args.noise then good, bad = bad, good end
    rows[#rows + 1] = { prompt = asked[(first - 1) // 4 + 1], chosen = good, rejected = bad }
  end
end

local before = liked()
local run = hone.preference {
  model     = model,
  data      = hone.data.new(rows, "customers"):split { train = 0.9, validation = 0.1, seed = args.seed },
  loss      = args.loss,
  beta      = args.beta,
  noise     = args.noise,
  optimizer = hone.optimizer.adamw { lr = args.lr },
  schedule  = hone.schedule.cosine { warmup = 0.1 },
  epochs    = args.epochs,
  batch     = { tokens = 2048 },
  seed      = args.seed,
}

print(run:evaluate "validation")
print(("replies that customers like, of unseen messages: %.0f %% before, %.0f %% after, of %d pairs"):format(
  100 * before, 100 * liked(), #rows))
print(answers({ unseen[1] }, 1)[1].response)
