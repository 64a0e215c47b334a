"""Rewards, advantages, returns and whitening by TRL's own PPO trainer, for tests/test_advantage.c.

    PYTHONPATH=<trl 0.11.4> python tests/parity/trl_advantages.py

prints the numbers that the test stores. trl 0.11.4 is the last whose PPO has these as methods; they are
called on a stand-in for the trainer. The names that newer transformers lack are of no use here.
"""
import types

import torch
import transformers

for name in ("TopKLogitsWarper", "TopPLogitsWarper", "is_torch_npu_available", "is_torch_xpu_available"):
    if not hasattr(transformers, name):
        setattr(transformers, name, object)

from trl.core import masked_whiten  # noqa: E402
from trl.trainer.ppo_trainer import PPOTrainer  # noqa: E402

torch.set_default_dtype(torch.float64)
lengths = [3, 1, 4]
mask = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]])
scores = torch.tensor([1.5, -0.5, 0.25])
logp = torch.tensor([[-1.0, -0.5, -2.0, 0], [-3.0, 0, 0, 0], [-0.1, -1.2, -0.7, -2.5]])
reference = torch.tensor([[-1.3, -0.4, -2.1, 0], [-2.0, 0, 0, 0], [-0.2, -1.2, -1.7, -2.0]])
values = torch.tensor([[0.5, 0.4, 0.6, 0], [-0.2, 0, 0, 0], [0.1, 0.3, -0.4, 0.2]])


def flat(x):
    return ", ".join(f"{v:.9f}" for row, n in zip(x, lengths) for v in row[:n].tolist())


trainer = types.SimpleNamespace(
    config=types.SimpleNamespace(kl_penalty="kl", whiten_rewards=False, gamma=0.9, lam=0.8),
    kl_ctl=types.SimpleNamespace(value=0.3))
trainer._kl_penalty = lambda a, b: PPOTrainer._kl_penalty(trainer, a, b)
rewards, _, _ = PPOTrainer.compute_rewards(trainer, scores, logp, reference, mask)
_, whitened, returns = PPOTrainer.compute_advantages(trainer, values, rewards, mask)
print("rewards ", flat(rewards))
print("whitened", flat(whitened))
print("returns ", flat(returns))
print("rewards whitened, mean kept", flat(masked_whiten(rewards, mask, shift_mean=False)))
