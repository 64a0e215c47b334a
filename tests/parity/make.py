#!/usr/bin/env python3
"""Make the parity expectations: what PyTorch, transformers and peft compute
on tiny random models, for hone's tests to compare with.

    python tests/parity/make.py [PART...]

PART is one of models, lora, classifiers, optimizers, schedules, training; all
by default. models and lora empty their folders: classifiers go after them.
Everything is seeded, so that a second run changes no file. README.md beside
this script describes the files, the names in them, and the versions used.

Expectations are computed in double precision and stored as float32, so that
they carry no rounding of their own; see doubles() for how transformers is
made to do so. How far float32 transformers itself is from them is recorded
as "float32_deviation" in each json file: no implementation can be held to
less than that.
"""
import contextlib
import json
import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
os.chdir(HERE)          # relative paths, so that saved files name no machine

import torch
import torch.nn.functional as F
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (AutoModelForCausalLM,
                          AutoModelForSequenceClassification, GPT2Config,
                          LlamaConfig, MistralConfig, Qwen2Config)

MODELS, EXPECT, ADAPTERS = Path("models"), Path("expect"), Path("adapters")
LENGTHS = (13, 7)       # the two sequences; both longer than Mistral's window

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


# --- small helpers ---------------------------------------------------------

def generator(seed):
    return torch.Generator().manual_seed(seed)


def save(name, tensors, notes):
    """Write expect/NAME.safetensors (float32 and int32) and expect/NAME.json."""
    EXPECT.mkdir(exist_ok=True)
    stored = {}
    for key, t in tensors.items():
        t = t.detach()
        t = t.to(torch.float32) if t.is_floating_point() else t.to(torch.int32)
        assert torch.isfinite(t).all(), (name, key)
        stored[key] = t.clone().contiguous()
    path = EXPECT / f"{name}.safetensors"
    save_file(stored, path)
    path.chmod(0o644)             # safetensors lets only its owner read it
    write_json(EXPECT / f"{name}.json", notes)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=True) + "\n")


def deviation(got, want):
    """max|got - want| / max|want| over one tensor."""
    got, want = got.detach().double(), want.detach().double()
    scale = want.abs().max().item()
    return (got - want).abs().max().item() / scale if scale else 0.0


@contextlib.contextmanager
def doubles():
    """Run transformers wholly in double precision.

    Its RMSNorm, rotary embedding and softmax ask for torch.float32 by name
    whatever the model's type is. While this is open, that name means float64.
    """
    saved = torch.float32, torch.float, torch.Tensor.float
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        torch.float32, torch.float, torch.Tensor.float = saved


def load(folder, dtype=torch.float64):
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager",
        output_loading_info=True)
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not info[what], (folder, what, info[what])
    model.eval()
    rotary = getattr(model.base_model, "rotary_emb", None)
    if rotary is not None and dtype == torch.float64:
        # Computed in float32 by transformers: here theta^(-2i/d) in double.
        d = 2 * rotary.inv_freq.numel()
        theta = model.config.rope_parameters["rope_theta"]
        exact = theta ** -(torch.arange(0, d, 2, dtype=torch.float64) / d)
        assert deviation(rotary.inv_freq, exact) < 1e-6
        rotary.inv_freq = exact
    return model


def sequences(vocab, seed):
    g = generator(seed)
    return [torch.randint(0, vocab, (n,), generator=g) for n in LENGTHS]


def forward(model, ids):
    """Logits of each sequence [tokens, vocab], each run alone, unpadded."""
    exact = next(model.parameters()).dtype == torch.float64
    with doubles() if exact else contextlib.nullcontext():
        return [model(input_ids=s[None], use_cache=False).logits[0]
                for s in ids]


def nats(logits, ids):
    """Next-token cross-entropy, summed over the sequences' targets."""
    return sum(F.cross_entropy(l[:-1], s[1:], reduction="sum")
               for l, s in zip(logits, ids))


def gradients(model, ids, names=lambda n: n):
    """Logits, summed loss and {name: gradient} of every trained parameter."""
    model.zero_grad()
    logits = forward(model, ids)
    loss = nats(logits, ids)
    exact = next(model.parameters()).dtype == torch.float64
    with doubles() if exact else contextlib.nullcontext():
        loss.backward()
    return logits, loss, {names(n): p.grad.clone()
                          for n, p in model.named_parameters()
                          if p.requires_grad}


