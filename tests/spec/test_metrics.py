import pytest

from study.spec.metrics import (
    GROUPS,
    diagnostic,
    is_diagnostic,
    is_metric,
    metric_of,
    names_of,
    recorded_names,
)


def test_every_name_leads_back_to_its_group():
    for group in GROUPS:
        names = list(names_of([group], layers=2))
        assert names
        assert {diagnostic(name).group for name in names} == {group}
        assert len(set(names)) == len(names)


def test_what_a_trial_records_of_diagnostics_is_told_from_the_rest():
    assert all(is_diagnostic(name) for name in recorded_names(GROUPS, layers=2))
    plain = ("val_accuracy", "test_accuracy", "test_loss_sem", "epochs", "epoch/val_loss", "macs")
    assert not any(is_diagnostic(name) for name in plain)


def test_a_layer_and_a_part_are_read_from_the_name():
    found = diagnostic("layer12_dendrites_weight_range")
    assert found is None  # dendrites have outputs, and synapses and cables have weights
    found = diagnostic("layer12_cables_weight_range")
    assert (found.layer, found.part, found.group) == (12, "cables", "weights")


@pytest.mark.parametrize(
    "name",
    [
        "layer0_somata_entropy",
        "layer1_somata_entropies",
        "test_layer1_somata_entropy",
        "layer1_somata_entropy_sem",
        "layer1_output_weight_range",
        "output_entropy",
        "weight_range",
    ],
)
def test_other_names_are_none(name):
    assert not is_metric(name)


def test_records_have_errors_and_test_metrics_of_what_is_measured_on_images():
    names = list(recorded_names(["generalisation", "noise"], layers=1))
    assert names[:2] == ["generalisation_gap", "generalisation_gap_sem"]
    assert "test_generalisation_gap" not in names
    assert "test_accuracy_at_noise_025_sem" in names
    assert "val_accuracy_at_noise_100" in names


@pytest.mark.parametrize("name", [*names_of(layers=1), "val_accuracy", "val_loss"])
def test_a_surrogate_learns_less_of_what_is_better(name):
    metric = metric_of(name)
    middle = (metric.best + metric.worst) / 2
    assert metric.to_error(metric.best) < metric.to_error(middle) < metric.to_error(metric.worst)
    assert (metric.cost(metric.best), metric.cost(metric.worst)) == (0, 1)
