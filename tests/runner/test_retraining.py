import json
import re
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus

from study.cli.network_tables import retraining_table, verdict
from study.cluster.ray_runtime import local_ray
from study.errors import BadInputError, DataError, NotFoundError, StudyError, TrackingError
from study.results import answers
from study.results.curves import curves
from study.results.export import export_model
from study.results.network import load_model
from study.results.outcomes import outcomes
from study.results.prediction import predict
from study.results.reader import read_study
from study.results.retrained_run import Retraining, retrainings
from study.results.seeds import seeds
from study.runner import retraining
from study.runner.retraining import retrain
from study.runner.sync import sync
from study.runner.teachers import keep_logits
from study.tracking.tags import DATA_TAG
from study.training.dataset import Dataset, load_dataset
from study.training.evaluation import evaluate
from tests.support.driven_study import Process
from tests.support.processes import clean_environment, wait_until
from tests.support.recorded_study import NAME, SPEC, record_study

pytestmark = pytest.mark.slow

PARTS = ("train", "validation", "test")
EPOCHS = 300
"""So long that a training can be interrupted before its end."""


@pytest.fixture(scope="module", autouse=True)
def ray():
    """One Ray for all tests, which each retraining finds running."""
    with local_ray(2):
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return record_study(tmp_path_factory.mktemp("confirmation"))


@pytest.fixture(scope="module")
def confirmed(home):
    before = answers.records(NAME, home=home)
    found = retrain(NAME, 1, 3, 4, home=home)
    assert answers.records(NAME, home=home) == before  # whoever asks for trials does not meet it
    return found


def run_of(found, home):
    return MlflowClient(home.tracking_uri).get_run(found.record.run_id)


def with_training(home, monkeypatch, trial, *, withhold_test=False, **settings):
    stored = read_study(NAME, home)
    dataset = stored.spec.dataset.model_copy(update={"withhold_test": withhold_test})
    stored = replace(stored, spec=stored.spec.model_copy(update={"dataset": dataset}))
    stored.records[trial].training.update(settings)
    monkeypatch.setattr(type(stored), "trial", lambda study, number: study.records[number])
    monkeypatch.setattr(retraining, "read_study", lambda *_: stored)


def test_a_configuration_is_trained_with_seeds_of_its_own(confirmed, home):
    assert confirmed.new
    assert confirmed.search == answers.records(NAME, home=home)[1]
    assert confirmed.record.architecture == confirmed.search.architecture
    assert (confirmed.record.replicates, confirmed.record.epochs) == (3, 4)
    assert confirmed.record.training == confirmed.search.training | {"epochs": 4}
    config = json.loads(run_of(confirmed, home).data.tags["study.config"])
    assert config["seeds"] == [2, 3, 4]
    assert confirmed.record.test_accuracy > 0.2  # the search's network was not trained
    assert confirmed.record.val_accuracy_sem > 0
    values = seeds(NAME, home=home, retrained=True)
    assert values.index.tolist() == [(1, 2), (1, 3), (1, 4)]
    for metric, mean in values.mean().items():
        assert mean == pytest.approx(getattr(confirmed.record, metric), abs=1e-8)


def test_it_lies_under_the_study_with_curves_and_its_model(confirmed, home):
    store, run = MlflowClient(home.tracking_uri), run_of(confirmed, home)
    parent = read_study(NAME, home).parent
    assert run.info.experiment_id == parent.info.experiment_id
    assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert parent.info.status == "FINISHED"
    assert "study.table" not in parent.data.tags  # which the search alone writes
    assert run.data.tags["study.role"] == "retrained"
    assert run.data.tags["study.retrains"] == "1"
    assert run.info.status == "FINISHED"
    assert run.data.params["replicates"] == "3"
    for name in ("epoch/val_accuracy", "epoch/val_accuracy_sem", "epoch/train_loss"):
        curve = store.get_metric_history(run.info.run_id, name)
        assert [point.step for point in curve] == [1, 2, 3, 4]
    model = store.get_logged_model(run.data.tags["study.model"])
    assert {metric.key: metric.value for metric in model.metrics}["test_accuracy"] == (
        confirmed.record.test_accuracy
    )