def check_slope(model, ids):
    """The gradient must be the loss's slope, to a precision that only a
    computation without any float32 in it reaches."""
    params = [p for p in model.parameters() if p.requires_grad]
    g, h, losses = generator(99), 1e-5, []
    along = [torch.randn(p.shape, generator=g, dtype=torch.float64)
             for p in params]
    with torch.no_grad():
        slope = sum((p.grad * a).sum() for p, a in zip(params, along)).item()
        for move in (h, -2 * h):
            for p, a in zip(params, along):
                p += move * a
            losses.append(nats(forward(model, ids), ids).item())
        for p, a in zip(params, along):
            p += h * a
    measured = (losses[0] - losses[1]) / (2 * h)
    assert abs(measured - slope) < 1e-5 * max(1, abs(slope)), (measured, slope)


def expectation(logits, loss, grads, ids):
    out = {f"ids.{i}": s for i, s in enumerate(ids)}
    out |= {f"logits.{i}": l for i, l in enumerate(logits)}
    out["loss"] = loss.reshape(1)
    return out | {f"grad/{n}": g for n, g in grads.items()}


def worst(got, want):
    """The largest deviation over logits and over gradients."""
    (gl, _, gg), (wl, _, wg) = got, want
    return {"logits": max(map(deviation, gl, wl)),
            "gradient": max(deviation(gg[n], wg[n]) for n in wg)}


def notes(model, ids, loss, **more):
    return {"model": model, "ids": [s.tolist() for s in ids],
            "targets": sum(len(s) - 1 for s in ids),
            "loss": loss.item(), **more}


# --- 1, 2: models, logits, gradients ---------------------------------------

# Eps, theta and head sizes are not the defaults, so that a reader of
# config.json which overlooks one of them is found out.
CONFIGS = {
    # untied, grouped queries, head_dim != hidden_size / heads
    "llama": lambda: LlamaConfig(
        vocab_size=67, hidden_size=24, intermediate_size=40, head_dim=8,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=64, rms_norm_eps=1e-3, attention_bias=False,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0}),
    # tied, as many key heads as query heads, config.json in the older layout
    "llama_tied": lambda: LlamaConfig(
        vocab_size=97, hidden_size=24, intermediate_size=36,
        num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=3,
        max_position_embeddings=64, rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 2000.0}),
    # tied, biases on q, k and v
    "qwen2": lambda: Qwen2Config(
        vocab_size=61, hidden_size=16, intermediate_size=44,
        num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=64, rms_norm_eps=1e-4,
        tie_word_embeddings=True, bos_token_id=1, eos_token_id=2,
        rope_parameters={"rope_type": "default", "rope_theta": 100000.0}),
    # one key head for all queries; a token sees itself and 4 before it
    "mistral": lambda: MistralConfig(
        vocab_size=73, hidden_size=24, intermediate_size=36,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=1,
        max_position_embeddings=64, rms_norm_eps=1e-5, sliding_window=5,
        rope_parameters={"rope_type": "default", "rope_theta": 800.0}),
    # fused qkv stored [in, out] (Conv1D), learned positions, tied
    "gpt2": lambda: GPT2Config(
        vocab_size=71, n_positions=24, n_embd=18, n_layer=2, n_head=3,
        layer_norm_epsilon=1e-3, bos_token_id=0, eos_token_id=0),
}


def randomise(model, seed):
    """Fresh values for every parameter: norm gains about 1, biases not 0."""
    g = generator(seed)
    for name, p in model.named_parameters():
        x = torch.randn(p.shape, generator=g)
        if p.dim() > 1:
            x = 0.22 * x
        else:
            x = 0.3 * x + (0 if name.endswith("bias") else 1)
        p.data.copy_(x)


