-- corpus.lua: the little world of the quickstart, made from nothing but this file.
--
-- A mail-order shop: customers write, the shop replies. The corpus (messages with replies in prose, and pages of
-- the catalogue) teaches the base model the words; tickets.jsonl (messages with a form filled in) is the task that
-- fine-tuning teaches. Forms never occur in the corpus.
--
--   lua5.4 corpus.lua corpus 20000 1 > corpus.txt       20,000 texts, seed 1, an empty line between them
--   lua5.4 corpus.lua tickets 1200 2 > tickets.jsonl    1,200 rows { prompt, completion }, seed 2

local function words(text)
  local list = {}
  for word in text:gmatch("[^|]+") do list[#list + 1] = word:match("^%s*(.-)%s*$") end
  return list
end

local products = words [[kettle | toaster | lamp | jacket | backpack | keyboard | mixer | radio | tent | umbrella | suitcase |
  scarf | clock | mirror | blanket | camera | chair | printer | drill | helmet | violin | telescope | teapot | hammock |
  bicycle | fan | heater | puzzle | globe | ladder]]
local colours = words "red | blue | green | grey | black | white | yellow | brown"
local names = words [[Anna | Ben | Clara | David | Elif | Farid | Grace | Hugo | Ines | Jonas | Kofi | Lena | Mara | Noor | Omar |
  Petra | Quinn | Rosa | Sven | Tara]]
local days = words "Monday | Tuesday | Wednesday | Thursday | Friday | Saturday"
local parts = words "handle | manual | cable | screws | cover | battery | strap | box"

-- What is wrong: how customers say it, and how the shop says it back.
local problems = {
  broken = { "It stopped working after {n} days. | It does not switch on at all. | It fell apart on {day}. | " ..
    "There is a crack down one side. | It makes a terrible noise and then nothing. | One piece snapped off in my hand.",
    "that your {p} is broken | that the {p} does not work" },
  late = { "It was due on {day} and still has not come. | I have been waiting for {n} weeks now. | " ..
    "The parcel has not arrived. | Nothing has turned up at my door. | The tracking page has not changed for {n} days.",
    "that your {p} is late | that the {p} has not arrived yet" },
  wrong = { "You sent me a {q} instead. | The parcel had a {q} in it. | I opened the box and found a {q}. | " ..
    "I asked for the {c} one and this is not it. | This is not the model I ordered.",
    "that we sent you the wrong {p} | that this was the wrong {p}" },
  missing = { "The {part} was not in the box. | It came without the {part}. | I cannot find the {part} anywhere. | " ..
    "Somebody forgot to pack the {part}. | There is no {part} with it.",
    "that a part of your {p} is missing | that the {p} came without all its parts" },
  damaged = { "The box was soaked and so was everything in it. | It came dented and scratched. | " ..
    "The wrapping was torn open and the paint is scraped. | It looks as if someone had driven over the parcel. | " ..
    "There are deep scratches all over it.",
    "that your {p} was damaged on the way | that the {p} reached you damaged" },
  price = { "I was charged twice. | The bill says {n} euros too much. | My card was charged for two of them. | " ..
    "The price at the till was not the one on the page. | The voucher was not taken off the bill.",
    "that the bill for your {p} is wrong | that you were charged too much for the {p}" },
}
local problem_names = words "broken | late | wrong | missing | damaged | price"

-- What the customer would like, and what the shop promises.
local wishes = {
  refund = { "Please give me my money back. | I want a refund. | I would like to be paid back. | " ..
    "Return the money to my account, please.", "We will pay you back today. | The refund is on its way." },
  replace = { "Please send me a new one. | I would like another one. | Can you swap it for me? | " ..
    "Send a fresh one, please.", "A new one leaves our store tomorrow. | We are sending you another one." },
  repair = { "Can somebody fix it? | I would like you to mend it. | Please put it right. | " ..
    "Is there a workshop that can look at it?", "Our workshop will mend it. | A technician will fix it for you." },
  answer = { "What happened? | Please tell me what is going on. | Can you explain this to me? | " ..
    "I only want to know why.", "Here is what happened: our store was closed. | Let us explain: the driver was ill." },
  cancel = { "Please cancel the order. | I do not want it any more. | Take me off the list, please. | " ..
    "Stop the order before it costs more.", "We have cancelled the order. | The order is cancelled." },
}
local wish_names = words "refund | replace | repair | answer | cancel"

local openings = words [[Hello, | Good morning, | Dear shop, | Hi there, | To whom it may concern, | Good evening,]]
local orders = words [[I ordered a {c} {p} from you. | My {p} is a problem. | This is about the {p} that I bought on {day}. |
  Last {day} I bought a {p} for my {k}. | I am writing about a {c} {p}. | We got the {p} from your catalogue.]]
local asides = words [[My {k} was so looking forward to it. | I have been a customer for {n} years. | The weather was bad on {day}. |
  I called on {day} but nobody answered. | The driver was friendly, though. | My neighbour has the same in {c}. |
  I paid with my card. | It was meant to be a present.]]
local kin = words "son | daughter | mother | father | friend | sister | brother | uncle"
local thanks = words "Thank you, {name} | Kind regards, {name} | Best wishes, {name} | Yours, {name} | {name}"
local pages = words [[The {c} {p} is our best for {k}s of all ages. It comes with a {part} and lasts {n} years. |
  New in the catalogue: a {p} in {c}. Order by {day} and it is with you in {n} days. |
  Every {p} is checked by hand before it leaves the store. If the {part} is missing we send it at once. |
  {name} has packed {n} boxes today. The last one holds a {c} {p} and a {q}. |
  On {day} the van brings the {p} to the north of town and the {q} to the south.]]

local function pick(list) return list[math.random(#list)] end

-- Fill {slots} of a template; a slot keeps its filling within one text.
local function fill(template, slots)
  return (template:gsub("{(%w+)}", function(slot) return slots[slot] end))
end

local function slots()
  local s = { p = pick(products), c = pick(colours), name = pick(names), day = pick(days), part = pick(parts),
              k = pick(kin), n = tostring(math.random(2, 9)) }
  repeat s.q = pick(products) until s.q ~= s.p
  return s
end

-- One message: the text, what it is about, and the slots used.
local function message()
  local s, problem, wish = slots(), pick(problem_names), pick(wish_names)
  local lines = { pick(orders) }
  if math.random() < 0.4 then lines[#lines + 1] = pick(asides) end
  lines[#lines + 1] = pick(words(problems[problem][1]))
  if math.random() < 0.4 then lines[#lines + 1] = pick(asides) end
  lines[#lines + 1] = pick(words(wishes[wish][1]))
  if math.random() < 0.7 then table.insert(lines, 1, pick(openings)) end
  lines[#lines + 1] = pick(thanks)
  return fill(table.concat(lines, " "), s), problem, wish, s
end

local function reply(problem, wish, s)
  local text = "Dear {name}, we are sorry " .. pick(words(problems[problem][2])) .. ". " .. pick(words(wishes[wish][2]))
  return fill(text, s)
end

local make = {}

function make.corpus()
  if math.random() < 0.2 then return fill(pick(pages), slots()) .. "\n" end
  local text, problem, wish, s = message()
  return ("Message: %s\nReply: %s\n"):format(text, reply(problem, wish, s))
end

function make.tickets()
  local text, problem, wish, s = message()
  return ('{"prompt": "Message: %s\\nForm:", "completion": " product: %s, problem: %s, wish: %s"}')
    :format(text, s.p, problem, wish)
end

local what, count, seed = arg[1], tonumber(arg[2]), tonumber(arg[3])
if not make[what] or not count or not seed then
  io.stderr:write("usage: lua5.4 corpus.lua corpus|tickets COUNT SEED\n")
  os.exit(1)
end
math.randomseed(seed)
local seen = {}
while count > 0 do
  local text = make[what]()
  if what == "corpus" or not seen[text] then
    seen[text] = true
    print(text)
    count = count - 1
  end
end
