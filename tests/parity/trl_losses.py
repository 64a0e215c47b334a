"""Values and gradients of TRL's preference losses on shared tensors, and a curve of TRL's DPO.

    python tests/parity/trl_losses.py tests/parity/expect

writes trl_losses.json (each loss: options, values, gradients of the mean by each log-probability) and
trl_curve.json (20 steps of DPOTrainer's loss on parity/models/llama, AdamW, no dropout). The losses are TRL's
own functions, called on a stand-in for the trainer whose model returns the given log-probabilities.
"""
import json
import os
import random
import sys
import types

import torch
import trl
from trl.experimental.cpo.cpo_trainer import CPOTrainer
from trl.experimental.orpo.orpo_trainer import ORPOTrainer
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_trainer import KTOTrainer

torch.set_default_dtype(torch.float64)


class Everything(dict):
    """Metrics that nobody reads."""

    def __missing__(self, key):
        self[key] = []
        return self[key]


def metrics():
    return {"train": Everything(), "eval": Everything()}


def accelerator():
    return types.SimpleNamespace(
        device="cpu", gather=lambda x: x, gather_for_metrics=lambda x: x, unwrap_model=lambda x: x)


def outputs(per_token):
    """What a model with TRL's fused head returns, of which only log_probs matters."""
    z = torch.zeros_like(per_token)
    return types.SimpleNamespace(log_probs=per_token, entropy=z, mean_logits=z, is_top1=z.bool(), aux_loss=z.sum())


def spread(sums, lengths, width):
    """Per-token log-probabilities that add up to these sums: the first token carries all."""
    rows = torch.zeros(len(sums), width)
    mask = torch.zeros(len(sums), width + 1, dtype=torch.long)
    for i, n in enumerate(lengths):
        mask[i, 1:n + 1] = 1
    first = torch.zeros(len(sums), width)
    first[:, 0] = 1
    return rows + sums.unsqueeze(1) * first, mask


def dpo(loss_type, leaves, lengths, o):
    width = max(map(max, lengths))
    policy = torch.cat([leaves["policy_chosen"], leaves["policy_rejected"]])
    reference = torch.cat([leaves["reference_chosen"], leaves["reference_rejected"]])
    per_token, mask = spread(policy, lengths[0] + lengths[1], width)
    ref_per_token, _ = spread(reference, lengths[0] + lengths[1], width)

    class Model:
        training = True

        def __init__(self, rows):
            self.rows = rows

        def __call__(self, **kwargs):
            return outputs(self.rows)

        def get_base_model(self):
            return self

    self = types.SimpleNamespace(
        model=Model(per_token), ref_model=Model(ref_per_token), accelerator=accelerator(), aux_loss_enabled=False,
        ld_alpha=None, precompute_ref_logps=True, f_divergence_type="reverse_kl", f_alpha_divergence_coef=0.5,
        loss_types=[loss_type], loss_weights=[1.0], beta=o["beta"], label_smoothing=o.get("noise", 0.0),
        use_weighting=False, args=types.SimpleNamespace(discopop_tau=o.get("tau", 0.05)), _metrics=metrics(),
        _total_train_tokens=0, _tp_size=1)
    ids = torch.zeros_like(mask)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(mask), "completion_mask": mask,
              "ref_chosen_logps": leaves["reference_chosen"], "ref_rejected_logps": leaves["reference_rejected"]}
    return DPOTrainer._compute_loss(self, self.model, inputs, False)


def kto(leaves, labels, o):
    n = len(labels)
    rows, mask = leaves["policy"].unsqueeze(1), torch.tensor([[0, 1]] * n)
    self = types.SimpleNamespace(
        model=types.SimpleNamespace(training=True), accelerator=accelerator(), aux_loss_enabled=False,
        precompute_ref_logps=True, calculate_KL=True, loss_type="kto", beta=o["beta"],
        desirable_weight=o["desirable"], undesirable_weight=o["undesirable"], _metrics=metrics(),
        _total_train_tokens=0, _tp_size=1, _compute_kl_logps=lambda model, batch: leaves["policy_other"])
    ids = torch.zeros_like(mask)

    class Model:
        training = True

        def __call__(self, **kwargs):
            return outputs(rows)

    inputs = {"label": torch.tensor(labels), "input_ids": ids, "attention_mask": torch.ones_like(mask),
              "completion_mask": mask, "ref_logps": leaves["reference"], "ref_KL_logps": leaves["reference_other"]}
    return KTOTrainer._compute_loss(self, Model(), inputs, False)


def no_reference(loss_type, leaves, lengths, o):
    """CPO and SimPO, ORPO: of log-probabilities as their trainers average them."""
    chosen, rejected = leaves["policy_chosen"], leaves["policy_rejected"]
    if loss_type != "cpo":
        chosen, rejected = chosen / torch.tensor(lengths[0]), rejected / torch.tensor(lengths[1])
    self = types.SimpleNamespace(
        accelerator=accelerator(), alpha=0.0, beta=o["beta"], label_smoothing=o.get("noise", 0.0),
        loss_type="sigmoid" if loss_type == "cpo" else loss_type, simpo_gamma=o.get("gamma", 0.5))
    if loss_type == "orpo":
        # odds_ratio_loss works in float32, whatever it is given.
        losses, *_ = ORPOTrainer.odds_ratio_loss(self, chosen, rejected)
        return -losses.mean()
    return CPOTrainer.cpo_loss(self, chosen, rejected)[0].mean()


def take(loss, leaves):
    names = [k for k in leaves if leaves[k].requires_grad]
    grads = torch.autograd.grad(loss, [leaves[k] for k in names], allow_unused=True)
    return {"loss": float(loss.detach()),
            "gradients": {k: (torch.zeros_like(leaves[k]) if g is None else g).tolist() for k, g in zip(names, grads)}}


