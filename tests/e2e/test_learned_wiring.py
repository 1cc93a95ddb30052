"""A study whose networks learn their wiring, and are judged by the bytes that store them."""

import numpy as np
import pytest
import torch

import study
from models import Architecture
from models.counting import stored_bytes, wiring_bits
from models.portable import Portable
from study.search.pareto import on_front

pytestmark = pytest.mark.slow

OBJECTIVES = {"val_accuracy": "maximize", "stored_bytes": "minimize"}
SPEC = {
    "name": "learned",
    "dataset": "digits",
    "families": ["dann-r", "dann-lrf"],
    "sampler": "grid",
    "objectives": OBJECTIVES,
    "constraints": ["wiring_bits <= 1000"],
    "space": {
        "somata": [4, 8, 16],
        "dendrites": 2,
        "synapses": 6,
        "rewiring": 0.5,
        "regrowth": "anywhere",
        "learning_rate": 0.01,
    },
    "budget": {"epochs": 4},
    "stopping": {"scheduler": "none"},
}


def test_bytes_are_an_objective_and_a_network_keeps_what_it_has_learned(tmp_path):
    home = tmp_path / "home"
    study.run(SPEC, home=home)
    trials = study.records("learned", home=home)
    # Of 16 somata the wiring takes 1,152 bits; these are discarded.
    assert [one.architecture["somata"] for one in trials].count(8) == 2
    assert len(trials) == 4
    for one in trials:
        bits = wiring_bits(Architecture(**one.architecture), (1, 8, 8))
        assert one.wiring_bits == bits > 64
        assert one.stored_bytes == stored_bytes(one.trainable_parameters, bits)
    values = [(one.val_accuracy, one.stored_bytes) for one in trials]
    assert [one.on_front for one in trials] == on_front(values, OBJECTIVES)
    best = study.best_configs("learned", home=home)[0]
    network = study.load_model("learned", trial=best.trial, home=home)
    images = study.load_dataset("digits").test.images
    with torch.no_grad():
        logits = network(images).numpy()
    study.export_model("learned", tmp_path / "taken", trial=best.trial, home=home)
    exported = Portable(tmp_path / "taken").logits(images.numpy())
    np.testing.assert_allclose(exported, logits, rtol=1e-4, atol=1e-4)
