"""The worker without Ray: what it reports, and how it goes on from what it stored."""

import json
import tempfile

import numpy as np
import pytest
import torch
from ray.tune.experiment import Experiment

from models import Architecture, load_network
from study.cluster.capacity import TrialResources
from study.runner.trainable import StudyTrainable
from study.runner.trial_files import TrialFiles, TrialStorage
from study.runner.tuner import trainable_of
from study.search.trial import TrialConfig
from study.spec.metrics import GROUPS, recorded_names
from study.study_folder import (
    CHECKPOINT,
    DISTRIBUTIONS,
    EXAMPLE,
    NETWORK,
    OUTCOMES,
    trial_folder,
)
from study.training.dataset import load_dataset
from study.training.evaluation import evaluate
from study.training.noise import with_training_noise
from study.training.outcomes import Outcomes
from study.training.settings import TrainingSettings

TRAINING = {"learning_rate": 0.01, "schedule": "one_cycle"}


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def config(number=0, epochs=6, training=(), **architecture):
    sizes = {"family": "dann-r", "dendrites": 2, "somata": 16, "synapses": 8} | architecture
    return TrialConfig(
        number=number,
        architecture=Architecture(**sizes),
        training=TrainingSettings(**(TRAINING | {"epochs": epochs} | dict(training))),
        seeds=(0, 1),
    ).to_dict()


def worker(digits, store, trial, rungs=(1, 3), diagnostics=("generalisation",), kept_states=()):
    made = object.__new__(StudyTrainable)  # Ray's own constructor wants an actor around it
    made.setup(
        trial,
        dataset_name=digits.name,
        classes=digits.classes,
        arrays=digits.to_arrays(),
        threads=1,
        gpus=0,
        rungs=rungs,
        storage=TrialStorage(store),
        diagnostics=diagnostics,
        kept_states=kept_states,
    )
    return made


def curve(epochs):
    """What does not depend on the clock."""
    return [
        {name: value for name, value in metrics.items() if "seconds" not in name}
        for metrics in epochs
    ]


def curves(reports):
    """The values of replicates by metric: a list of epochs, each a list of seeds."""
    joined = {}
    for report in reports:
        for name, epochs in report["curves"].items():
            joined[name] = joined.get(name, []) + epochs
    return joined


def test_a_step_never_goes_beyond_a_rung_and_all_epochs_are_reported_once(digits, tmp_path):
    made = worker(digits, tmp_path, config())
    reports = [made.step()]
    while not reports[-1]["done"]:
        reports.append(made.step())
    epochs = [int(metrics["epochs"]) for report in reports for metrics in report["epochs"]]
    assert epochs == [1, 2, 3, 4, 5, 6]
    ends = [int(report["epochs"][-1]["epochs"]) for report in reports]
    assert {1, 3, 6} <= set(ends)
    assert reports[-1]["finished"]
    network = load_network(trial_folder(tmp_path, 0) / NETWORK)
    assert network.replicates == 2
    assert "test_accuracy" in reports[-1]["epochs"][-1]


def until_done(made):
    reports = [made.step()]
    while not reports[-1]["done"]:
        reports.append(made.step())
    return reports


def test_a_trial_ends_with_the_diagnostics_that_were_asked_for(digits, tmp_path):
    groups = [group for group in GROUPS if group != "separability"]  # which takes a while
    made = worker(digits, tmp_path, config(epochs=2), rungs=(), diagnostics=groups)
    epochs = [one for report in until_done(made) for one in report["epochs"]]
    names = set(recorded_names(groups, layers=1))
    assert names.isdisjoint(epochs[0])
    assert names <= epochs[1].keys()
    gap = epochs[1]["epoch/val_loss"] - epochs[1]["epoch/train_loss"]
    assert epochs[1]["generalisation_gap"] == pytest.approx(gap)
    stored = json.loads((trial_folder(tmp_path, 0) / DISTRIBUTIONS).read_text())
    assert sum(stored["output_weight"]["counts"]) == 2 * 10 * 16