def leaf(values):
    return torch.tensor(values, requires_grad=True)


def losses():
    rng = random.Random(4)
    n = 6
    # Multiples of 1/64: exact in float32.
    number = lambda low, high: rng.randrange(int(low * 64), int(high * 64)) / 64
    lengths = [[rng.randrange(3, 12) for _ in range(n)] for _ in range(2)]
    policy = [[number(-24, -6) for _ in range(n)] for _ in range(2)]
    reference = [[p + number(-3, 3) for p in side] for side in policy]
    shared = {"lengths": lengths, "policy": policy, "reference": reference}

    def leaves():
        return {"policy_chosen": leaf(policy[0]), "policy_rejected": leaf(policy[1]),
                "reference_chosen": torch.tensor(reference[0]), "reference_rejected": torch.tensor(reference[1])}

    cases = []
    for name in ["sigmoid", "hinge", "ipo", "nca_pair", "bco_pair", "sppo_hard", "apo_zero", "apo_down", "discopop",
                 "sigmoid_norm", "robust", "exo_pair", "aot", "aot_unpaired"]:
        noises = [0.001] if name == "exo_pair" else [0.0]
        for noise in noises + ([0.125] if name in ("robust", "exo_pair", "aot", "aot_unpaired") else []):
            for beta in (0.125, 0.5):
                o, x = {"beta": beta, "noise": noise}, leaves()
                cases.append({"name": name, **o, **take(dpo(name, x, lengths, o), x)})
    for name in ["simpo", "cpo", "orpo"]:
        for noise in [0.0] + ([0.125] if name == "cpo" else []):
            o, x = {"beta": 0.5, "noise": noise, "gamma": 0.25}, leaves()
            case = {"name": name, **o, **take(no_reference(name, x, lengths, o), x)}
            case["gradients"] = {k: v for k, v in case["gradients"].items() if k.startswith("policy")}
            if name != "simpo":
                del case["gamma"]
            cases.append(case)
    one = {"labels": [True, False, True, True, False, False],
           "policy": policy[0], "reference": reference[0],
           "policy_other": policy[1], "reference_other": [p - abs(p - r) for p, r in zip(policy[1], reference[1])]}
    for desirable, undesirable in ((1.0, 1.0), (0.75, 1.5)):
        o = {"beta": 0.25, "desirable": desirable, "undesirable": undesirable}
        x = {k: leaf(v) if k == "policy" else torch.tensor(v) for k, v in one.items() if k != "labels"}
        cases.append({"name": "kto", **o, **take(kto(x, one["labels"], o), x)})
    return {"versions": {"trl": trl.__version__, "torch": torch.__version__}, "shared": shared, "unpaired": one,
            "cases": cases}


def curve(folder):
    """DPOTrainer itself on a tiny policy: ids are given, so that no tokenizer or template plays a part."""
    import datasets
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
    from tokenizers import Tokenizer, models

    torch.set_default_dtype(torch.float32)
    here = os.path.dirname(os.path.abspath(__file__))
    path = os.path.join(here, "models", "llama")
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager")
    vocab = model.config.vocab_size
    rng = random.Random(7)
    ids = lambda n: [rng.randrange(3, vocab) for _ in range(n)]
    pairs = [{"prompt_ids": ids(rng.randrange(2, 6)), "chosen_ids": ids(rng.randrange(2, 7)),
              "rejected_ids": ids(rng.randrange(2, 7))} for _ in range(16)]
    steps, size = 20, 4
    order = [[(s * size + k) % len(pairs) for k in range(size)] for s in range(steps)]
    o = {"lr": 1e-3, "beta": 0.1, "weight_decay": 0.01, "clip": 1.0, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    unit = Tokenizer(models.WordLevel({str(i): i for i in range(vocab)}, unk_token="0"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=unit, eos_token="1", pad_token="0", unk_token="0")
    args = trl.DPOConfig(
        output_dir="/tmp/trl_curve", per_device_train_batch_size=size, max_steps=steps, learning_rate=o["lr"],
        beta=o["beta"], weight_decay=o["weight_decay"], max_grad_norm=o["clip"], lr_scheduler_type="constant",
        optim="adamw_torch", adam_beta2=o["beta2"], logging_steps=1, report_to=[], use_cpu=True, bf16=False,
        gradient_checkpointing=False, disable_dropout=True, max_length=None, save_strategy="no", seed=1)

    class InOrder(DPOTrainer):
        def _prepare_dataset(self, dataset, *args, **kwargs):
            return dataset

        def _get_train_sampler(self, *args, **kwargs):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    rows = datasets.Dataset.from_list([pairs[i] for group in order for i in group])
    trainer = InOrder(model=model, args=args, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    logged = [h for h in trainer.state.log_history if "loss" in h]
    return {"versions": {"trl": trl.__version__, "torch": torch.__version__}, "options": o, "order": order,
            "pairs": pairs, "losses": [h["loss"] for h in logged],
            "margins": [h.get("rewards/margins") for h in logged]}


def write(folder, name, value):
    def short(x):
        if isinstance(x, float):
            return float(f"{x:.9g}")
        if isinstance(x, list):
            return [short(i) for i in x]
        if isinstance(x, dict):
            return {k: short(v) for k, v in x.items()}
        return x
    with open(os.path.join(folder, name), "w") as f:
        json.dump(short(value), f, indent=None, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    os.makedirs(sys.argv[1], exist_ok=True)
    write(sys.argv[1], "trl_losses.json", losses())
    write(sys.argv[1], "trl_curve.json", curve(sys.argv[1]))
