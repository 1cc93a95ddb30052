"""Which engine trains which network."""

import subprocess
import sys

import pytest
import torch

from models import FAMILIES, Architecture, build
from study.training import engines
from study.training.engines import engine_name


def network(family, somata=4, **sizes):
    kind = FAMILIES[family]
    if kind.has_dendrites:
        sizes.setdefault("dendrites", 2)
    if kind.counts_synapses:
        sizes.setdefault("synapses", 9)
    return build(Architecture(family=family, somata=somata, **sizes), (1, 8, 8), 10, [0])


@pytest.mark.parametrize("family", FAMILIES)
def test_on_a_cpu_it_is_the_compiled_one(family):
    assert engine_name(network(family)) == "compiled"


def test_large_dense_layers_are_computed_by_torch():
    assert engine_name(network("mlp", somata=2**16)) == "torch"


def test_on_another_device_it_is_torch():
    assert engine_name(network("dann-r").to(torch.device("meta"))) == "torch"


def test_without_numba_it_is_torch(monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    assert engine_name(network("dann-r")) == "torch"


@pytest.mark.slow
def test_only_a_training_with_the_compiled_engine_loads_numba():
    """It takes a fifth of a second of every process; commands and drivers do not train."""
    code = """
import sys
import study.cli.app, study.runner.driver, study.runner.trial_worker
from models import Architecture, build
from study import load_dataset
from study.training.settings import TrainingSettings
from study.training.train import Training
network = build(Architecture(family="vann", dendrites=1, somata=2), (1, 8, 8), 10, [0])
settings = TrainingSettings(epochs=1, learning_rate=0.01)
Training(network, load_dataset("digits"), settings, "torch").run_epoch()
assert "numba" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
