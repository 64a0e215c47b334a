"""Expected values of calibration: isotonic regression and rank correlation by
scikit-learn and scipy, Platt's sigmoid by scikit-learn.

    python tests/parity/calibration.py          # writes tests/parity/expect/calibration.json
"""
import json
import pathlib

import numpy as np
from scipy.stats import spearmanr
from sklearn.calibration import _sigmoid_calibration
from sklearn.isotonic import IsotonicRegression

LENGTHS = [0, 3, 10, 17, 25, 40, 60]


def case(seed, n, weighted):
    r = np.random.default_rng(seed)
    x = np.round(r.uniform(0, 50, n), 1)
    y = np.clip(np.round(1 + x / 12 + r.normal(0, 1.2, n)), 1, 5)
    weight = np.round(r.uniform(0.2, 2, n), 2) if weighted else np.ones(n)
    share = (r.uniform(0, 1, n) < 1 / (1 + np.exp(-(x - 25) / 9))).astype(float)
    isotonic = IsotonicRegression(out_of_bounds="clip").fit(x, y, sample_weight=weight)
    # scikit-learn's P = 1/(1 + exp(a x + b)), with targets from the plain counts.
    counts = np.ones(n) if not weighted else weight
    a, b = _sigmoid_calibration(x, share, sample_weight=counts)
    return dict(x=x.tolist(), y=y.tolist(), weight=weight.tolist(), share=share.tolist(),
                isotonic=isotonic.predict(np.array(LENGTHS, float)).tolist(),
                constant=float(-b), slope=float(-a), rho=float(spearmanr(x, y).statistic))


def main():
    cases = [case(1, 40, False), case(2, 60, True), case(3, 25, False)]
    path = pathlib.Path(__file__).parent / "expect" / "calibration.json"
    path.write_text(json.dumps(dict(lengths=LENGTHS, cases=cases)) + "\n")


if __name__ == "__main__":
    main()
