"""All groups together on untrained networks; each measure has a test of its own."""

import math

import numpy as np
import pytest
import torch

from models import FAMILIES, build, count_parameters, save_network
from models.portable import Portable
from study.spec.metrics import GROUPS, recorded_names
from study.training.dataset import Dataset, load_dataset
from study.training.diagnostics import diagnose
from study.training.evaluation import Estimate, evaluate
from study.training.generalisation import ReplicateCurves
from study.training.latency import replicate_of
from study.training.split import Split
from tests.support.architectures import architecture

CURVES = ReplicateCurves(
    [[1.0, 1.0], [0.5, 0.5]], [[1.0, 2.0], [2.0, 1.0]], [[0.5, 0.5], [0.5, 0.5]]
)


@pytest.fixture(scope="module")
def dataset():
    digits = load_dataset("digits")
    few = Split(digits.test.images[:60], digits.test.labels[:60])
    return Dataset(name="few", classes=10, train=digits.train, validation=few, test=few)


QUICK = [group for group in GROUPS if group != "separability"]


def names(groups, layers):
    return {name for name in recorded_names(groups, layers=layers) if not name.endswith("_sem")}


def test_what_is_measured_has_the_names_that_records_are_read_by(dataset):
    network = build(architecture("dann-r", layers=2), (1, 8, 8), 10, [0, 1])
    found = diagnose(network, dataset, QUICK, CURVES)
    assert found.values.keys() == names(QUICK, layers=2)
    assert all(values.shape == (2,) for values in found.values.values())
    units = {"layer1_dendrites": 36, "layer1_somata": 12}
    for layer, count in units.items():
        assert sum(found.distributions[f"{layer}_selectivity"].counts) == 2 * count
        silent = found.values[f"{layer}_silent"].sum().item() * count
        assert sum(found.distributions[f"test_{layer}_entropy"].counts) == round(2 * count - silent)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "groups"), [("mlp", GROUPS), ("cnn", QUICK)])
def test_a_network_without_dendrites_has_somata_and_synapses_only(family, groups, dataset):
    network = build(architecture(family), (1, 8, 8), 10, [0, 1])
    found = diagnose(network, dataset, groups, CURVES)
    expected = {
        name
        for name in names(groups, layers=1)
        if not {"dendrites", "cables"} & set(name.split("_"))
    }
    assert found.values.keys() == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_a_replicate_alone_computes_what_it_does_among_others(family, tmp_path):
    save_network(build(architecture(family, layers=2), (2, 5, 6), 3, [4, 8, 9]), tmp_path)
    whole = Portable(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 5, 6), dtype=np.uint8)
    for number in range(3):
        alone = replicate_of(whole, number).logits(images)
        np.testing.assert_allclose(alone, whole.logits(images)[number : number + 1], rtol=1e-5)


def test_a_larger_network_needs_more_memory_for_an_image(dataset):
    small, large = (
        diagnose(
            build(architecture("dann-r", somata=somata), (1, 8, 8), 10, [0, 1]),
            dataset,
            ("latency",),
            CURVES,
        ).values
        for somata in (4, 4096)
    )
    assert (small["memory_mb"] < large["memory_mb"]).all()
    assert (small["latency_ms"] > 0).all()
    assert small["memory_mb"].tolist() == pytest.approx(
        [small["memory_mb"][0].item()] * 2, rel=0.01
    )


def test_efficiency_is_that_of_each_replicate(dataset):
    network = build(architecture("vann"), (1, 8, 8), 10, [0, 1])
    found = diagnose(network, dataset, ("efficiency",), CURVES).values
    accuracy, loss = evaluate(network, dataset.validation)
    parameters = count_parameters(network)
    factor = torch.tensor([math.log10(parameters), math.log10(2 * parameters)]) / math.log10(938)
    assert found["accuracy_efficiency"].tolist() == pytest.approx((accuracy / factor).tolist())
    assert found["test_loss_efficiency"].tolist() == pytest.approx((loss * factor).tolist())
    decades = math.log10(parameters)
    assert found["accuracy_per_decade"].tolist() == pytest.approx((accuracy / decades).tolist())


def test_what_is_undefined_for_a_replicate_is_left_out(dataset):
    network = build(architecture("mlp"), (1, 8, 8), 10, [0, 1])
    with torch.no_grad():
        network.stages[0].units.weight[1] = -1.0  # silent on every image
    found = diagnose(network, dataset, ("activity",), CURVES)
    metrics = found.to_metrics()
    assert "layer1_somata_entropy" not in metrics
    assert metrics["layer1_somata_silent"] >= 0.5
    estimates = found.estimates()
    assert estimates["layer1_somata_firing"] == Estimate.over(found.values["layer1_somata_firing"])
