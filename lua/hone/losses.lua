-- losses: preference losses by name, as functions of log-probabilities.
--
--   losses.sigmoid.fn(b, o)          one value a pair, [pairs]
--
-- b.policy and b.reference hold { chosen, rejected }, summed log-probabilities in
-- nats, [pairs]; b.lengths { chosen, rejected } in tokens; b.margin and b.noise are
-- the pairs' columns (nil: no noise). With x a side, let r(x) = log pi(x) - log pi_ref(x) and
-- h = beta (r(chosen) - r(rejected)) - margin_scale b.margin.
--
-- An unpaired loss judges samples one by one: b.policy.completion,
-- b.reference.completion, b.lengths.completion, b.good (1 or 0), [samples], and
-- b.kl, a number >= 0.
--
-- A loss says what it needs: reference (false: none), unpaired, whole (its values
-- depend on the whole batch), own_noise (it takes b.noise itself; elsewhere noise
-- mixes the loss with that of the swapped pair), average (its rewards are per
-- token), shift (it takes b.shift, the running mean of rewards), options that are
-- its own with their defaults, start (its value where policy and reference agree).
local T = require "hone.tensor"

local losses = {}

local ln2 = math.log(2)

local function ratio(b, side) return b.policy[side] - b.reference[side] end

local function average_ratio(b, side) return ratio(b, side) / b.lengths[side] end

local function average(b, side) return b.policy[side] / b.lengths[side] end

local function offset(h, b, o)
  return o.margin_scale == 0 and h or h - o.margin_scale * b.margin
end

local function logit(b, o)
  return offset(o.beta * (ratio(b, "chosen") - ratio(b, "rejected")), b, o)
end

-- (1 - noise) f(h) + noise f(-h), for f = -log sigmoid.
local function smoothed(h, noise)
  return -((1 - noise) * T.log_sigmoid(h)) - noise * T.log_sigmoid(-h)
end

-- Values in rising order. The order is a constant to the gradient.
local function sorted(t)
  local values, order = t:values(), {}
  for i = 1, #values do order[i] = i end
  table.sort(order, function(i, j)
    if values[i] ~= values[j] then return values[i] < values[j] end
    return i < j
  end)
  return t:rows(order)
end

losses.sigmoid = {
  doc = "-log sigmoid(h)", paper = "DPO, Rafailov et al. 2023, arXiv:2305.18290",
  start = function() return ln2 end,
  fn = function(b, o) return -T.log_sigmoid(logit(b, o)) end,
}

losses.cdpo = {
  doc = "-(1 - noise) log sigmoid(h) - noise log sigmoid(-h)",
  paper = "conservative DPO, Mitchell 2023", own_noise = true,
  start = function() return ln2 end,
  fn = function(b, o) return smoothed(logit(b, o), b.noise or 0) end,
}

losses.robust = {
  doc = "(-(1 - noise) log sigmoid(h) + noise log sigmoid(-h)) / (1 - 2 noise): unbiased",
  paper = "rDPO, Chowdhury et al. 2024, arXiv:2403.00409", own_noise = true, noise_below = 0.5,
  start = function() return ln2 end,
  fn = function(b, o)
    local h, noise = logit(b, o), b.noise or 0
    local clean, flipped = -T.log_sigmoid(h), -T.log_sigmoid(-h)
    return ((1 - noise) * clean - noise * flipped) / (1 - 2 * noise)
  end,
}

losses.hinge = {
  doc = "max(0, 1 - h)", paper = "SLiC, Zhao et al. 2023, arXiv:2305.10425",
  start = function() return 1 end,
  fn = function(b, o) return T.relu(1 - logit(b, o)) end,
}

losses.ipo = {
  doc = "(d - 1/(2 beta))^2, d the difference of r, of each token where norm = \"token\"",
  paper = "IPO, Azar et al. 2023, arXiv:2310.12036", options = { norm = "token" },
  start = function(o) return (1 / (2 * o.beta)) ^ 2 end,
  fn = function(b, o)
    local r = o.norm == "sum" and ratio or average_ratio
    return (r(b, "chosen") - r(b, "rejected") - 1 / (2 * o.beta)):square()
  end,
}

