import math

import pytest
import torch

from study.training.evaluation import Estimate


def test_an_estimate_is_mean_and_standard_error():
    estimate = Estimate.over(torch.tensor([1.0, 2.0, 4.0]))
    assert estimate.mean == pytest.approx(7 / 3)
    assert estimate.sem == pytest.approx(math.sqrt(7 / 3) / math.sqrt(3))
    assert math.isnan(Estimate.over(torch.tensor([1.0])).sem)
