"""GRPO by TRL: losses and gradients on shared answers, and the curves of GRPOTrainer, recorded for replay.

    python tests/parity/trl_grpo.py tests/parity/expect

writes trl_grpo.json (each loss_type: value, norm of the gradient and the gradient of the last norm's gain, in
double, on parity/models/llama; GRPOTrainer._compute_loss called on a stand-in for the trainer) and
trl_grpo_curve.json (20 steps of GRPOTrainer and of RLOOTrainer themselves: every answer that they sampled, losses,
norms, weights at the end).
"""
import os
import random
import sys
import types

import torch
import trl
from transformers import AutoModelForCausalLM
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_trainer import RLOOTrainer

from trl_write import write

here = os.path.dirname(os.path.abspath(__file__))
TEMPERATURE = 0.8


class Everything(dict):
    """Metrics that nobody reads."""

    def __missing__(self, key):
        self[key] = []
        return self[key]


def load(name, dtype):
    return AutoModelForCausalLM.from_pretrained(os.path.join(here, "models", name), dtype=dtype,
                                                attn_implementation="eager")


def padded(samples):
    """Prompts to the left, answers to the right, as TRL holds them."""
    left, right = max(len(s["prompt"]) for s in samples), max(len(s["response"]) for s in samples)
    row = lambda ids, width, before: [0] * (width - len(ids)) + ids if before else ids + [0] * (width - len(ids))
    one = lambda ids: [1] * len(ids)
    return {"prompt_ids": torch.tensor([row(s["prompt"], left, True) for s in samples]),
            "prompt_mask": torch.tensor([row(one(s["prompt"]), left, True) for s in samples]),
            "completion_ids": torch.tensor([row(s["response"], right, False) for s in samples]),
            "completion_mask": torch.tensor([row(one(s["response"]), right, False) for s in samples])}


def logps(model, ids, mask, keep):
    """Of the answers' tokens, and entropies; each row run alone, without its padding."""
    logp, entropy = [], []
    for row, on in zip(ids, mask.bool()):
        left, own = int((~on[:-keep]).sum()), int(on[-keep:].sum())
        row = row[left:len(row) - keep + own]
        every = (model(input_ids=row[None]).logits[0, -own - 1:-1] / TEMPERATURE).log_softmax(-1)
        pad = (0, keep - own)
        logp.append(torch.nn.functional.pad(every.gather(-1, row[-own:, None]).squeeze(-1), pad))
        entropy.append(torch.nn.functional.pad(-(every.exp() * every).sum(-1), pad))
    return torch.stack(logp), torch.stack(entropy)


def whole(model, x):
    ids = torch.cat([x["prompt_ids"], x["completion_ids"]], 1)
    mask = torch.cat([x["prompt_mask"], x["completion_mask"]], 1)
    return logps(model, ids, mask, x["completion_ids"].shape[1])


def loss_of(model, x, case):
    """TRL's own loss; the stand-in has what the method reads."""
    self = types.SimpleNamespace(
        model=types.SimpleNamespace(training=True), args=types.SimpleNamespace(
            delta=None, use_bias_correction_kl=case["unbiased"], steps_per_generation=1),
        loss_type=case["loss_type"], importance_sampling_level=case["level"], beta=case["beta"],
        epsilon_low=case["low"], epsilon_high=case["high"], max_completion_length=8, top_entropy_quantile=1.0,
        off_policy_mask_threshold=None, use_vllm=False, aux_loss_enabled=False, temperature=TEMPERATURE,
        current_gradient_accumulation_steps=1, _entropy_bonus_enabled=case["entropy"] > 0,
        entropy_coef=case["entropy"], use_adaptive_entropy=False, _metrics={"train": Everything()},
        accelerator=types.SimpleNamespace(num_processes=1, gather=lambda v: v, reduce=lambda v, **_: v,
                                          sync_gradients=True),
        _get_per_token_logps_and_entropies=lambda m, ids, mask, keep, **_: (*logps(m, ids, mask, keep), None))
    return GRPOTrainer._compute_loss(self, model, dict(x))


