#!/usr/bin/env python3
"""Agreement, confident learning and near-duplicates in other packages, for docs/parity.md.

    python3 checks.py agreement CROWD    six sets, irrCAC: value and standard error
    python3 checks.py icc                Shrout & Fleiss's table, pingouin
    python3 checks.py confident OUT      digits with one label in ten changed, cleanlab: OUT.jsonl are
                                         judgements with probabilities, OUT.json what cleanlab finds
    python3 checks.py near TEXTS N       the first N lines of a file, datasketch
    python3 checks.py alpha N            N pairs of numbers, krippendorff: seconds and memory

Needs irrCAC 0.4, pingouin, cleanlab, scikit-learn, datasketch, krippendorff.
"""
import json
import resource
import sys
import time

import numpy as np
import pandas as pd


def agreement(crowd):
    from irrCAC.raw import CAC
    for name in ["bluebird", "rte", "dog", "web", "sentiment", "cf_amt"]:
        rows = pd.read_csv(f"{crowd}/{name}/label.csv").drop_duplicates(["item", "worker"])
        start = time.time()
        table = CAC(rows.pivot(index="item", columns="worker", values="label"), digits=9)
        found = {}
        for method in ["gwet", "fleiss", "conger", "bp", "krippendorff"]:
            estimate = getattr(table, method)()["est"]
            found[method] = (estimate["coefficient_value"], estimate["se"])
        print(name, f"{time.time() - start:.2f} s", found)


def icc():
    import pingouin
    scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    rows = [(i, j, scores[i][j]) for i in range(6) for j in range(4)]
    frame = pd.DataFrame(rows, columns=["target", "judge", "score"])
    print(pingouin.intraclass_corr(frame, targets="target", raters="judge", ratings="score").to_string())


def confident(out):
    from cleanlab.count import compute_confident_joint
    from cleanlab.filter import find_label_issues
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    images, truth = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    given, changed = truth.copy(), rng.random(len(truth)) < 0.1
    given[changed] = (given[changed] + rng.integers(1, 10, changed.sum())) % 10
    p = cross_val_predict(LogisticRegression(max_iter=300), images / 16, given, cv=5, method="predict_proba")
    with open(out + ".jsonl", "w") as file:
        for i, label in enumerate(given):
            file.write(json.dumps({"item": f"q{i}", "worker": "w", "label": str(label),
                                   "probabilities": list(p[i])}) + "\n")
    joint, off = compute_confident_joint(given, p, return_indices_of_off_diagonals=True)
    noise = np.where(find_label_issues(given, p, filter_by="prune_by_noise_rate", n_jobs=1))[0]
    with open(out + ".json", "w") as file:
        json.dump({"joint": joint.tolist(), "off": [int(i) for i in off], "noise": [int(i) for i in noise]}, file)


def near(path, count):
    from datasketch import MinHash, MinHashLSH
    with open(path) as file:
        texts = [line.rstrip("\n").encode() for _, line in zip(range(int(count)), file)]
    start, found, index = time.time(), 0, MinHashLSH(threshold=0.9, num_perm=128)
    for i, text in enumerate(texts):
        one = MinHash(num_perm=128)
        one.update_batch(list({text[k:k + 5] for k in range(len(text) - 4)}))
        found += bool(index.query(one))
        index.insert(str(i), one)
    print(f"{len(texts)} texts {time.time() - start:.2f} s, {found} are like an earlier one")


def alpha(count):
    import krippendorff
    rng = np.random.default_rng(0)
    at = rng.normal(size=int(count))
    table = np.stack([at + rng.normal(size=len(at)), at + rng.normal(size=len(at))])
    start = time.time()
    value = krippendorff.alpha(reliability_data=table, level_of_measurement="interval")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"alpha {value:.6f}, {time.time() - start:.2f} s, {memory} MB")


if __name__ == "__main__":
    {"agreement": agreement, "icc": icc, "confident": confident, "near": near,
     "alpha": alpha}[sys.argv[1]](*sys.argv[2:])
