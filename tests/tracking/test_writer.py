"""The writer on a real SQLite store, event by event as its sender gives them."""

import mlflow
import numpy as np
import pytest

from models import Architecture, build, save_network
from study import environment
from study.home import Home
from study.results.reader import read_study
from study.search.trial import TrialConfig
from study.spec.study_spec import StudySpec
from study.study_folder import EXAMPLE, NETWORK, trial_folder
from study.tracking.events import (
    FrontChanged,
    StudyBegun,
    TrialBegun,
    TrialConfirmed,
    TrialEnded,
    TrialReported,
)
from study.tracking.store import all_runs, client
from study.tracking.tags import NUMBER_TAG, ROLE_TAG
from study.tracking.writer import MlflowWriter
from study.training.settings import TrainingSettings
from tests.support.empty_store import put_empty_store

NAME = "v1.2"  # MLflow takes no dot in the name of a model
SPEC = StudySpec.from_dict({"name": NAME, "dataset": "digits", "families": ["dann-r"]})


@pytest.fixture
def home(tmp_path):
    environment.prepare()
    home = Home(folder=tmp_path, tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    put_empty_store(home)
    return home


def opened(home):
    writer = MlflowWriter(SPEC, home, home.study_folder(SPEC.name))
    writer.apply(StudyBegun(timestamp=1, tags={}))
    return writer


def begin(writer, number, start=None):
    architecture = Architecture(family="dann-r", dendrites=2, somata=8, synapses=4)
    training = TrainingSettings(epochs=2, learning_rate=0.01)
    trial = TrialConfig(
        number=number, architecture=architecture, training=training, seeds=(0,), start=start
    )
    writer.apply(TrialBegun(trial=trial, timestamp=1000))
    return trial


def report(writer, number, epoch, **metrics):
    metrics |= {"epochs": epoch}
    writer.apply(TrialReported(number=number, timestamp=1000 + epoch, epoch=epoch, metrics=metrics))


def end(writer, number, state, *, keep_network=False, curves=None):
    writer.apply(
        TrialEnded(
            number=number, timestamp=2000, state=state, keep_network=keep_network, curves=curves
        )
    )


def runs(home):
    """The runs of trials, by number; the store has one of each."""
    store = client(home)
    experiment = store.get_experiment_by_name(NAME).experiment_id
    found = [run for run in all_runs(store, experiment) if run.data.tags[ROLE_TAG] == "trial"]
    by_number = {int(run.data.tags[NUMBER_TAG]): run for run in found}
    assert len(by_number) == len(found)
    return by_number


def write_network(home, trial):
    place = trial_folder(home.study_folder(NAME).trials, trial.number)
    save_network(build(trial.architecture, (1, 4, 4), 3, trial.seeds), place / NETWORK)
    np.save(place / EXAMPLE, np.zeros((2, 1, 4, 4), np.uint8))


def test_events_that_are_sent_again_are_recorded_once(home):
    for _ in range(3):  # each time a new sender, that knows only what the store has
        writer = opened(home)
        trial = begin(writer, 0)
        write_network(home, trial)
        for epoch in (1, 2):
            report(writer, 0, epoch, val_accuracy=0.5)
        end(writer, 0, "COMPLETE", keep_network=True, curves="epoch,seed\n")
        writer.apply(FrontChanged(changes={0: True}))
        writer.flush()
    (run,) = runs(home).values()
    assert (run.info.status, run.data.tags["on_front"]) == ("FINISHED", "true")
    store = client(home)
    curve = store.get_metric_history(run.info.run_id, "val_accuracy")
    assert [(point.step, point.value) for point in curve] == [(1, 0.5), (2, 0.5)]
    assert (
        mlflow.artifacts.load_text(f"{run.info.artifact_uri}/curves_by_seed.csv") == "epoch,seed\n"
    )
    (model,) = store.search_logged_models([run.info.experiment_id])
    assert (model.name, model.status.name) == ("v1_2-0", "READY")
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    assert {metric.key for metric in model.metrics} == {"epochs", "val_accuracy"}


def test_an_end_that_is_sent_again_alone_keeps_the_description(home):
    writer = opened(home)
    begin(writer, 0)
    report(writer, 0, 2, val_accuracy=0.5)
    end(writer, 0, "COMPLETE")
    writer.flush()
    (before,) = runs(home).values()
    again = opened(home)
    end(again, 0, "COMPLETE")
    again.flush()
    (after,) = runs(home).values()
    assert "after 2 epochs" in before.data.tags["mlflow.note.content"]
    assert after.data.tags["mlflow.note.content"] == before.data.tags["mlflow.note.content"]


def test_a_trial_with_which_the_spec_starts_has_its_place_as_a_tag(home):
    writer = opened(home)
    begin(writer, 0, start=1)
    begin(writer, 1)
    writer.flush()
    places = {number: run.data.tags.get("study.start") for number, run in runs(home).items()}
    assert places == {0: "1", 1: None}


def test_a_study_that_begins_again_has_the_spec_of_then(home):
    opened(home).flush()
    assert read_study(NAME, home).spec == SPEC
    for diagnostics in (["activity", "weights"], ["noise"]):
        again = StudySpec.from_dict(SPEC.to_dict() | {"diagnostics": diagnostics})
        writer = MlflowWriter(again, home, home.study_folder(again.name))
        writer.apply(StudyBegun(timestamp=1, tags={}))
        writer.flush()
        assert read_study(NAME, home).spec == again


def test_a_run_that_was_made_twice_is_found_by_the_next_sender(home):
    writer = opened(home)
    begin(writer, 0)
    writer.flush()
    store = client(home)
    (first,) = runs(home).values()
    tags = {
        key: value for key, value in first.data.tags.items() if not key.startswith("mlflow.runName")
    }
    second = store.create_run(first.info.experiment_id, start_time=1000, tags=tags)
    kept = min(first.info.run_id, second.info.run_id)
    again = opened(home)
    assert again.run_ids[0] == kept
    report(again, 0, 1)
    again.flush()
    again.tidy()
    (run,) = runs(home).values()
    assert (run.info.run_id, run.data.metrics) == (kept, {"epochs": 1.0})


def test_a_trial_that_begins_anew_runs_whatever_was_said_of_it_before(home):
    writer = opened(home)
    begin(writer, 0)
    end(writer, 0, "INTERRUPTED")
    begin(writer, 0)
    writer.flush()
    (run,) = runs(home).values()
    assert (run.info.status, run.data.tags["study.state"]) == ("RUNNING", "RUNNING")


def test_a_mark_is_sent_only_where_it_changes(home):
    writer = opened(home)
    for number in (0, 1):
        begin(writer, number)
    writer.apply(FrontChanged(changes={0: True, 1: False, 9: True}))
    writer.flush()
    assert {number: run.data.tags["on_front"] for number, run in runs(home).items()} == {
        0: "true",
        1: "false",
    }
    again = MlflowWriter(SPEC, home, home.study_folder(SPEC.name))
    again.apply(FrontChanged(changes={0: True, 1: False}))
    assert not again.waits
    again.apply(FrontChanged(changes={0: False, 1: True}))
    again.flush()
    assert [run.data.tags["on_front"] for _, run in sorted(runs(home).items())] == ["false", "true"]


def test_a_driver_that_died_leaves_nothing_running(home):
    writer = opened(home)
    begin(writer, 0)
    begin(writer, 1)
    end(writer, 1, "COMPLETE")
    writer.flush()
    assert writer.running
    writer.interrupt()
    writer.flush()
    states = {number: run.data.tags["study.state"] for number, run in runs(home).items()}
    assert states == {0: "INTERRUPTED", 1: "COMPLETE"}
    assert client(home).get_run(writer.parent).info.status == "KILLED"
    assert not writer.running


def test_a_confirmation_is_recorded_once_beside_the_values_of_the_search(home):
    confirmed = {"confirmed_replicates": 3, "confirmed_val_accuracy": 0.8}
    event = TrialConfirmed(number=0, timestamp=3000, metrics=confirmed)
    for _ in range(2):  # a driver that goes on tells it again
        writer = opened(home)
        if not writer.states:
            begin(writer, 0)
            report(writer, 0, 2, val_accuracy=0.9)
            end(writer, 0, "COMPLETE")
        for _ in range(2):
            writer.apply(event)
        writer.apply(TrialConfirmed(number=7, metrics=confirmed))  # its run was deleted
        writer.flush()
        writer.store_table()
    (found,) = read_study(NAME, home).records
    assert (found.val_accuracy, found.confirmed_val_accuracy) == (0.9, 0.8)
    assert found.confirmed_replicates == 3
    curve = client(home).get_metric_history(found.run_id, "confirmed_val_accuracy")
    assert [(point.step, point.value) for point in curve] == [(2, 0.8)]
