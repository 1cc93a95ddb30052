import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.search.pooling import pooled

accuracies = st.lists(st.integers(0, 1000).map(lambda correct: correct / 1000), min_size=1)


def sample(values):
    error = np.std(values, ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return np.mean(values), error, len(values)


@given(accuracies, accuracies)
def test_pooled_values_are_those_of_all_replicates_together(one, other):
    mean, error = pooled(sample(one), sample(other))
    expected, expected_error, _ = sample(one + other)
    assert mean == pytest.approx(expected)
    if len(set(one + other)) > 1:
        assert error == pytest.approx(expected_error)


def test_two_single_replicates_that_agree_are_not_exact():
    mean, error = pooled((0.5, math.nan, 1), (0.5, math.nan, 1))
    assert (mean, math.isnan(error)) == (0.5, True)
