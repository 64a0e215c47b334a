-- Kahneman-Tversky optimisation: thumbs up, thumbs down, and corrections.
--   hone run examples/kto.lua
--
-- A reader gives a verdict on each reply of the quickstart's base model: "positive" where the shop says what it does
-- itself ("We have cancelled the order"), "negative" where things merely happen ("The order is cancelled"). Now and
-- then the reader corrects one: "needs improvement", with a correction. No reply needs a partner.
local hone = require "hone"
local args = hone.args { beta = 0.2, lr = 3e-4, epochs = 2, messages = 200, seed = 7 }
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

local function active(reply) return reply:find "%. We " or reply:find "%. Our " or reply:find "%. Let us " end

local function share()
  local samples, n = answers(unseen, 4), 0
  for i = 1, #samples do n = n + (active(samples[i].response) and 1 or 0) end
  return n / #samples
end

local better = { ["The refund is on its way."] = "We will pay you back today.",
                 ["The order is cancelled."] = "We have cancelled the order." }
local samples, rows, counts = answers(asked, 2), {}, { positive = 0, negative = 0, ["needs improvement"] = 0 }
for i = 1, #samples do
  local reply = samples[i].response
  local row = { prompt = asked[(i - 1) // 2 + 1], completion = reply }
  row.verdict = active(reply) and "positive" or "negative"
  local promise = reply:match "%. (%u.*)$"
  if i % 5 == 0 and better[promise] then
    row.verdict, row.correction = "needs improvement", reply:sub(1, -#promise - 1) .. better[promise]
  end
  counts[row.verdict] = counts[row.verdict] + 1
  rows[i] = row
end

local before = share()
local run = hone.preference {
  model       = model,
  data        = hone.data.new(rows, "verdicts"):split { train = 0.9, validation = 0.1, seed = args.seed },
  loss        = "kto",
  beta        = args.beta,
  undesirable = 1.5,                        -- a complaint weighs more than praise
  optimizer   = hone.optimizer.adamw { lr = args.lr },
  schedule    = hone.schedule.cosine { warmup = 0.1 },
  epochs      = args.epochs,
  batch       = { tokens = 2048 },
  seed        = args.seed,
}

print(("verdicts: %d positive, %d negative, %d corrected"):format(counts.positive, counts.negative,
  counts["needs improvement"]))
print(run:evaluate "validation")
print(("replies in which the shop acts, of unseen messages: %.0f %% before, %.0f %% after"):format(100 * before,
  100 * share()))
