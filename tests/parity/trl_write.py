"""What trl_grpo.py and trl_ppo.py write: JSON with nine digits a number."""
import json
import os


def short(x):
    if isinstance(x, float):
        return float(f"{x:.9g}")
    if isinstance(x, list):
        return [short(i) for i in x]
    if isinstance(x, dict):
        return {k: short(v) for k, v in x.items()}
    return x


def write(folder, name, value):
    with open(os.path.join(folder, name), "w") as f:
        json.dump(short(value), f, indent=None, separators=(",", ":"))
        f.write("\n")
