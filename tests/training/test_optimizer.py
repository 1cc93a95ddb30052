"""Adam and its learning rates, held against torch.optim."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from study.training import optimizer
from study.training.optimizer import Adam, learning_rate
from study.training.settings import TrainingSettings


def settings(schedule):
    return TrainingSettings(epochs=1, learning_rate=0.02, schedule=schedule)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 10, 500])
@pytest.mark.parametrize(
    ("schedule", "reference"),
    [
        ("cosine", lambda adam, steps: CosineAnnealingLR(adam, T_max=steps)),
        ("one_cycle", lambda adam, steps: OneCycleLR(adam, 0.02, steps, cycle_momentum=False)),
    ],
)
def test_the_learning_rates_are_those_of_torch(schedule, reference, steps):
    adam = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=0.02)
    schedule_of_torch = reference(adam, steps)
    for step in range(steps):
        expected = pytest.approx(adam.param_groups[0]["lr"], rel=1e-6, abs=1e-12)
        assert learning_rate(settings(schedule), step, steps) == expected
        adam.step()
        if step + 1 < steps:
            schedule_of_torch.step()


def test_a_constant_learning_rate_stays():
    assert {learning_rate(settings("constant"), step, 9) for step in range(9)} == {0.02}


@pytest.mark.parametrize("flat_up_to", [2**18, 0])
def test_the_steps_are_those_of_torch_and_go_on_from_a_state(flat_up_to, monkeypatch):
    monkeypatch.setattr(optimizer, "_FLAT_UP_TO", flat_up_to)
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 3), (4,), ()]
    start = [torch.randn(shape, generator=generator) for shape in shapes]
    gradients = [[torch.randn(shape, generator=generator) for shape in shapes] for _ in range(6)]
    own, known = ([nn.Parameter(value.clone()) for value in start] for _ in range(2))
    reference = torch.optim.Adam(known, lr=0.01, eps=1e-7)
    adam = Adam(own)
    for count, step in enumerate(gradients):
        if count == 3:  # as after an interruption
            earlier, adam = adam, Adam(own)
            adam.restore({name: value.clone() for name, value in earlier.state().items()})
        for mine, its, gradient in zip(own, known, step, strict=True):
            mine.grad, its.grad = gradient.clone(), gradient.clone()
        adam.step(0.01)
        reference.step()
        assert [parameter.grad for parameter in own] == [None] * 3
        for mine, its in zip(own, known, strict=True):
            torch.testing.assert_close(mine, its)


@pytest.mark.slow
def test_training_does_not_load_the_compiler_of_torch():
    """It takes a second of every worker."""
    code = """
import sys
import torch
from models import Architecture, build
from study import load_dataset
from study.training.settings import TrainingSettings
from study.training.train import Training
network = build(Architecture(family="vann", dendrites=1, somata=2), (1, 8, 8), 10, [0])
settings = TrainingSettings(epochs=1, learning_rate=0.01)
Training(network, load_dataset("digits"), settings).run_epoch()
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
