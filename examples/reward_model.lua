-- A reward model: which of two filled-in forms fits a customer's message?
--   hone run examples/reward_model.lua
--
-- Pairs are made of the quickstart's tickets: the message's own form is preferred to one of another message. What is
-- learned must compare form and message: both sides look alike, and are equally long on average.
local hone = require "hone"
local args = hone.args { pairs = 640, epochs = 4, lr = 5e-4, seed = 7 }
local folder = arg[0]:match("^.*/") or ""

local tickets = hone.data.load(folder .. "quickstart/tickets.jsonl"):clean {}:take(args.pairs)
local random, rows = hone.random(args.seed, "pairs"), {}
for _, ticket in tickets:rows() do
  local other
  repeat other = tickets[random:below(#tickets)].completion until other ~= ticket.completion
  rows[#rows + 1] = { prompt = ticket.prompt, chosen = ticket.completion, rejected = other }
end
local data = hone.data.new(rows, "forms"):split { train = 0.8, validation = 0.1, test = 0.1, seed = args.seed }

local liked = hone.reward_model {
  base      = hone.model.load(folder .. "quickstart/base"),
  data      = data,
  centre    = 0.01,                                      -- scores stay around 0
  optimizer = hone.optimizer.adamw { lr = args.lr },
  schedule  = hone.schedule.cosine { warmup = 0.1 },
  epochs    = args.epochs,
  batch     = { tokens = 2048 },
  seed      = args.seed,
}
print(liked:test())

-- From now on the mean is 0 and the standard deviation 1 on these answers: a reward for hone.grpo, hone.best_of, eval.
local answers = {}
for i, row in data.test:rows() do
  answers[2 * i - 1] = { prompt = row.prompt, response = row.chosen }
  answers[2 * i] = { prompt = row.prompt, response = row.rejected }
end
local samples = hone.samples(answers)
liked:normalise(samples):save "out/liked"

local scores = hone.reward_model.load "out/liked"(samples)
for i = 1, 6 do
  if i % 2 == 1 then print("\n" .. answers[i].prompt) end
  print(("%6.2f %s"):format(scores:get(i), answers[i].response))
end
print("report: " .. liked.run:path "report.html")