def older_config(folder):
    """config.json as transformers 4 and before wrote it: rope_theta at the
    top level, head_dim absent, the type of the weights as torch_dtype."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["rope_theta"] = config.pop("rope_parameters")["rope_theta"]
    config["rope_scaling"] = None
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.41.0"
    del config["head_dim"]
    write_json(path, dict(sorted(config.items())))


def expect_model(name, ids, rename=lambda n: n):
    folder = MODELS / name
    got = logits, loss, grads = gradients(load(folder), ids, rename)
    model = load(folder)
    gradients(model, ids)
    check_slope(model, ids)
    single = gradients(load(folder, torch.float32), ids, rename)
    save(name, expectation(*got, ids),
         notes(str(folder), ids, loss, float32_deviation=worst(single, got)))
    return got


def make_models():
    shutil.rmtree(MODELS, ignore_errors=True)
    seqs = {}
    for k, (name, config) in enumerate(CONFIGS.items()):
        config = config()
        model = AutoModelForCausalLM.from_config(config)
        randomise(model, 100 + k)
        model.save_pretrained(MODELS / name)
        if name == "llama_tied":
            older_config(MODELS / name)
        seqs[name] = sequences(config.vocab_size, 200 + k)
        got = expect_model(name, seqs[name])
        # What was read back is what was saved.
        for a, b in zip(forward(model.eval(), seqs[name]), got[0]):
            assert deviation(a, b) < 1e-5
        stored = set(load_file(MODELS / name / "model.safetensors"))
        assert stored == set(got[2]), stored ^ set(got[2])

    # The window must matter, or the test of it would be empty.
    open_window = load(MODELS / "mistral")
    open_window.config.sliding_window = None
    got = forward(open_window, seqs["mistral"])
    want = forward(load(MODELS / "mistral"), seqs["mistral"])
    assert deviation(got[0][:5], want[0][:5]) < 1e-12
    assert deviation(got[0][5], want[0][5]) > 1e-2

    # The llama again, stored in other ways.
    llama = load(MODELS / "llama", torch.float32)
    llama.save_pretrained(MODELS / "llama_sharded", max_shard_size="20KB")
    assert (MODELS / "llama_sharded/model.safetensors.index.json").exists()
    expect_model("llama_sharded", seqs["llama"])
    for name, dtype in (("llama_bf16", torch.bfloat16),
                        ("llama_f16", torch.float16)):
        load(MODELS / "llama", torch.float32).to(dtype) \
            .save_pretrained(MODELS / name)
        expect_model(name, seqs["llama"])

    # The gpt2 again, as the original checkpoint names things: no
    # "transformer." in front, and the causal mask stored as attn.bias.
    bare = MODELS / "gpt2_bare"
    bare.mkdir()
    shutil.copy(MODELS / "gpt2/config.json", bare)
    strip = lambda n: n.removeprefix("transformer.")
    tensors = {strip(n): t for n, t in
               load_file(MODELS / "gpt2/model.safetensors").items()}
    config = CONFIGS["gpt2"]()
    n = config.n_positions
    for l in range(config.n_layer):
        tensors[f"h.{l}.attn.bias"] = torch.ones(n, n).tril()[None, None]
    save_file(tensors, bare / "model.safetensors", metadata={"format": "pt"})
    expect_model("gpt2_bare", seqs["gpt2"], strip)


def stored_ids(name):
    """The sequences that make_models chose for a model."""
    ids = json.loads((EXPECT / f"{name}.json").read_text())["ids"]
    return [torch.tensor(s) for s in ids]


# --- 3: LoRA ---------------------------------------------------------------

def adapter_name(n):
    """A parameter's name in adapter_model.safetensors."""
    return n.replace(".default.", ".")


def make_lora():
    shutil.rmtree(ADAPTERS, ignore_errors=True)
    for name, seed, options in (
            ("llama", 300, {"target_modules": ["q_proj", "v_proj"]}),
            ("gpt2", 301, {"target_modules": ["c_attn"],
                           "fan_in_fan_out": True})):
        base, folder = MODELS / name, ADAPTERS / f"{name}_lora"
        model = get_peft_model(load(base, torch.float32), LoraConfig(
            task_type="CAUSAL_LM", r=4, lora_alpha=8, lora_dropout=0.0,
            **options))
        g = generator(seed)
        for n, p in model.named_parameters():
            if "lora_" in n:            # lora_B too, which peft starts at zero
                p.data.copy_(0.2 * torch.randn(p.shape, generator=g))
        model.save_pretrained(folder)
        (folder / "README.md").unlink()             # an empty model card
        config = json.loads((folder / "adapter_config.json").read_text())
        config["target_modules"].sort()             # a set: of random order
        write_json(folder / "adapter_config.json", config)

        ids, runs = stored_ids(name), {}
        for dtype in (torch.float32, torch.float64):
            model = PeftModel.from_pretrained(load(base, dtype), folder,
                                              is_trainable=True)
            model.to(dtype).eval()
            runs[dtype] = gradients(model, ids, adapter_name)
        check_slope(model, ids)
        got = logits, loss, grads = runs[torch.float64]
        assert set(grads) == set(load_file(folder / "adapter_model.safetensors"))

        out = expectation(*got, ids)
        before = load_file(base / "model.safetensors")
        merged = model.merge_and_unload()
        for i, l in enumerate(forward(merged, ids)):
            out[f"logits_merged.{i}"] = l
            assert deviation(l, logits[i]) < 1e-12
        plain = forward(load(base), ids)
        assert deviation(logits[0], plain[0]) > 1e-2
        for n, p in merged.named_parameters():
            if any(t in n for t in options["target_modules"]) \
                    and n.endswith("weight"):
                assert deviation(p, before[n]) > 1e-2
                out[f"merged/{n}"] = p
        save(f"{name}_lora", out,
             notes(str(base), ids, loss, adapter=str(folder),
                   float32_deviation=worst(runs[torch.float32], got)))


