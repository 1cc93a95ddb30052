import math
from dataclasses import asdict

import torch

from study.training.distributions import BINS, Histogram


def test_values_fall_into_equal_bins_and_the_last_has_its_end():
    found = Histogram.of(torch.tensor([0.0, 0.04, 0.05, 1.0, math.nan]), (0.0, 1.0))
    assert (len(found.edges), len(found.counts)) == (BINS + 1, BINS)
    assert (found.counts[0], found.counts[1], found.counts[-1]) == (2, 1, 1)
    assert sum(found.counts) == 4


def test_without_a_box_the_bins_reach_from_least_to_most():
    found = Histogram.of(torch.tensor([-2.0, 0.0, 2.0]))
    assert (found.edges[0], found.edges[-1]) == (-2.0, 2.0)


def test_numbers_have_a_bin_each():
    found = Histogram.of_counts(torch.tensor([[0, 2], [2, 1]]), 3)
    assert asdict(found) == {"edges": (-0.5, 0.5, 1.5, 2.5, 3.5), "counts": (1, 1, 2, 0)}
