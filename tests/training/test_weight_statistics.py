import pytest
import torch

from models import build
from study.training.distributions import moments, weights_of
from tests.support.architectures import architecture


def test_moments_are_of_each_replicate_and_leave_out_zeros():
    # -1 and 1 in halves: kurtosis 1 - 3. 1, 1, 1, 5: mean 2, variance 3, third moment 6, fourth 21.
    found = moments(torch.tensor([[-1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 5.0]]))
    assert found["weight_kurtosis"].tolist() == pytest.approx([-2.0, 21 / 9 - 3])
    assert found["weight_skewness"].tolist() == pytest.approx([0.0, 6 / 3**1.5])
    assert found["weight_range"].tolist() == [2.0, 4.0]


def test_equal_weights_have_no_shape():
    found = moments(torch.tensor([[2.0, 2.0], [0.0, 0.0]]))
    assert found["weight_kurtosis"].isnan().all()
    assert found["weight_range"][0] == 0


def test_weights_are_those_of_each_layer_without_biases():
    network = build(architecture("dann-r", layers=2), (1, 6, 6), 5, [0, 1])
    shapes = {name: tuple(weights.shape) for name, weights in weights_of(network).items()}
    assert shapes == {
        "layer1_synapses": (2, 12 * 3 * 4),
        "layer1_cables": (2, 12 * 3),
        "layer2_synapses": (2, 12 * 3 * 4),
        "layer2_cables": (2, 12 * 3),
        "output": (2, 5 * 12),
    }