# --- 4: optimizers ---------------------------------------------------------

SHAPES = {"a": (7, 5), "b": (11,), "c": (3, 2, 4)}
OPTIMIZERS = {
    "adamw": (torch.optim.AdamW, dict(lr=7e-3, betas=(0.85, 0.97), eps=1e-6,
                                      weight_decay=0.13)),
    "sgd": (torch.optim.SGD, dict(lr=2e-2, momentum=0.8, weight_decay=0.05,
                                  nesterov=True)),
    "sgd_heavy_ball": (torch.optim.SGD, dict(lr=2e-2, momentum=0.8,
                                             weight_decay=0.05)),
}


def steps(cls, options, dtype, start, grads, keep=(1, 5, 20)):
    params = {n: start[n].to(dtype, copy=True).requires_grad_() for n in start}
    optimizer, out = cls(params.values(), foreach=False, **options), {}
    for step in range(1, 21):
        for n, p in params.items():
            p.grad = grads[n][step - 1].to(dtype, copy=True)
        optimizer.step()
        if step in keep:
            out |= {f"step{step}/{n}": p.detach().clone()
                    for n, p in params.items()}
    for n, p in params.items():
        for key, t in optimizer.state[p].items():
            if key != "step":
                out[f"{key}/{n}"] = t
    return out


def make_optimizers():
    g = generator(400)
    start = {n: 0.5 * torch.randn(s, generator=g) for n, s in SHAPES.items()}
    # Gradients whose size differs between elements by orders of magnitude.
    grads = {n: torch.randn((20, *s), generator=g)
             * 10 ** (2 * torch.rand(s, generator=g) - 1.5)
             for n, s in SHAPES.items()}
    for name, (cls, options) in OPTIMIZERS.items():
        got = steps(cls, options, torch.float64, start, grads)
        single = steps(cls, options, torch.float32, start, grads)
        out = {f"start/{n}": t for n, t in start.items()}
        out |= {f"grads/{n}": t for n, t in grads.items()}
        save(name, out | got, {
            "optimizer": cls.__name__, "steps": 20, **options,
            "float32_difference": max(
                (single[k] - got[k]).abs().max().item()
                for k in got if k.startswith("step"))})


# --- 5: schedules ----------------------------------------------------------

def make_schedules():
    total, warmup, lr = 20, 3, 0.5
    out = {"steps": total, "warmup": warmup, "lr": lr}
    for name, make in (
            ("cosine", lambda o: transformers.get_cosine_schedule_with_warmup(
                o, warmup, total)),
            ("linear", lambda o: transformers.get_linear_schedule_with_warmup(
                o, warmup, total)),
            ("constant", lambda o:
                transformers.get_constant_schedule_with_warmup(o, warmup))):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
        schedule, out[name] = make(optimizer), []
        for _ in range(total):          # the rate that each step was taken with
            out[name].append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
    EXPECT.mkdir(exist_ok=True)
    write_json(EXPECT / "schedules.json", out)


# --- 6: a training run -----------------------------------------------------

TRAINING = dict(lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)


def train(dtype, ids, max_norm=1.0):
    model = load(MODELS / "llama", dtype)       # eval(): there is no dropout
    optimizer = torch.optim.AdamW(model.parameters(), foreach=False, **TRAINING)
    targets = sum(len(s) - 1 for s in ids)
    losses, norms = [], []
    for _ in range(10):
        optimizer.zero_grad()
        loss = nats(forward(model, ids), ids) / targets
        with doubles() if dtype == torch.float64 else contextlib.nullcontext():
            loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(),
                                                    max_norm).item())
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        final = (nats(forward(model, ids), ids) / targets).item()
    weights = {n: p.detach() for n, p in model.named_parameters()}
    return losses, norms, final, weights