def test_its_outcomes_on_each_test_image_are_kept(confirmed, home):
    found = outcomes(NAME, 1, retrained=True, home=home)
    assert found["correct"].columns.tolist() == [2, 3, 4]
    assert found["correct"].mean().mean() == pytest.approx(confirmed.record.test_accuracy)
    assert found["loss"].mean().mean() == pytest.approx(confirmed.record.test_loss, rel=1e-3)
    each = curves(NAME, seeds=True, retrained=True, home=home)
    assert each.loc[1].index.levels[0].tolist() == [2, 3, 4]
    last = each.xs(4, level="epoch")["val_accuracy"].mean()
    assert last == pytest.approx(run_of(confirmed, home).data.metrics["epoch/val_accuracy"])
    with pytest.raises(NotFoundError, match=r"the outcomes of trial 1 .* were not kept"):
        outcomes(NAME, 1, home=home)  # whose network was not kept, or made without outcomes


def test_the_same_again_is_read_not_trained(confirmed, home, monkeypatch):
    monkeypatch.setattr(retraining, "load_dataset", None)  # nothing can be trained
    again = retrain(NAME, 1, 3, 4, home=home)
    assert not again.new
    assert again.record == confirmed.record
    assert "trained before" in verdict(again)


def test_its_network_can_be_loaded_exported_and_asked(confirmed, home, tmp_path):
    test = load_dataset("digits").test
    accuracy, _ = evaluate(load_model(NAME, 1, home=home, retrained=True), test)
    assert accuracy.mean().item() == confirmed.record.test_accuracy
    folder = export_model(NAME, tmp_path / "out", 1, home=home, retrained=True)
    history = json.loads((folder / "training.json").read_text())
    assert (history["retrained"], history["seeds"]) == (True, [2, 3, 4])
    assert "retrained with new seeds" in (folder / "README.md").read_text()
    np.savez(tmp_path / "test.npz", x=test.images.numpy()[:, 0], y=test.labels.numpy())
    (messages,) = predict(NAME, [tmp_path / "test.npz"], 1, home=home, retrained=True)
    assert messages.accuracy == pytest.approx(confirmed.record.test_accuracy)
    with pytest.raises(NotFoundError, match="trial 0 of study 'made' was not retrained"):
        load_model(NAME, 0, home=home, retrained=True)


def test_in_full_it_trains_on_validation_and_says_nothing_of_it(home, tmp_path, monkeypatch):
    with_training(home, monkeypatch, 0, patience=1, withhold_test=True)
    messages, epochs = [], []
    found = retrain(
        *(NAME, 0, 2, 5),
        full=True,
        home=home,
        notify=messages.append,
        on_epoch=lambda epoch, of: epochs.append((epoch["epochs"], of)),
    )
    assert epochs == [(epoch, 5) for epoch in range(1, 6)]
    assert "on 500 images, those of validation included" in messages[0]
    assert found.record.training["keep"] == "last"
    assert found.record.training["patience"] == 0
    assert (found.record.val_accuracy, found.record.val_loss) == (None, None)
    run = run_of(found, home)
    assert "epoch/val_accuracy" not in run.data.metrics
    assert run.data.params["full"] == "True"
    assert found.record.test_accuracy is not None  # images that were withheld from the search
    values = seeds(NAME, [0], home=home, retrained=True)
    assert values.notna().all().to_dict() == {
        "val_accuracy": False,
        "val_loss": False,
        "test_accuracy": True,
        "test_loss": True,
    }
    assert found.agrees("val_accuracy") is None
    folder = export_model(NAME, tmp_path / "out", 0, home=home, retrained=True)
    assert "The validation images were used for training." in (folder / "README.md").read_text()


def test_values_agree_unless_their_difference_is_real(confirmed):
    assert confirmed.agrees("test_accuracy") is False
    assert confirmed.to_dict()["agrees"]["test_accuracy"] is False
    table = retraining_table(confirmed, NAME)
    assert [list(column.cells)[2] for column in table.columns][-1] == "no"
    assert table.row_count == 4