def test_a_diagnostic_that_cannot_write_costs_the_network_nothing(digits, tmp_path, monkeypatch):
    made = worker(digits, tmp_path, config(), rungs=(), diagnostics=("latency",))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    last = until_done(made)[-1]
    assert last["notice"].startswith("no diagnostics: FileNotFoundError: ")
    assert load_network(trial_folder(tmp_path, 0) / NETWORK).seeds == (0, 1)


def test_a_trial_keeps_the_outcome_on_each_test_image(digits, tmp_path):
    made = worker(digits, tmp_path, config(), rungs=())
    last = until_done(made)[-1]
    folder = trial_folder(tmp_path, 0)
    stored, seeds = Outcomes.from_bytes((folder / OUTCOMES).read_bytes())
    network = load_network(folder / NETWORK)
    images = digits.test.images
    predicted = network(images).argmax(dim=-1)
    assert seeds == (0, 1)
    assert np.array_equal(stored.correct, (predicted == digits.test.labels).numpy())
    assert stored.accuracy().tolist() == last["replicates"]["test_accuracy"]
    assert stored.loss().tolist() == pytest.approx(last["replicates"]["test_loss"], rel=1e-3)


def test_test_images_that_are_withheld_are_evaluated_nowhere(digits, tmp_path):
    groups = ("generalisation", "efficiency", "noise")
    withheld = digits.without_test()
    made = worker(withheld, tmp_path, config(epochs=2), rungs=(), diagnostics=groups)
    reports = until_done(made)
    names = {name for report in reports for epoch in report["epochs"] for name in epoch}
    assert not {name for name in names if "test" in name}
    assert "accuracy_efficiency" in names
    assert reports[-1]["replicates"].keys() == {"val_accuracy", "val_loss"}
    assert reports[-1]["notice"] is None or "diagnostics" not in reports[-1]["notice"]
    assert not (trial_folder(tmp_path, 0) / OUTCOMES).exists()


# At this rate both replicates stop long before the sixtieth epoch, and after the third.
HASTY = {"learning_rate": 0.2, "schedule": "constant", "patience": 2, "noise": 0.3}


@pytest.mark.parametrize(
    "trial",
    [
        config(family="dann-lrf", centres="variance", training={"average": 0.9, "shift": 1}),
        config(epochs=60, training=HASTY),
        config(rewiring=0.5, regrowth="gradient", layers=2, training={"average": 0.9}),
    ],
    ids=["in full", "with patience", "with rewiring"],
)
def test_a_trial_that_was_broken_off_goes_on_as_if_it_had_not_been(trial, digits, tmp_path):
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    every = tuple(range(1, 60))
    expected = until_done(worker(digits, tmp_path / "whole", trial, rungs=every))
    first = worker(digits, tmp_path / "broken", trial, rungs=every)
    for _ in range(3):
        first.step()
    trial_folder(tmp_path / "broken", 0).mkdir(parents=True, exist_ok=True)
    first.cleanup()
    reports = until_done(worker(digits, tmp_path / "broken", trial, rungs=every))
    # The first report holds the epochs from before, so that no record can lack them. It trains none, as
    # the driver may not have compared the trial at the rung yet.
    assert [int(metrics["epochs"]) for metrics in reports[0]["epochs"]] == [1, 2, 3]
    all_epochs = [metrics for report in reports for metrics in report["epochs"]]
    assert curve(all_epochs) == curve(
        metrics for report in expected for metrics in report["epochs"]
    )
    assert curves(reports).keys() == {"train_loss", "val_loss", "val_accuracy"}
    for name, values in curves(reports).items():
        np.testing.assert_array_equal(values, curves(expected)[name])
        means = np.nanmean(values, axis=1)  # replicates that have stopped are NaN
        assert means.tolist() == pytest.approx([one[f"epoch/{name}"] for one in all_epochs])
    assert reports[-1]["replicates"] == expected[-1]["replicates"]
    weights = [
        list(load_network(trial_folder(tmp_path / name, 0) / NETWORK).parameters())
        for name in ("whole", "broken")
    ]
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))


CONSTANT = {"schedule": "constant"}
KEPT = ("PRUNED", "COMPLETE")


