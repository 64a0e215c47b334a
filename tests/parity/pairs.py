"""What other packages say of comparisons in pairs, and how long they take: docs/parity.md, pairs.

    python pairs.py pandalm FILE      strengths of PandaLM's five models (testset-v1.json)
    python pairs.py votes FILE        write a million comparisons of 129 models (CSV)
    python pairs.py speed FILE        seconds of evalica on such a file
    python pairs.py ppi               means and regressions by ppi-python, for tests/test_inference.c

Needs evalica, choix, scipy, statsmodels, ppi-python.
"""
import csv
import json
import math
import sys
import time

import numpy

MODELS = 129


def comparisons(path):
    xs, ys, outcomes = [], [], []
    for row in json.load(open(path)):
        left, right = row["cmp_key"].split("_")
        for who in ("annotator1", "annotator2", "annotator3"):
            xs.append(left)
            ys.append(right)
            outcomes.append({0: "tie", 1: "left", 2: "right"}[row[who]])
    return xs, ys, outcomes


def centred(names, strengths):
    strengths = numpy.array(strengths) - numpy.mean(strengths)
    return "  ".join(f"{n} {s:.6f}" for n, s in sorted(zip(names, strengths)))


def davidson(names, xs, ys, outcomes):
    """Maximum likelihood of both models of ties, by a general optimizer."""
    from scipy.optimize import minimize
    at = {n: i for i, n in enumerate(names)}
    a = numpy.array([at[x] for x in xs])
    b = numpy.array([at[y] for y in ys])
    k = numpy.array([{"left": 0, "right": 1, "tie": 2}[o] for o in outcomes])

    def loss(x):
        d = (x[a] - x[b]) / 2
        terms = numpy.stack([d, -d, numpy.full(len(d), x[-1])])
        return -(terms[k, numpy.arange(len(d))] - numpy.logaddexp.reduce(terms)).sum()

    def rao_kupper(x):
        d, eta = x[a] - x[b], math.exp(x[-1])
        won, lost = -numpy.logaddexp(0, eta - d), -numpy.logaddexp(0, eta + d)
        tie = numpy.log(numpy.expm1(2 * eta)) + won + lost
        return -numpy.stack([won, lost, tie])[k, numpy.arange(len(d))].sum()

    for name, fn, start in (("davidson", loss, -1.), ("rao_kupper", rao_kupper, -1.)):
        x = numpy.append(numpy.zeros(len(names)), start)
        for _ in range(3):
            x = minimize(fn, x, method="BFGS", options={"gtol": 1e-10}).x
        print(f"{name:22} {centred(names, x[:-1])}  tie {math.exp(x[-1] if fn is loss else math.exp(x[-1])):.6f}  logL {-fn(x):.6f}")


def pandalm(path):
    import choix
    import evalica
    import statsmodels.api
    xs, ys, outcomes = comparisons(path)
    names = sorted(set(xs) | set(ys))
    winners = [{"left": evalica.Winner.X, "right": evalica.Winner.Y, "tie": evalica.Winner.Draw}[o]
               for o in outcomes]
    for tolerance in (1e-6, 1e-14):
        scores = evalica.bradley_terry(xs, ys, winners, tolerance=tolerance, limit=100000).scores
        print(f"evalica, {tolerance:<13g} {centred(scores.index, numpy.log(scores))}")
    scores = evalica.elo(xs, ys, winners).scores
    print("evalica, elo           " + "  ".join(f"{n} {s:.6f}" for n, s in sorted(scores.items())))
    rows, y, weight = [], [], []
    for left, right, outcome in zip(xs, ys, outcomes):
        row = [(n == left) - (n == right) for n in names[1:]]
        for value, w in ((1, {"left": 1, "tie": .5}.get(outcome, 0)),
                         (0, {"right": 1, "tie": .5}.get(outcome, 0))):
            if w:
                rows.append(row)
                y.append(value)
                weight.append(w)
    fit = statsmodels.api.GLM(y, numpy.array(rows), freq_weights=numpy.array(weight),
                              family=statsmodels.api.families.Binomial()).fit(tol=1e-14, maxiter=100)
    print(f"{'statsmodels, half':22} {centred(names, [0, *fit.params])}  logL {fit.llf:.6f}")
    centre = numpy.eye(len(names)) - 1 / len(names)
    covariance = numpy.zeros((len(names), len(names)))
    covariance[1:, 1:] = fit.cov_params()
    errors = numpy.sqrt(numpy.diag(centre @ covariance @ centre))
    print(f"{'    standard errors':22} " + "  ".join(f"{n} {e:.6f}" for n, e in zip(names, errors)))
    decided = [(x, y) if o == "left" else (y, x) for x, y, o in zip(xs, ys, outcomes) if o != "tie"]
    params = choix.ilsr_pairwise(len(names), [(names.index(w), names.index(l)) for w, l in decided],
                                 tol=1e-12)
    print(f"{'choix, drop':22} {centred(names, params)}")
    davidson(names, xs, ys, outcomes)


