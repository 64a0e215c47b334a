"""Two updates of PPO by TRL's own arithmetic, on shared answers.

    PYTHONPATH=<trl 0.11.4> python tests/parity/trl_ppo.py tests/parity/expect

writes trl_ppo.json. trl 0.11.4 is the last whose PPOTrainer has rewards, advantages and losses as methods; they are
called on a stand-in, with parity/models/llama and a value head in double. The second update moves values beyond
their clip. Where rewards are whitened, answers are equally long: what TRL makes of padding there reaches the tokens
before it. The names that newer transformers lack are of no use here.
"""
import os
import random
import sys
import types

import torch
import transformers
from transformers import AutoModelForCausalLM

for name in ("TopKLogitsWarper", "TopPLogitsWarper", "is_torch_npu_available", "is_torch_xpu_available"):
    if not hasattr(transformers, name):
        setattr(transformers, name, object)

import trl  # noqa: E402
from trl.core import masked_mean  # noqa: E402
from trl.trainer.ppo_trainer import PPOTrainer  # noqa: E402
from trl.trainer.utils import AdaptiveKLController  # noqa: E402

here = os.path.dirname(os.path.abspath(__file__))


def samples_of(rng, length):
    ids = lambda n: [rng.randrange(3, 67) for _ in range(n)]
    return [{"prompt": ids(rng.randrange(2, 6)), "response": ids(length or rng.randrange(1, 8)),
             "reward": rng.randrange(-32, 32) / 16} for _ in range(6)]


def forward(model, head, samples, width):
    """Log-probabilities, values before each token: rows of answers, zeros after them."""
    logp, value = [], []
    for s in samples:
        out = model(torch.tensor([s["prompt"] + s["response"]]), output_hidden_states=True)
        n = len(s["response"])
        hidden, logits = out.hidden_states[-1][0, -n - 1:-1], out.logits[0, -n - 1:-1]
        pad = (0, width - n)
        logp.append(torch.nn.functional.pad(
            logits.log_softmax(-1).gather(-1, torch.tensor(s["response"])[:, None]).squeeze(-1), pad))
        value.append(torch.nn.functional.pad(head(hidden).squeeze(-1), pad))
    return torch.stack(logp), torch.stack(value)


def two_updates(o):
    rng = random.Random(3)
    load = lambda: AutoModelForCausalLM.from_pretrained(
        os.path.join(here, "models", "llama"), dtype=torch.float64, attn_implementation="eager")
    model, reference = load(), load()
    reference.lm_head.weight.data *= 0.75
    head = torch.nn.Linear(model.config.hidden_size, 1).double()
    head.weight.data = torch.tensor([[rng.randrange(-32, 32) / 256 for _ in range(model.config.hidden_size)]]).double()
    head.bias.data = torch.tensor([0.125]).double()
    start = {"weight": head.weight[0].tolist(), "bias": head.bias.tolist()}
    samples = samples_of(rng, o.get("length"))
    width = max(len(s["response"]) for s in samples)
    mask = torch.tensor([[1.0] * len(s["response"]) + [0.0] * (width - len(s["response"])) for s in samples]).double()
    with torch.no_grad():
        old, values = forward(model, head, samples, width)
        before, _ = forward(reference, head, samples, width)
    noise = torch.tensor([[rng.randrange(-16, 16) / 64 for _ in row] for row in old.tolist()])
    old = (old + noise) * mask
    before = before * mask
    for s, row in zip(samples, old.tolist()):
        s["logp"] = row[:len(s["response"])]

    self = types.SimpleNamespace(
        config=types.SimpleNamespace(kl_penalty={"k1": "kl", "k2": "mse"}[o["estimator"]], gamma=o["gamma"],
                                     lam=o["lambda"], whiten_rewards=o["whiten_rewards"], cliprange=o["clip"],
                                     cliprange_value=o["value_clip"], vf_coef=o["value_weight"], ratio_threshold=1e9),
        kl_ctl=AdaptiveKLController(o["kl"], o["target"], o["horizon"]))
    self._kl_penalty = lambda a, b: PPOTrainer._kl_penalty(self, a, b)
    scores = torch.tensor([s["reward"] for s in samples]).double()
    rewards, _, kls = PPOTrainer.compute_rewards(self, scores, old, before, mask)
    values, advantages, returns = PPOTrainer.compute_advantages(self, values, rewards, mask)
    kl = (kls * mask).sum(-1).mean().item()
    parameters = list(model.parameters()) + list(head.parameters())
    losses, value_losses, norms = [], [], []
    for _ in range(2):
        for p in parameters:
            p.grad = None
        logp, value = forward(model, head, samples, width)
        policy, critic, _ = PPOTrainer.loss(self, old, values, torch.zeros(*old.shape, 2), value, logp, mask,
                                            advantages, returns)
        (policy + critic).backward()
        losses.append((policy + critic).item())
        value_losses.append(critic.item() / o["value_weight"])
        norms.append(torch.sqrt(sum((p.grad ** 2).sum() for p in parameters)).item())
        for p in parameters:
            p.data -= o["lr"] * p.grad
    self.kl_ctl.update(kl, len(samples))
    return {"options": o, "head": start, "samples": samples, "losses": losses, "value_losses": value_losses,
            "norms": norms, "kl": kl, "kl_weight": self.kl_ctl.value, "returns": masked_mean(returns, mask).item(),
            "end": {"model.norm.weight": model.model.norm.weight.tolist(), "value.weight": head.weight[0].tolist()}}


if __name__ == "__main__":
    from trl_write import write
    base = {"kl": 0.25, "gamma": 1.0, "lambda": 0.95, "clip": 0.2, "value_clip": 0.2, "value_weight": 0.1, "lr": 0.05,
            "target": 6.0, "horizon": 100, "whiten_rewards": False, "estimator": "k1"}
    torch.set_default_dtype(torch.float64)
    write(sys.argv[1], "trl_ppo.json", {
        "versions": {"trl": trl.__version__, "torch": torch.__version__},
        "cases": [two_updates(base), two_updates({**base, "gamma": 0.9, "lambda": 0.8, "value_clip": 0.015625,
                                                  "clip": 0.1, "whiten_rewards": True, "length": 6,
                                                  "estimator": "k2", "lr": 0.5})]})
