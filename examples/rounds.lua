-- Two rounds of feedback: the model answers, annotators judge, what they say is checked, a
-- reward model learns it, the policy learns from that. Here a model of random weights learns to
-- write letters, from simulated annotators, in under a minute:
--
--   hone run rounds.lua                     interrupt it: `hone run --resume rounds.lua` goes on
--   hone run rounds.lua people=true         ends with status 75; then
--   hone annotate feedback.db letters-1 --as YOU, and hone run --resume rounds.lua people=true
--   hone report feedback.db                 a page of trends
local hone = require "hone"
local args = hone.args { store = "feedback.db", rounds = 2, pairs = 90, steps = 16, people = false }

local policy = hone.model.new({ model_type = "llama", hidden_size = 48, num_hidden_layers = 2,
  num_attention_heads = 4, intermediate_size = 96, vocab_size = 258, max_position_embeddings = 64 },
  { seed = 1 }):set_tokenizer(hone.tokenizer.byte {})
local prompts = hone.data.new({ { prompt = "say: " }, { prompt = "tell: " },
                                { prompt = "sing: " } }, "prompts")

-- Of 100 bytes, how many are letters: what the annotators like, and nobody tells the policy.
local function letters(said)
  return 100 * select(2, said:gsub("%a", "")) / math.max(1, #said)
end

local store = hone.store(args.store)
if not args.people then
  hone.simulate.attach(hone.simulate.annotators { count = 8, skill = { 0.85, 0.05 }, spam = 0.2,
    truth = function(_, option) return letters(option.text) / 8 end, seed = 1 }, store)
end

local function measure()
  local samples, sum = policy:generate { prompts = prompts, samples = 64, temperature = 1,
                                         max_tokens = 16, seed = 1 }, 0
  for i = 1, #samples do sum = sum + letters(samples[i].response) end
  return sum / #samples
end
local first = measure()

hone.rounds { name = "letters", count = args.rounds, function(round)
  local choices = round:stage("answer", function()
    return policy:generate { prompts = prompts, samples = 12, temperature = 1, max_tokens = 16,
                             seed = round.number }:pair { limit = args.pairs }
  end)

  local answers = round:stage("judge", function()
    return store:task { name = round.name, ask = { hone.ask.preference {} }, overlap = 3 }
      :add(choices):wait()
  end)

  local labels = round:stage("trust", function()
    return answers:check { hone.quality.speed { floor = 2 } }
      :aggregate { preference = hone.quality.bradley_terry { annotators = true } }
  end)

  round:stage("learn", function()
    local liked = hone.reward_model { base = policy:copy(), data = labels.preference, epochs = 4,
      optimizer = hone.optimizer.adamw { lr = 2e-3 }, batch = { tokens = 512 } }
    hone.grpo { policy = policy, prompts = prompts, group = 16, steps = args.steps, kl = 0.02,
      sampling = { max_tokens = 16 }, optimizer = hone.optimizer.adamw { lr = 2e-3 },
      reward = hone.reward { normalise = true, liked } }
  end)

  local share = round:stage("measure", measure)
  round:log { letters = share }
  round:gate { evaluation = { name = "letters", value = share, fall = 1 } }
  print(("round %d: %.1f %% letters"):format(round.number, share))
end }
print(("before: %.1f %%"):format(first))
policy:save("out/letters")
print(hone.lineage "out/letters")
