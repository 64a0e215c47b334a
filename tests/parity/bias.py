"""What fairlearn and AIF360 say of COMPAS, beside docs/parity.md's column of ours.

    python tests/parity/bias.py FOLDER_OF_TEST_DATA
"""
import sys
import time

import numpy
import pandas
from aif360.algorithms.preprocessing import Reweighing
from aif360.datasets import BinaryLabelDataset
from aif360.metrics import BinaryLabelDatasetMetric
from fairlearn import metrics

rows = pandas.read_csv(sys.argv[1] + "/bias/compas.csv")
truth, said = rows.two_year_recid, (rows.score_text != "Low").astype(int)
for group in "race", "sex":
    print(group, *(f(truth, said, sensitive_features=rows[group]) for f in (
        metrics.demographic_parity_difference, metrics.demographic_parity_ratio,
        metrics.equalized_odds_difference)))

frame = pandas.DataFrame({"sex": (rows.sex == "Male").astype(int), "y": said})
data = BinaryLabelDataset(df=frame, label_names=["y"], protected_attribute_names=["sex"])
sides = [{"sex": 0}], [{"sex": 1}]
print("disparate impact", BinaryLabelDatasetMetric(data, *sides).disparate_impact())
weights = Reweighing(*sides).fit_transform(data).instance_weights
for sex in 0, 1:
    for y in 0, 1:
        print("weight", sex, y, weights[(frame.sex == sex) & (frame.y == y)][0])

random = numpy.random.default_rng(0)
n = 1_000_000
start = time.process_time()
metrics.equalized_odds_difference(random.integers(0, 2, n), random.integers(0, 2, n),
                                  sensitive_features=random.integers(0, 4, n))
print("equalized odds of", n, time.process_time() - start, "s")
