-- Group-relative policy optimisation: forms that are right, learned from a score alone.
--   hone run examples/grpo.lua
--
-- The quickstart's base model is fine-tuned on 160 messages with forms: it writes forms, but three in ten have a
-- mistake. Then it answers other messages, eight times each, and is only told which share of the fields is right. What
-- it learns shows on 120 messages that it has not seen.
local hone = require "hone"
local args = hone.args { epochs = 6, steps = 40, prompts = 8, group = 8, lr = 2e-4, kl = 0.02, unseen = 120,
                         seed = 7 }
local folder = arg[0]:match("^.*/") or ""

local model = hone.model.load(folder .. "quickstart/base")
local tickets = hone.data.load(folder .. "quickstart/tickets.jsonl"):clean {}
local parts = tickets:split { train = 0.15, prompts = 0.75, test = 0.1, seed = args.seed }
local unseen = parts.test:take(args.unseen)

hone.sft {
  model = model, data = parts.train, optimizer = hone.optimizer.adamw { lr = 1e-3 }, epochs = args.epochs,
  batch = { tokens = 2048 }, eval = { samples = 0 }, seed = args.seed,
}

-- The reward is a metric like any other, here in a few lines.
local exact = hone.metric.exact_match { column = "completion" }
local fields = hone.metric.define {
  name = "fields", version = "1.0", summary = "share of the form's three fields that are right, in [0, 1]",
  score = function(s)
    local right, all = 0, 0
    for name, value in s.completion:gmatch("(%w+): (%w+)") do
      all = all + 1
      if s.response:match(name .. ": (%w+)") == value then right = right + 1 end
    end
    return right / all
  end,
}

local function examine()
  local samples = model:generate { prompts = unseen, max_tokens = 40, stop = { "\n" } }
  return { exact = exact(samples):summary().mean, fields = fields(samples):summary().mean }
end

local before = examine()
local run = hone.grpo {
  policy    = model,
  prompts   = parts.prompts,
  reward    = fields,
  group     = args.group,
  kl        = args.kl,
  steps     = args.steps,
  batch     = { prompts = args.prompts },
  sampling  = { max_tokens = 40, stop = { "\n" } },
  optimizer = hone.optimizer.adamw { lr = args.lr },
  schedule  = hone.schedule.cosine { warmup = 0.1 },
  eval      = { metrics = { exact, fields } },
  seed      = args.seed,
}
local after = examine()

print "on unseen messages    forms all right   fields right"
for _, line in ipairs { { "fine-tuned", before }, { "and after GRPO", after } } do
  print(("%-21s %13.1f %%   %10.1f %%"):format(line[1], 100 * line[2].exact, 100 * line[2].fields))
end
print("report: " .. run:path "report.html")