def votes(path):
    random = numpy.random.default_rng(1)
    strength = random.normal(size=MODELS)
    a = random.integers(MODELS, size=1_000_000)
    b = (a + 1 + random.integers(MODELS - 1, size=len(a))) % MODELS
    u = random.random(len(a))
    won = .1 + .9 / (1 + numpy.exp(strength[b] - strength[a]))
    outcome = numpy.where(u < .1, "tie", numpy.where(u < won, "left", "right"))
    with open(path, "w") as out:
        out.write("item,annotator,left,right,value\n")
        out.writelines(f"{i},p{i % 2000},m{x},m{y},{o}\n" for i, (x, y, o) in enumerate(zip(a, b, outcome)))


def speed(path):
    import evalica
    rows = list(csv.DictReader(open(path)))
    xs, ys = [r["left"] for r in rows], [r["right"] for r in rows]
    winners = [{"left": evalica.Winner.X, "right": evalica.Winner.Y, "tie": evalica.Winner.Draw}[r["value"]]
               for r in rows]
    index = evalica.indexing(xs, ys)[-1]
    for name, given, tolerance in (("names", None, 1e-6), ("index given", index, 1e-6),
                                   ("index given", index, 1e-12)):
        start, clock = time.perf_counter(), time.process_time()
        result = evalica.bradley_terry(xs, ys, winners, index=given, tolerance=tolerance, limit=100000)
        print(f"evalica, {name}, tolerance {tolerance:g}: {time.perf_counter() - start:.3f} s, "
              f"{time.process_time() - clock:.3f} s of processor time, {result.iterations} iterations")
    start = time.perf_counter()
    evalica.elo(xs, ys, winners, index=index)
    print(f"evalica, elo, index given: {time.perf_counter() - start:.3f} s")
    start = time.perf_counter()
    [evalica.bradley_terry(*[[v[i] for i in numpy.random.default_rng(k).integers(len(xs), size=len(xs))]
                             for v in (xs, ys, winners)], index=index) for k in range(2)]
    print(f"evalica, a resample: {(time.perf_counter() - start) / 2:.3f} s")


def ppi():
    import ppi_py
    i, k = numpy.arange(24), numpy.arange(60)
    f = numpy.sin(.7 * i) * .8 + .1 * numpy.cos(3 * i)
    y, others = f + .3 * numpy.sin(5.1 * i + 1), numpy.sin(.9 * k + .3) * .7 + .2 * numpy.cos(2.2 * k)
    x = numpy.stack([numpy.ones(24), numpy.cos(1.3 * i)], 1)
    others_x = numpy.stack([numpy.ones(60), numpy.cos(1.1 * k)], 1)
    for lam in (None, 1):
        print("mean", lam, ppi_py.ppi_mean_pointestimate(y, f, others, lam=lam),
              *ppi_py.ppi_mean_ci(y, f, others, alpha=.05, lam=lam))
        print("regression", lam, ppi_py.ppi_ols_pointestimate(x, y, f, others_x, others, lam=lam),
              *ppi_py.ppi_ols_ci(x, y, f, others_x, others, alpha=.05, lam=lam))


if __name__ == "__main__":
    {"pandalm": pandalm, "votes": votes, "speed": speed, "ppi": lambda *_: ppi()}[sys.argv[1]](*sys.argv[2:])
