"""What crowd-kit says of the crowd sets, and how long it takes: docs/parity.md, aggregation.

    python aggregation.py sets FOLDER       accuracy of each method on FOLDER/<set>/{label,truth}.csv
    python aggregation.py votes FILE        write a million votes (200,000 items, 2,000 people, 4 labels)
    python aggregation.py speed FILE        seconds of Dawid-Skene, 20 steps, on such a file

Needs crowd-kit, and scikit-learn before 1.6 (its Wawa does not run with later ones).
"""
import sys
import time

import numpy
import pandas
from crowdkit.aggregation import (GLAD, KOS, MACE, MMSR, DawidSkene, MajorityVote,
                                  OneCoinDawidSkene, Wawa, ZeroBasedSkill)

SETS = ["bluebird", "rte", "dog", "web", "sentiment", "cf_amt"]


def methods():
    yield "majority", MajorityVote()
    yield "wawa", Wawa()
    yield "zero_based_skill", ZeroBasedSkill()
    yield "dawid_skene", DawidSkene(n_iter=100)
    yield "one_coin", OneCoinDawidSkene(n_iter=100)
    yield "glad", GLAD()
    yield "mace", MACE(random_state=0)
    yield "kos", KOS(random_state=0)
    yield "m_msr", MMSR(random_state=0)


def sets(folder):
    for name in SETS:
        votes = pandas.read_csv(f"{folder}/{name}/label.csv").rename(columns={"item": "task"})
        truth = pandas.read_csv(f"{folder}/{name}/truth.csv").set_index("item")["truth"]
        for method, model in methods():
            start = time.perf_counter()
            try:
                labels = model.fit_predict(votes)
                right = sum(labels.get(item) == label for item, label in truth.items())
                said = f"{right / len(truth):.4f}"
            except ValueError as error:
                said = str(error)
            print(f"{name:10} {method:17} {said}  {time.perf_counter() - start:.2f} s", flush=True)


def votes(path):
    random = numpy.random.default_rng(1)
    truth = random.integers(4, size=200_000)
    right = random.uniform(.4, .95, 2_000)
    item = numpy.repeat(numpy.arange(200_000), 5)
    person = numpy.concatenate([random.choice(2_000, 5, replace=False) for _ in range(200_000)])
    wrong = (truth[item] + 1 + random.integers(3, size=len(item))) % 4
    label = numpy.where(random.random(len(item)) < right[person], truth[item], wrong)
    with open(path, "w") as out:
        out.write("task,worker,label\n")
        out.writelines(f"{i}_{truth[i]},{p},{x}\n" for i, p, x in zip(item, person, label))


def speed(path):
    table = pandas.read_csv(path)
    wall, cpu = time.perf_counter(), time.process_time()
    DawidSkene(n_iter=20, tol=-1.0).fit_predict(table)
    print(f"Dawid-Skene, 20 steps: {time.perf_counter() - wall:.2f} s, "
          f"{time.process_time() - cpu:.2f} s of processor")


{"sets": sets, "votes": votes, "speed": speed}[sys.argv[1]](sys.argv[2])
