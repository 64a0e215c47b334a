-- Proximal policy optimisation: replies as customers like them, at a distance from the model that is watched.
--   hone run examples/ppo.lua
--
-- The base model of the quickstart answers messages to a shop. Customers like a reply that is sorry about "your
-- kettle" better than one about "the kettle", and dislike one that names another thing than theirs. A critic (a head on
-- the policy) learns beside it what answers will get, and KL in the reward holds the policy near the base model.
local hone = require "hone"
local args = hone.args { steps = 30, prompts = 32, lr = 3e-4, kl = 0.1, target = 6, unseen = 120,
                         seed = 7 }
local folder = arg[0]:match("^.*/") or ""

local model = hone.model.load(folder .. "quickstart/base")
local rows = {}
for i, row in hone.data.load(folder .. "quickstart/tickets.jsonl"):take(600):rows() do
  rows[i] = { prompt = row.prompt:gsub("Form:$", "Reply:"), product = row.completion:match "product: (%w+)" }
end
local messages = hone.data.new(rows, "messages"):split { train = 0.8, test = 0.2, seed = args.seed }
local unseen = messages.test:take(args.unseen)

-- 1 for "your kettle" where the message is about a kettle, 0 for "the kettle", -1 where it is not named.
local function liked(s)
  if s.response:find("your " .. s.product, 1, true) then return 1 end
  return s.response:find(s.product, 1, true) and 0 or -1
end

local function examine()
  local samples = model:generate { prompts = unseen, samples = 2, temperature = 1, max_tokens = 40,
                                   stop = { "\n" }, seed = args.seed }
  local your, named, length = 0, 0, 0
  for i = 1, #samples do
    local score = liked(samples[i])
    your, named = your + (score == 1 and 1 or 0), named + (score >= 0 and 1 or 0)
    length = length + samples[i].response_tokens
  end
  return { 100 * your / #samples, 100 * named / #samples, length / #samples, samples[1].response }
end

local before = examine()
local run = hone.ppo {
  policy    = model,
  prompts   = messages.train,
  reward    = hone.reward {
    { liked, name = "liked" },
    { hone.metric.overlong { max = 40, ramp = 8 } },      -- a reply that finds no end costs up to 1
  },
  kl        = args.kl,
  adaptive  = { target = args.target, horizon = 100 },    -- nats a reply
  missing_eos = { subtract = 1 },
  lambda    = 1,
  epochs    = 2,
  steps     = args.steps,
  batch     = { prompts = args.prompts },
  sampling  = { max_tokens = 40, stop = { "\n" } },
  optimizer = hone.optimizer.adamw { lr = args.lr },
  seed      = args.seed,
}
local after = examine()

local history = run:history()
print "replies to unseen messages   'your ...'   right thing   tokens"
for _, line in ipairs { { "base model", before }, { "and after PPO", after } } do
  print(("%-26s %9.1f %%   %9.1f %%   %6.1f"):format(line[1], table.unpack(line[2])))
end
print(("KL from the base model: %.2f nats a reply"):format(history[#history].kl or history[#history - 1].kl))
print("before:" .. before[4])
print("after: " .. after[4])
print("report: " .. run:path "report.html")