@pytest.mark.slow
def test_a_store_that_fails_in_the_end_leaves_the_result_for_another_time(home, monkeypatch):
    models = home.folder / "artifacts" / "models"
    aside = models.rename(models.with_name("aside"))
    models.write_text("no folder")
    with pytest.raises(
        TrackingError, match=r"must accept every record, .* or the same command sends"
    ):
        retrain(NAME, 0, 1, 1, home=home)
    models.unlink()
    aside.rename(models)
    monkeypatch.setattr(retraining, "load_dataset", None)  # it must not train again
    messages = []
    found = retrain(NAME, 0, 1, 1, home=home, notify=messages.append)
    assert "trained before, recorded now" in messages[-1]
    assert found.new
    assert found.record.test_accuracy_sem is None
    assert found.agrees("test_accuracy") is None
    assert not (home.study_folder(NAME).path / "retrained").exists()
    assert len(_runs_of(found, home)) == 1
    store = MlflowClient(home.tracking_uri)
    kept = store.search_logged_models([read_study(NAME, home).parent.info.experiment_id])
    assert {model.status for model in kept} == {LoggedModelStatus.READY}


def _runs_of(found, home):
    """The runs of a retraining, in any state."""
    runs = _retrained(home)
    wanted = json.dumps(found.retraining.to_dict(), sort_keys=True)
    return [run for run in runs if run.data.tags["study.retraining"] == wanted]


def _retrained(home):
    experiment = read_study(NAME, home).parent.info.experiment_id
    store = MlflowClient(home.tracking_uri)
    return store.search_runs([experiment], "tags.`study.role` = 'retrained'")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((9, 2), NotFoundError, "has trials 0 to 2, got trial 9"),
        ((0, 0), BadInputError, "`1 <= replicates <= 100` must hold, got replicates=0"),
        ((0, 2, 0), BadInputError, "`1 <= epochs <= 1000000` must hold, got epochs=0"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    arguments, error, message, home
):
    before = sorted(home.folder.rglob("*"))
    with pytest.raises(error, match=message):
        retrain(NAME, *arguments, home=home)
    assert sorted(home.folder.rglob("*")) == before


def test_in_full_nothing_can_stop_it_so_epochs_must_be_given(home, monkeypatch):
    with_training(home, monkeypatch, 2, patience=1)
    with pytest.raises(BadInputError, match=r"`epochs` .* must be given .* patience=1 \(key"):
        retrain(NAME, 2, 2, full=True, home=home)


@pytest.fixture
def kept_logits(home):
    """The logits of a teacher whose study is gone, kept with the study of the home; its name."""
    folder, digest = home.study_folder(NAME), load_dataset(SPEC["dataset"]).sha256()
    folder.path.mkdir(parents=True)
    keep_logits(folder.teachers, {"gone/0": np.zeros((500, 10), np.float32)}, digest)
    parent, client = read_study(NAME, home).parent.info.run_id, MlflowClient(home.tracking_uri)
    client.set_tag(parent, DATA_TAG, digest)
    yield "gone/0"
    client.delete_tag(parent, DATA_TAG)
    shutil.rmtree(folder.path)


def test_a_retraining_has_the_patience_the_noise_and_the_teacher_of_its_trial(
    home, kept_logits, monkeypatch
):
    taught = {"teacher": kept_logits, "teacher_weight": 0.1}
    with_training(home, monkeypatch, 1, patience=1, noise=0.5, learning_rate=0.3, **taught)
    messages = []
    found = retrain(NAME, 1, 2, 80, home=home, notify=messages.append)
    assert "at most 80 epochs" in messages[0]
    assert 2 <= found.record.epochs < 80
    assert (found.record.training["patience"], found.record.training["noise"]) == (1, 0.5)
    assert found.record.training["teacher"] == kept_logits
    # Each replicate has a seed of its own, and the last retraining is the one that is asked.
    assert load_model(NAME, 1, home=home, retrained=True).seeds == (2, 3)


def test_an_interrupted_retraining_continues_from_its_checkpoint_and_is_recorded_once(home):
    interrupted = []

    def interrupt(metrics, _):
        if not interrupted:
            interrupted.append(metrics["epochs"])
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        retrain(NAME, 0, 1, EPOCHS, home=home, on_epoch=interrupt)
    (run,) = [run for run in _retrained(home) if run.data.params["epochs"] == str(EPOCHS)]
    assert (run.info.status, run.data.tags["study.state"]) == ("SCHEDULED", "INTERRUPTED")
    assert run.info.run_id not in {one.record.run_id for one in retrainings(NAME, home=home)}
    messages, epochs = [], []
    found = retrain(
        *(NAME, 0, 1, EPOCHS),
        home=home,
        notify=messages.append,
        on_epoch=lambda metrics, _: epochs.append(metrics["epochs"]),
    )
    assert re.search(rf"trial 0: continued after epoch \d+ of {EPOCHS}", "\n".join(messages))
    _check_recorded_once(found, home, epochs)