losses.sigmoid_norm = {
  doc = "-log sigmoid(beta d), d the difference of r of each token",
  paper = "length-normalised DPO, as in Tulu 3, Lambert et al. 2024, arXiv:2411.15124",
  start = function() return ln2 end,
  fn = function(b, o)
    local d = average_ratio(b, "chosen") - average_ratio(b, "rejected")
    return -T.log_sigmoid(offset(o.beta * d, b, o))
  end,
}

-- Noise 0 would make the target degenerate: log 0.
losses.exo_pair = {
  doc = "KL of softmax(beta r) from (1 - noise, noise), noise at least 0.001",
  paper = "EXO, Ji et al. 2024, arXiv:2402.00856, eq. 16", own_noise = true,
  start = function(_, noise)
    local e = math.max(noise, 1e-3)
    return -ln2 - 0.5 * math.log(1 - e) - 0.5 * math.log(e)
  end,
  fn = function(b, o)
    local h, e = logit(b, o), T.max(b.noise or 0, 1e-3)
    return T.sigmoid(h) * (T.log_sigmoid(h) - (1 - e):log()) +
      T.sigmoid(-h) * (T.log_sigmoid(-h) - e:log())
  end,
}

losses.nca_pair = {
  doc = "-log sigmoid(beta r(c)) - (log sigmoid(-beta r(c)) + log sigmoid(-beta r(r))) / 2",
  paper = "NCA, Chen et al. 2024, arXiv:2402.05369",
  start = function() return 2 * ln2 end,
  fn = function(b, o)
    local c, r = o.beta * ratio(b, "chosen"), o.beta * ratio(b, "rejected")
    return -T.log_sigmoid(c) - 0.5 * T.log_sigmoid(-c) - 0.5 * T.log_sigmoid(-r)
  end,
}

losses.bco_pair = {
  doc = "-log sigmoid(beta r(c) - s) - log sigmoid(s - beta r(r)), s the mean reward so far",
  paper = "BCO, Jung et al. 2024, arXiv:2404.04656", shift = true,
  start = function() return 2 * ln2 end,
  fn = function(b, o)
    local c, r = o.beta * ratio(b, "chosen"), o.beta * ratio(b, "rejected")
    return -T.log_sigmoid(c - (b.shift or 0)) - T.log_sigmoid((b.shift or 0) - r)
  end,
}

losses.sppo_hard = {
  doc = "(r(c) - 1/(2 beta))^2 + (r(r) + 1/(2 beta))^2",
  paper = "SPPO, Wu et al. 2024, arXiv:2405.00675",
  start = function(o) return 2 * (0.5 / o.beta) ^ 2 end,
  fn = function(b, o)
    local half = 0.5 / o.beta
    return (ratio(b, "chosen") - half):square() + (ratio(b, "rejected") + half):square()
  end,
}

losses.apo_zero = {
  doc = "1 - sigmoid(beta r(c)) + sigmoid(beta r(r))",
  paper = "APO, D'Oosterlinck et al. 2024, arXiv:2408.06266, eq. 7",
  start = function() return 1 end,
  fn = function(b, o)
    return T.sigmoid(-o.beta * ratio(b, "chosen")) + T.sigmoid(o.beta * ratio(b, "rejected"))
  end,
}

losses.apo_down = {
  doc = "sigmoid(beta r(c)) + 1 - sigmoid(beta (r(c) - r(r)))",
  paper = "APO, eq. 8",
  start = function() return 1 end,
  fn = function(b, o)
    local c, r = ratio(b, "chosen"), ratio(b, "rejected")
    return T.sigmoid(o.beta * c) + T.sigmoid(o.beta * (r - c))
  end,
}