def values():
    torch.manual_seed(0)
    rng = random.Random(5)
    model, reference = load("llama", torch.float64), load("llama", torch.float64)
    # The reference is the same model with its head scaled: as exact in float32.
    reference.lm_head.weight.data *= 0.75
    ids = lambda n: [rng.randrange(3, 67) for _ in range(n)]
    samples = []
    for _ in range(3):
        prompt = ids(rng.randrange(2, 6))
        samples += [{"prompt": prompt, "response": ids(rng.randrange(1, 8)), "reward": rng.randrange(0, 64) / 16}
                    for _ in range(4)]
    x = padded(samples)
    with torch.no_grad():
        now, before = whole(model, x)[0], whole(reference, x)[0]
    noise = torch.tensor([[rng.randrange(-32, 32) / 64 for _ in row] for row in now.tolist()])
    x["old_per_token_logps"] = now + noise
    x["ref_per_token_logps"] = before
    x["num_items_in_batch"] = x["completion_mask"].sum()
    for s, row in zip(samples, x["old_per_token_logps"].tolist()):
        s["logp"] = row[:len(s["response"])]
    reward = torch.tensor([s["reward"] for s in samples], dtype=torch.float64).view(3, 4)
    centred = reward - reward.mean(1, keepdim=True)
    cases = []
    for loss_type in ["grpo", "bnpo", "dapo", "dr_grpo", "cispo"]:
        for level in ["token", "sequence"]:
            more = ((0.0, 0.25, False), (0.125, 0.0, True)) if loss_type == "dapo" else ()
            for beta, entropy, unbiased in ((0.0, 0.0, False), (0.125, 0.0, False)) + more:
                low, high = (0.2, 0.28) if level == "token" else (0.0625, 0.09375)
                if loss_type == "cispo":
                    high = 1 + high                                     # TRL's is the bound itself
                scale = "none" if loss_type == "dr_grpo" else "group"
                advantage = centred if scale == "none" else centred / (reward.std(1, keepdim=True) + 1e-4)
                case = {"loss_type": loss_type, "level": level, "beta": beta, "entropy": entropy, "low": low,
                        "high": high, "scale": scale, "unbiased": unbiased}
                model.zero_grad()
                loss = loss_of(model, {**x, "advantages": advantage.flatten()}, case)
                loss.backward()
                grads = [p.grad for p in model.parameters()]
                case["loss"] = loss.item()
                case["norm"] = torch.sqrt(sum((g ** 2).sum() for g in grads)).item()
                case["gradient"] = model.model.norm.weight.grad.tolist()
                cases.append(case)
    return {"versions": {"trl": trl.__version__, "torch": torch.__version__}, "temperature": TEMPERATURE,
            "max_tokens": 8, "samples": samples, "cases": cases}


def curve(algorithm, iterations, beta, steps=20):
    """GRPOTrainer or RLOOTrainer itself, with transformers' generate; ids are texts of numbers."""
    import datasets
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    model = load("llama", torch.float32)
    vocab = model.config.vocab_size
    unit = Tokenizer(models.WordLevel({str(i): i for i in range(vocab)}, unk_token="0"))
    unit.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=unit, eos_token="2", pad_token="0", unk_token="0")
    rng = random.Random(9)
    prompts = [" ".join(str(rng.randrange(3, vocab)) for _ in range(rng.randrange(2, 6))) for _ in range(6)]
    o = {"algorithm": algorithm, "lr": 2e-3, "weight_decay": 0.01, "clip": 1.0, "beta1": 0.9, "beta2": 0.999,
         "eps": 1e-8, "kl": beta, "unbiased": True, "epochs": iterations, "group": 4, "prompts": 2, "max_tokens": 8,
         "clip_low": 0.2, "clip_high": 0.28}
    of = {"grpo": (trl.GRPOConfig, GRPOTrainer, {"loss_type": "dapo", "scale_rewards": "group"}),
          "rloo": (trl.RLOOConfig, RLOOTrainer, {})}[algorithm]
    args = of[0](
        output_dir="/tmp/trl_curve", per_device_train_batch_size=o["group"] * o["prompts"], max_steps=steps,
        num_generations=o["group"], num_iterations=iterations, beta=beta, epsilon=0.2, epsilon_high=0.28,
        max_completion_length=o["max_tokens"], learning_rate=o["lr"], weight_decay=o["weight_decay"],
        max_grad_norm=o["clip"], lr_scheduler_type="constant", optim="adamw_torch", adam_beta2=o["beta2"],
        logging_steps=1, report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False, disable_dropout=True,
        temperature=1.0, save_strategy="no", seed=1, **of[2])

    def reward(completion_ids, **_):
        """The mean id: real numbers, so that no group is all equal."""
        return [sum(ids) / len(ids) / 16 for ids in completion_ids]

    recorded = []

    class Recorder(of[1]):
        def _generate_and_score_completions(self, inputs):
            out = super()._generate_and_score_completions(inputs)
            cut = lambda ids, mask: [[i for i, m in zip(*row) if m] for row in zip(ids.tolist(), mask.tolist())]
            prompts, responses = cut(out["prompt_ids"], out["prompt_mask"]), cut(
                out["completion_ids"], out["completion_mask"])
            recorded.append([{"prompt": p, "response": r} for p, r in zip(prompts, responses)])
            return out

    trainer = Recorder(model=model, args=args, processing_class=tokenizer, reward_funcs=reward,
                       train_dataset=datasets.Dataset.from_list([{"prompt": p} for p in prompts]))
    trainer.train()
    logged = [h for h in trainer.state.log_history if "loss" in h]
    end = trainer.model.state_dict()
    return {"options": o, "steps": recorded, "losses": [h["loss"] for h in logged],
            "norms": [h["grad_norm"] for h in logged],
            "end": {name: end[name].flatten()[:32].tolist() for name in
                    ("model.norm.weight", "model.layers.0.self_attn.q_proj.weight", "lm_head.weight")}}


if __name__ == "__main__":
    write(sys.argv[1], "trl_grpo.json", values())
    write(sys.argv[1], "trl_grpo_curve.json", {
        "versions": {"trl": trl.__version__, "torch": torch.__version__},
        "curves": [curve("grpo", 1, 0.05), curve("grpo", 2, 0.0), curve("rloo", 2, 0.05)]})