@pytest.mark.parametrize("ended", ["stopped", "complete"])
def test_a_trial_that_continues_an_ended_one_is_as_if_it_had_not_ended(ended, digits, tmp_path):
    """Stopped at a rung, or complete with fewer epochs; it writes what one longer training does."""
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = config(number=9, epochs=7, training=CONSTANT)
    expected = until_done(worker(digits, tmp_path / "whole", whole))
    planned = 7 if ended == "stopped" else 3
    first = config(number=2, epochs=planned, training=CONSTANT)
    made = worker(digits, tmp_path / "parts", first, rungs=(3,), kept_states=KEPT)
    reports = [made.step()]
    while reports[-1]["epochs"][-1]["epochs"] < 3:
        reports.append(made.step())
    assert reports[-1]["finished"] == (ended == "complete")
    made.reset_config(config(number=3, epochs=1))  # its worker takes another trial
    continued = config(number=4, epochs=7, training=CONSTANT) | {"continues": 2}
    again = until_done(worker(digits, tmp_path / "parts", continued, kept_states=KEPT))
    assert again[0]["notice"].startswith("continued after epoch 3 of 7")
    found = [metrics for report in again for metrics in report["epochs"]]
    assert curve(found) == curve(metrics for report in expected for metrics in report["epochs"])
    assert again[-1]["replicates"] == expected[-1]["replicates"]
    weights = [
        list(load_network(trial_folder(tmp_path / name, number) / NETWORK).parameters())
        for name, number in (("whole", 9), ("parts", 4))
    ]
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))


def test_a_trial_whose_own_checkpoint_is_damaged_starts_from_the_one_that_it_continues(
    digits, tmp_path
):
    made = worker(digits, tmp_path, config(number=2, epochs=3, training=CONSTANT), kept_states=KEPT)
    until_done(made)
    made.cleanup()
    own = trial_folder(tmp_path, 4) / CHECKPOINT
    own.parent.mkdir()
    own.write_bytes(b"damaged")
    continued = config(number=4, epochs=7, training=CONSTANT) | {"continues": 2}
    report = worker(digits, tmp_path, continued, kept_states=KEPT).step()
    assert report["notice"].startswith("continued after epoch 3 of 7")


def test_two_studies_are_two_trainables_to_tune(tmp_path):
    """Tune stores them by name, in a place that studies of two processes can share."""
    names = {
        Experiment.get_trainable_name(
            trainable_of({}, TrialStorage(tmp_path), TrialResources(1.0, 0.0))
        )
        for _ in range(2)
    }
    assert len(names) == 2


def test_no_checkpoint_is_kept_of_a_trial_that_cannot_continue(digits, tmp_path, monkeypatch):
    # Not while it trains, either: those checkpoints are deleted by the driver.
    monkeypatch.setattr(TrialFiles, "checkpoint_due", False)
    hasty = config(epochs=60, training=HASTY)  # its replicates stop by themselves
    made = worker(digits, tmp_path, hasty, kept_states=KEPT)
    until_done(made)
    made.reset_config(config(number=1, epochs=1))
    until_done(made)
    made.reset_config(config(number=2))
    made.step()
    made.reset_config(config(number=3))
    found = sorted(file.parent.name for file in tmp_path.glob(f"*/{CHECKPOINT}"))
    assert found == ["trial-1", "trial-2"]
    made = worker(digits, tmp_path / "none", config())
    made.step()
    made.reset_config(config(number=1))
    assert not list(tmp_path.glob(f"none/*/{CHECKPOINT}"))


def test_a_trial_without_the_checkpoint_of_the_one_that_it_continues_fails(digits, tmp_path):
    wanted = config(number=4, training=CONSTANT) | {"continues": 2}
    made = worker(digits, tmp_path, wanted)
    assert made.step()["failure"] == (
        "ValueError: the checkpoint of trial 2, which it continues, must be readable; there is none in "
        f"{tmp_path}"
    )
    other = worker(digits, tmp_path, config(number=2), kept_states=KEPT)  # another schedule
    other.step()
    other.cleanup()
    made = worker(digits, tmp_path, wanted)
    assert "is that of another trial" in made.step()["failure"]


