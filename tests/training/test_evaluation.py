import math

import pytest
import torch
from scipy.stats import ttest_ind_from_stats

from models import Architecture, build
from study.search.pareto import confident_front
from study.search.rungs import Rung
from study.training.evaluation import Estimate, evaluate
from study.training.split import Split


def test_an_estimate_is_mean_and_standard_error():
    estimate = Estimate.over(torch.tensor([1.0, 2.0, 4.0]))
    assert estimate.mean == pytest.approx(7 / 3)
    assert estimate.sem == pytest.approx(math.sqrt(7 / 3) / math.sqrt(3))
    assert math.isnan(Estimate.over(torch.tensor([1.0])).sem)


def test_no_image_is_refused_whatever_the_family():
    for family, synapses in (("dann-r", 4), ("mlp", None)):
        dendrites = None if synapses is None else 2
        made = Architecture(family=family, somata=4, dendrites=dendrites, synapses=synapses)
        network = build(made, (1, 6, 6), 3, [0])
        nothing = Split(torch.zeros((0, 1, 6, 6), dtype=torch.uint8), torch.zeros(0).long())
        with pytest.raises(ValueError, match=r"`batch >= 1`, got \(0, 1, 6, 6\)"):
            evaluate(network, nothing)


def test_replicates_that_agree_by_coincidence_make_no_difference_of_one_image_real():
    images = 10_000
    better, worse = (
        Estimate.over(torch.full((2,), share, dtype=torch.double), images)
        for share in (0.8925, 0.8924)
    )
    objectives = {"val_accuracy": "maximize", "macs": "minimize"}
    points = [(better.mean, 100), (worse.mean, 100)]
    errors = [(better.sem, 0.0), (worse.sem, 0.0)]
    assert confident_front(points, errors, objectives) == [True, True]
    # Scipy takes standard deviations of samples: the error of a mean of two times the root of two.
    interval = ttest_ind_from_stats(
        *(value for one in (better, worse) for value in (one.mean, one.sem * math.sqrt(2), 2)),
        equal_var=False,
    )
    assert interval.pvalue > 0.05
    rung = Rung(objectives, 2)
    rung.enter(0, better.named("val_accuracy") | {"macs": 100})
    worse_by_a_third = worse.named("val_accuracy") | {"val_accuracy": better.mean - 0.3 / images}
    assert rung.enter(1, worse_by_a_third | {"macs": 100})
    # What the replicates really differ by counts as before.
    assert Estimate.over(torch.tensor([0.5, 0.7]), images).sem == pytest.approx(0.1)