def make_training():
    ids = stored_ids("llama")
    losses, norms, final, weights = train(torch.float64, ids)
    single = train(torch.float32, ids)
    out = {f"ids.{i}": s for i, s in enumerate(ids)}
    out["losses"] = torch.tensor(losses, dtype=torch.float64)
    out["norms"] = torch.tensor(norms, dtype=torch.float64)
    save("llama_train", out | {f"weight/{n}": w for n, w in weights.items()}, {
        "model": str(MODELS / "llama"), "ids": [s.tolist() for s in ids],
        "targets": sum(len(s) - 1 for s in ids), "steps": 10,
        "optimizer": "AdamW", **TRAINING, "max_norm": 1.0,
        "losses": losses, "norms": norms, "final_loss": final,
        "float32_deviation": {
            "losses": max(abs(a - b) for a, b in zip(single[0], losses)),
            "weight": max(deviation(single[3][n], w)
                          for n, w in weights.items())}})


# --- 6: heads that judge a whole text -------------------------------------

CLASSIFIERS = {
    # untied, three classes; no vocabulary head in the file
    "llama_score": lambda: LlamaConfig(
        vocab_size=43, hidden_size=12, intermediate_size=20, head_dim=8,
        num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        max_position_embeddings=64, rms_norm_eps=1e-3, pad_token_id=42,
        num_labels=3, rope_parameters={"rope_type": "default",
                                       "rope_theta": 500.0}),
    # a reward: one output
    "gpt2_score": lambda: GPT2Config(
        vocab_size=41, n_positions=24, n_embd=12, n_layer=2, n_head=2,
        layer_norm_epsilon=1e-3, bos_token_id=0, eos_token_id=0,
        pad_token_id=40, num_labels=1),
}


def load_classifier(folder, dtype=torch.float64):
    model, info = AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager",
        output_loading_info=True)
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not info[what], (folder, what, info[what])
    return model.eval()


def scores(model, ids):
    """[labels] of each sequence, run alone; the same out of a padded batch."""
    pad = model.config.pad_token_id
    n = max(map(len, ids))
    batch = torch.stack([F.pad(s, (0, n - len(s)), value=pad) for s in ids])
    with torch.no_grad():
        alone = [model(input_ids=s[None]).logits[0] for s in ids]
        padded = model(input_ids=batch, attention_mask=(batch != pad).long())
    for a, b in zip(alone, padded.logits):
        assert deviation(b, a) < 1e-5
    return alone


def make_classifiers():
    for k, (name, config) in enumerate(CLASSIFIERS.items()):
        config = config()
        model = AutoModelForSequenceClassification.from_config(config)
        randomise(model, 500 + k)
        model.save_pretrained(MODELS / name)
        ids = sequences(config.vocab_size - 1, 510 + k)
        got = scores(load_classifier(MODELS / name, torch.float32), ids)
        out = {f"ids.{i}": s for i, s in enumerate(ids)}
        save(name, out | {f"scores.{i}": s for i, s in enumerate(got)},
             {"model": str(MODELS / name), "ids": [s.tolist() for s in ids]})

    name, base = "llama_score_lora", MODELS / "llama_score"
    model = get_peft_model(load_classifier(base, torch.float32), LoraConfig(
        task_type="SEQ_CLS", r=2, lora_alpha=4, lora_dropout=0.0,
        target_modules=["q_proj", "v_proj"]))
    g = generator(520)
    for p in model.parameters():
        if p.requires_grad:
            p.data = 0.3 * torch.randn(p.shape, generator=g)
    model.save_pretrained(ADAPTERS / name)
    (ADAPTERS / name / "README.md").unlink(missing_ok=True)
    config = json.loads((ADAPTERS / name / "adapter_config.json").read_text())
    for key in ("target_modules", "modules_to_save"):
        config[key].sort()                          # sets: of random order
    write_json(ADAPTERS / name / "adapter_config.json", config)
    ids = [torch.tensor(s) for s in
           json.loads((EXPECT / "llama_score.json").read_text())["ids"]]
    got = scores(model.eval(), ids)
    out = {f"ids.{i}": s for i, s in enumerate(ids)}
    save(name, out | {f"scores.{i}": s for i, s in enumerate(got)},
         {"model": str(base), "adapter": str(ADAPTERS / name),
          "ids": [s.tolist() for s in ids]})


PARTS = {"models": make_models, "lora": make_lora,
         "classifiers": make_classifiers,
         "optimizers": make_optimizers, "schedules": make_schedules,
         "training": make_training}

if __name__ == "__main__":
    chosen = sys.argv[1:] or list(PARTS)
    for part in chosen:
        if part not in PARTS:
            sys.exit(f"make.py: no part '{part}': {', '.join(PARTS)}")
    for part in chosen:
        print(part, flush=True)
        PARTS[part]()
    for folder in (MODELS, ADAPTERS):
        for path in folder.glob("*/*"):
            path.chmod(0o644)