def test_a_damaged_checkpoint_is_said_and_the_trial_starts_anew(digits, tmp_path):
    first = worker(digits, tmp_path, config())
    first.step()
    trial_folder(tmp_path, 0).mkdir(parents=True, exist_ok=True)
    first.cleanup()
    (file,) = trial_folder(tmp_path, 0).iterdir()
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    report = worker(digits, tmp_path, config()).step()
    assert report["notice"].startswith("restarted: its checkpoint is damaged: ")
    assert report["notice"].endswith(f" ({file})")
    assert [int(metrics["epochs"]) for metrics in report["epochs"]] == [1]


def test_what_goes_wrong_is_reported_and_the_worker_goes_on(digits, tmp_path):
    broken = config(somata=10**7, dendrites=1000, family="pdann", synapses=None)
    made = worker(digits, tmp_path, broken)
    report = made.step()
    assert report["done"]
    assert report["failure"].startswith("ValueError: `replicates x parameters <= ")
    made.reset_config(config(number=1))
    assert made.step()["failure"] is None


def test_a_trial_whose_checkpoint_cannot_be_written_goes_on_and_says_so(digits, tmp_path):
    (tmp_path / "trial-0").write_text("in the way")
    made = worker(digits, tmp_path, config(epochs=1), rungs=())
    report = made.step()
    assert report["finished"]
    assert report["notice"].startswith("continues without a file that could not be written: ")


def test_a_trial_whose_replicates_have_stopped_is_finished_with_the_epochs_it_trained(
    digits, tmp_path
):
    made = worker(digits, tmp_path, config(epochs=60, training=HASTY))
    last = until_done(made)[-1]
    assert (last["finished"], last["failure"]) == (True, None)
    metrics = last["epochs"][-1]
    assert 3 < metrics["epochs"] < 60
    # Tested with the kept weights, on images with the noise that it was trained with.
    network = load_network(trial_folder(tmp_path, 0) / NETWORK)
    for kind, part in (("test", "test"), ("val", "validation")):
        accuracy, _ = evaluate(network, getattr(with_training_noise(digits, 0.3), part))
        assert metrics[f"{kind}_accuracy"] == accuracy.mean().item()
        assert last["replicates"][f"{kind}_accuracy"] == accuracy.tolist()
    example = np.load(trial_folder(tmp_path, 0) / EXAMPLE)
    assert np.array_equal(example, digits.validation.images[:2].numpy())
    # The same worker's next trial has no noise again.
    made.reset_config(config(number=1, epochs=1))
    plain = until_done(made)[-1]["epochs"][-1]
    alone = until_done(worker(digits, tmp_path, config(number=2, epochs=1)))[-1]["epochs"][-1]
    assert plain["test_loss"] == alone["test_loss"]


def test_the_checkpoint_of_another_trial_is_not_used(digits, tmp_path):
    first = worker(digits, tmp_path, config())
    first.step()
    trial_folder(tmp_path, 0).mkdir(parents=True, exist_ok=True)
    first.cleanup()
    report = worker(digits, tmp_path, config(training={"patience": 3})).step()
    assert "is that of another trial" in report["notice"]


def test_a_class_that_fills_no_batch_fails_the_trial_with_the_reason(digits, tmp_path):
    large = {"batch_order": "by_class", "batch_size": 1000}
    report = worker(digits, tmp_path, config(training=large)).step()
    assert report["failure"].startswith("SpecError: `batch_size <= training images of each class`")


@pytest.mark.parametrize(
    ("error", "is_raised"),
    [
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_an_error_after_which_the_device_is_lost_leaves_the_worker(
    error, is_raised, digits, tmp_path, monkeypatch
):
    made = worker(digits, tmp_path, config())
    made.step()
    before = set(tmp_path.rglob("*"))  # a checkpoint, if the epoch took long

    def lost(_):
        raise error

    with monkeypatch.context() as planted:
        planted.setattr("study.training.train.Training.run_epoch", lost)
        if is_raised:
            with pytest.raises(type(error)):
                made.step()
        else:
            assert made.step()["failure"] == f"OutOfMemoryError: {error}"
    made.cleanup()  # as Ray does; nothing is read from the lost device
    assert set(tmp_path.rglob("*")) <= before
