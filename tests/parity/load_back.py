#!/usr/bin/env python3
"""Prove that transformers (and peft) load what hone writes.

    load_back.py FOLDER [--classifier] [--adapter DIR] [--merge] ID[,ID...] ...

Every argument of ids is one sequence: '5,7,9'. Ids parted by spaces are one
sequence, too: '5 7 9' without quotes. Loads strictly: a missing, unexpected
or misshapen tensor is named and the exit status is 1. Prints one JSON object:
the classes, the number of parameters and the logits of each sequence, run in
float32 without padding. With --classifier the folder is a
...ForSequenceClassification, and logits are one row a sequence.
"""
import argparse
import json
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

import torch
import transformers
from transformers import (AutoModelForCausalLM,
                          AutoModelForSequenceClassification)

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


def tensor_shapes(folder, name):
    """{tensor: shape} of FOLDER/NAME.safetensors, sharded or not."""
    from safetensors import safe_open
    index = folder / f"{name}.safetensors.index.json"
    files = {f"{name}.safetensors"}
    if index.exists():
        files = set(json.loads(index.read_text())["weight_map"].values())
    shapes = {}
    for file in files:
        with safe_open(folder / file, "pt") as f:
            shapes |= {k: f.get_slice(k).get_shape() for k in f.keys()}
    return shapes


def load_model(folder, auto):
    model, info = auto.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager",
        local_files_only=True, output_loading_info=True,
        ignore_mismatched_sizes=True)       # counted among the problems below
    problems = [f"{what}: {item}"
                for what in ("missing_keys", "unexpected_keys",
                             "mismatched_keys", "error_msgs")
                for item in sorted(map(str, info.get(what) or ()))]
    return model, problems


def load_adapter(model, folder):
    """The adapter's tensors must be the ones that peft would have written."""
    from peft import PeftModel, get_peft_model_state_dict
    model = PeftModel.from_pretrained(model, folder)
    want = {n: list(t.shape)
            for n, t in get_peft_model_state_dict(model).items()}
    have = tensor_shapes(Path(folder), "adapter_model")
    problems = [f"adapter lacks: {n}" for n in sorted(want.keys() - have)]
    problems += [f"adapter unexpected: {n}" for n in sorted(have.keys() - want)]
    problems += [f"adapter mismatched: {n}: {have[n]}, expected {want[n]}"
                 for n in sorted(want.keys() & have) if have[n] != want[n]]
    return model, problems


def parse_ids(words):
    if any("," in w for w in words):
        return [[int(i) for i in w.split(",") if i] for w in words]
    return [[int(w) for w in words]]


def main():
    parser = argparse.ArgumentParser(
        description="Load a folder with transformers; print logits as JSON.")
    parser.add_argument("folder")
    parser.add_argument("--classifier", action="store_true")
    parser.add_argument("--adapter", metavar="DIR")
    parser.add_argument("--merge", action="store_true",
                        help="merge the adapter before running")
    parser.add_argument("ids", nargs="+", metavar="IDS")
    args = parser.parse_args()

    try:
        model, problems = load_model(
            args.folder, AutoModelForSequenceClassification
            if args.classifier else AutoModelForCausalLM)
        base = type(model).__name__
        if args.adapter and not problems:
            model, problems = load_adapter(model, args.adapter)
            if args.merge and not problems:
                model = model.merge_and_unload()
    except Exception as e:      # whatever the libraries say is the finding
        problems = [f"{type(e).__name__}: {e}"]
    for problem in problems:
        print(f"load_back.py: {problem}", file=sys.stderr)
    if problems:
        return 1

    model.eval()
    with torch.no_grad():
        logits = [model(input_ids=torch.tensor([s]), use_cache=False)
                  .logits[0].tolist() for s in parse_ids(args.ids)]
    json.dump({"class": base, "adapted": type(model).__name__ != base,
               "parameters": model.num_parameters(), "logits": logits},
              sys.stdout)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