@pytest.mark.slow
def test_a_retraining_whose_driver_was_killed_continues_likewise(home, tmp_path):
    output = tmp_path / "output"
    output.touch()
    arguments = ("retrain", NAME, 2, "--replicates", 1, "--epochs", EPOCHS)
    arguments += ("--home", home.folder, "--tracking-uri", home.tracking_uri)
    process = Process([*map(str, arguments)], clean_environment(), output)
    checkpoints = home.study_folder(NAME).path
    wait_until(lambda: list(checkpoints.rglob("checkpoint.safetensors")), "a checkpoint", process)
    process.kill()
    process.wait()
    sync(NAME, home, print)
    (run,) = [run for run in _retrained(home) if run.data.tags["study.retrains"] == "2"]
    assert (run.info.status, run.data.tags["study.state"]) == ("SCHEDULED", "INTERRUPTED")
    epochs = []
    found = retrain(
        *(NAME, 2, 1, EPOCHS), home=home, on_epoch=lambda epoch, _: epochs.append(epoch["epochs"])
    )
    _check_recorded_once(found, home, epochs)


def _check_recorded_once(found, home, epochs):
    assert found.new
    assert epochs == list(range(1, EPOCHS + 1))
    (run,) = _runs_of(found, home)
    assert (run.info.status, run.data.tags["study.state"]) == ("FINISHED", "COMPLETE")
    store = MlflowClient(home.tracking_uri)
    curve = store.get_metric_history(run.info.run_id, "epoch/train_loss")
    assert sorted(point.step for point in curve) == epochs
    assert not (home.study_folder(NAME).path / "retrained").exists()


def test_data_that_is_not_here_is_reported(home, monkeypatch):
    def absent(*_):
        raise DataError("the data set is not here")

    monkeypatch.setattr(retraining, "load_dataset", absent)
    with pytest.raises(DataError):
        retrain(NAME, 2, 2, home=home)
    assert not home.study_folder(NAME).path.exists()


def test_images_that_the_network_does_not_fit_are_refused(home, monkeypatch):
    images = {f"{part}_images": np.zeros((9, 1, 1, 3), np.uint8) for part in PARTS}
    labels = {f"{part}_labels": np.arange(9) for part in PARTS}
    other = Dataset.from_arrays("other", 9, images | labels)
    monkeypatch.setattr(retraining, "load_dataset", lambda *_: other)
    with pytest.raises(BadInputError, match=r"synapses=4, inputs=3 .*\(trial 2 on other\)"):
        retrain(NAME, 2, 2, home=home)
    assert not home.study_folder(NAME).path.exists()


def test_a_replicate_that_diverges_is_reported_and_leaves_nothing(home, monkeypatch):
    record = read_study(NAME, home).trial(2)
    record.training["learning_rate"] = 1e38
    monkeypatch.setattr(retraining.StoredStudy, "trial", lambda *_: record)
    with pytest.raises(
        StudyError, match=r"the trial cannot be retrained: .*the .* must stay finite"
    ):
        retrain(NAME, 2, 2, home=home)
    assert not (home.study_folder(NAME).path / "retrained").exists()


def test_a_trial_that_is_being_confirmed_with_the_same_seeds_is_not_retrained(home):
    folder = home.study_folder(NAME)
    wanted = Retraining(trial=2, replicates=5, epochs=3, full=False)
    confirming = folder.of_retraining("front-replicates-5")
    confirming.path.mkdir(parents=True)
    confirming.store_retrainings([wanted.to_dict()])
    with (
        folder.only_driver(),
        pytest.raises(BadInputError, match="trial 2 is being confirmed with the same seeds"),
    ):
        retrain(NAME, 2, 5, 3, home=home)
    assert not folder.of_retraining(wanted.label()).path.exists()
    shutil.rmtree(confirming.path)
