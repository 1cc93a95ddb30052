import pytest
import torch

from models import Architecture, build
from study.training.dataset import load_dataset
from study.training.evaluation import evaluate
from study.training.noise import accuracy_under_noise, with_test_noise


def test_noise_is_fixed_scaled_and_clipped():
    images = torch.full((50, 1, 8, 8), 128, dtype=torch.uint8)
    little, again, much, wild = (
        with_test_noise(images, sigma, torch.Generator().manual_seed(0))
        for sigma in (0.01, 0.01, 0.02, 10.0)
    )
    centre = 128 / 255
    assert torch.equal(again, little)
    assert torch.allclose(much - centre, 2 * (little - centre), atol=1e-6)
    assert (little - centre).std().item() == pytest.approx(0.01, rel=0.05)
    assert (wild.min().item(), wild.max().item()) == (0.0, 1.0)


def test_without_noise_the_accuracy_is_the_plain_one():
    digits = load_dataset("digits")
    network = build(Architecture(family="vann", dendrites=2, somata=8), (1, 8, 8), 10, [0, 1])
    accuracy, _ = evaluate(network, digits.validation)
    assert torch.equal(accuracy_under_noise(network, digits.validation, 0.0), accuracy)