losses.aot = {
  doc = "sigmoid of the differences log pi(c) - log pi(r), sorted, against the reference's, sorted",
  paper = "AOT, Melnyk et al. 2024, arXiv:2406.05882", own_noise = true, whole = true,
  start = function() return ln2 end,
  fn = function(b, o)
    local d = sorted(b.policy.chosen - b.policy.rejected) -
      sorted(b.reference.chosen - b.reference.rejected)
    return smoothed(o.beta * d, b.noise or 0)
  end,
}

losses.aot_unpaired = {
  doc = "sigmoid of the r(c), sorted, against the r(r), sorted",
  paper = "AOT, for sets that are not paired", own_noise = true, whole = true,
  start = function() return ln2 end,
  fn = function(b, o)
    local d = sorted(ratio(b, "chosen")) - sorted(ratio(b, "rejected"))
    return smoothed(o.beta * d, b.noise or 0)
  end,
}

losses.discopop = {
  doc = "-(1 - m) log sigmoid(h) + m exp(-h), m = sigmoid(h / tau)",
  paper = "DiscoPOP, Lu et al. 2024, arXiv:2406.08414", options = { tau = 0.05 },
  start = function() return 0.5 * ln2 + 0.5 end,
  fn = function(b, o)
    local h = logit(b, o)
    local m = T.sigmoid(h / o.tau)
    return (m - 1) * T.log_sigmoid(h) + m * T.exp(-h)
  end,
}

-- ---- without a reference ----

losses.simpo = {
  doc = "-log sigmoid(beta (mean log pi(c) - mean log pi(r)) - gamma)",
  paper = "SimPO, Meng et al. 2024, arXiv:2405.14734", reference = false, average = true,
  options = { gamma = 0.5 },
  fn = function(b, o)
    local h = o.beta * (average(b, "chosen") - average(b, "rejected"))
    return -T.log_sigmoid(offset(h, b, o) - o.gamma)
  end,
}

losses.cpo = {
  doc = "-log sigmoid(beta (log pi(c) - log pi(r))); the paper adds sft",
  paper = "CPO, Xu et al. 2024, arXiv:2401.08417", reference = false,
  fn = function(b, o)
    return -T.log_sigmoid(offset(o.beta * (b.policy.chosen - b.policy.rejected), b, o))
  end,
}

-- log(1 - e^x) for x < 0, accurate next to 0: 1 - e^x = tanh(-x/2) (1 + e^x).
local function log_complement(x) return T.tanh(-0.5 * x):log() + T.softplus(x) end

losses.orpo = {
  doc = "-beta log sigmoid(log odds(c) - log odds(r)), of mean log pi; the paper adds sft",
  paper = "ORPO, Hong et al. 2024, arXiv:2403.07691", reference = false, average = true,
  fn = function(b, o)
    local c, r = average(b, "chosen"), average(b, "rejected")
    return -o.beta * T.log_sigmoid(c - log_complement(c) - (r - log_complement(r)))
  end,
}

losses.sft = {
  doc = "-log pi(c), of each token where norm = \"token\"",
  paper = "as RPO adds it, Pang et al. 2024, arXiv:2404.19733", reference = false,
  own_noise = true, options = { norm = "token" },
  fn = function(b, o)
    return o.norm == "sum" and -b.policy.chosen or -average(b, "chosen")
  end,
}

-- ---- samples judged one by one ----

losses.kto = {
  doc = "good (1 - sigmoid(beta r - beta kl)) + bad (1 - sigmoid(beta kl - beta r)), weighted",
  paper = "KTO, Ethayarajh et al. 2024, arXiv:2402.01306, eq. 7", unpaired = true,
  options = { desirable = 1, undesirable = 1 },
  start = function(o) return o.desirable == o.undesirable and 0.5 * o.desirable or nil end,
  fn = function(b, o)
    local h = o.beta * (ratio(b, "completion") - b.kl)
    return o.desirable * b.good * T.sigmoid(-h) + o.undesirable * (1 - b.good) * T.sigmoid(h)
  end,
}

return losses
