import json
from dataclasses import asdict
from functools import partial

import numpy as np
import pytest
import torch
from mlflow import MlflowClient

from models import Architecture, build, load_network, save_network
from study import environment
from study.errors import BadInputError, NotFoundError, SpecError, TrackingError
from study.home import Home
from study.results import answers, study_status
from study.results.export import export_model
from study.results.network import load_model
from study.results.reader import check_free
from study.runner import resume
from study.search.storage import SearchStorage, stored_identity
from study.search.trial import Outcome, TrialConfig
from study.spec.study_spec import StudySpec
from study.study_folder import EXAMPLE, NETWORK, trial_folder
from study.tracking.tracker import Tracker
from study.training.settings import TrainingSettings
from tests.support.empty_store import put_empty_store

pytestmark = pytest.mark.slow  # a tracker and its sender, with the store that they make

# Trial: accuracy, somata (and so parameters), state.
TRIALS = [
    (0.80, 16, "COMPLETE"),
    (0.90, 64, "COMPLETE"),
    (0.85, 64, "COMPLETE"),
    (0.95, 32, "FAIL"),
    (0.99, 8, "PRUNED"),
    (0.70, 8, "INTERRUPTED"),
]


def config(number, somata):
    return TrialConfig(
        number=number,
        architecture=Architecture(family="dann-r", dendrites=2, somata=somata, synapses=4),
        training=TrainingSettings(epochs=2, learning_rate=0.01),
        seeds=(0, 1),
    )


def write(tracker, folder):
    for number, (accuracy, somata, state) in enumerate(TRIALS):
        trial = config(number, somata)
        tracker.begin_trial(trial)
        for epoch in (1, 2):
            metrics = {
                "epochs": epoch,
                "val_accuracy": accuracy - 0.1 * (2 - epoch),
                "val_accuracy_sem": 0.01,
                "trainable_parameters": 100 * somata,
                "macs": 90 * somata,
                "epoch/val_accuracy": 0.5,
            }
            tracker.log_epoch(number, metrics, worker="host:1")
        if state == "INTERRUPTED":
            tracker.interrupt_trial(number)
            continue
        network = build(trial.architecture, (1, 4, 4), 3, trial.seeds)
        place = trial_folder(folder, number)
        save_network(network, place / NETWORK)
        np.save(place / EXAMPLE, np.zeros((2, 1, 4, 4), np.uint8))
        reason = "it broke" if state == "FAIL" else None
        outcome = Outcome(state=state, reason=reason)
        tracker.end_trial(number, outcome, keep_network=number in (0, 1))
    tracker.mark_front({0: True, 1: True})
    tracker.log_study(5, {"hypervolume": 0.25})
    tracker.close("FINISHED", print)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    environment.prepare()
    folder = tmp_path_factory.mktemp("home")
    home = Home(folder=folder, tracking_uri=f"sqlite:///{folder}/mlflow.db")
    put_empty_store(home)
    spec = StudySpec.from_dict({"name": "made", "dataset": "digits", "families": ["dann-r"]})
    spec = spec.model_copy(update={"budget": spec.budget.model_copy(update={"epochs": 2})})
    folder = home.study_folder("made")
    resume.store_spec(folder, spec)
    ledger = SearchStorage(spec, folder.journal)
    tracker = Tracker(home.study_folder("made"), home)
    tracker.start({"study.identity": ledger.identity})
    tracker.wait_until_ready()
    networks = folder.trials
    write(tracker, networks)
    assert list(networks.iterdir()) == []  # all is recorded
    return home


def test_every_trial_is_read_back_with_its_state(home):
    found = answers.records("made", home=home)
    assert [record.state for record in found] == [state for *_, state in TRIALS]
    first = found[0]
    assert first.architecture == asdict(config(0, 16).architecture)
    assert (first.val_accuracy, first.val_accuracy_sem) == (0.8, 0.01)
    assert (first.trainable_parameters, first.macs, first.epochs) == (1600, 1440, 2)
    assert (first.replicates, first.test_accuracy) == (2, None)
    assert found[3].reason == "it broke"


def test_the_front_has_complete_trials_only_the_fewest_parameters_first(home):
    frame = answers.pareto_front("made", home=home)
    assert frame.index.tolist() == [0, 1]
    assert frame["trainable_parameters"].tolist() == [1600, 6400]
    assert frame["somata"].tolist() == [16, 64]
    assert len(answers.trials("made", home=home)) == len(TRIALS)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [1, 2, 0]),
        ({"max_parameters": 1600}, [0]),
        ({"max_parameters": 1599}, []),
        ({"min_accuracy": 0.85}, [1, 2]),
        ({"limit": 1}, [1]),
        ({"family": "dann-r", "max_parameters": 6400, "limit": 2}, [1, 2]),
    ],
)
def test_the_best_are_complete_pass_the_filters_and_come_best_first(filters, expected, home):
    assert [
        record.trial for record in answers.best_configs("made", home=home, **filters)
    ] == expected


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"family": "dan-r"}, "unknown family 'dan-r'; did you mean 'dann-r'"),
        ({"family": "vann"}, r"one that the study searches \(dann-r\), got 'vann'"),
        ({"min_accuracy": 90}, "got 90; did you mean 0.9"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused(filters, message, home):
    with pytest.raises(SpecError, match=message):
        answers.best_configs("made", home=home, **filters)


def test_a_table_without_rows_has_the_columns(home):
    nothing = answers.trials("made", home=home, max_parameters=1)
    assert nothing.columns.tolist() == answers.trials("made", home=home).columns.tolist()
    assert nothing.empty


def test_the_smallest_above_an_accuracy_and_the_knee_are_one_trial(home):
    assert answers.smallest("made", home=home, min_accuracy=0.82).trial == 1
    assert answers.smallest("made", home=home, min_accuracy=0.99) is None
    assert answers.knee("made", home=home).trial == 0
    with pytest.raises(SpecError, match="so no other may be given, got macs"):
        answers.best_configs("made", smallest=True, order=["macs"], home=home)


def test_a_stored_network_comes_back(home, tmp_path):
    network = load_model("made", home=home)
    assert network.architecture == config(1, 64).architecture
    expected = build(config(1, 64).architecture, (1, 4, 4), 3, [0, 1])
    images = torch.rand(3, 1, 4, 4)
    assert torch.equal(network(images), expected(images))
    folder = export_model("made", tmp_path / "out", 0, home=home)
    assert load_network(folder).architecture == config(0, 16).architecture
    with pytest.raises(BadInputError, match="must not exist, got"):
        export_model("made", tmp_path / "out", 0, home=home)


def test_what_is_not_there_is_said_with_what_is(home):
    with pytest.raises(NotFoundError, match=r"no study 'mad' in .*; it has: made"):
        answers.records("mad", home=home)
    with pytest.raises(NotFoundError, match="has trials 0 to 5, got trial 9"):
        load_model("made", 9, home=home)
    with pytest.raises(NotFoundError, match=r"weights of trial 2 .* not kept.* such as 0, 1"):
        load_model("made", 2, home=home)


def test_an_empty_home_stays_empty(tmp_path):
    nowhere = Home(folder=tmp_path, tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    assert study_status.list_studies(home=nowhere) == []
    with pytest.raises(NotFoundError, match="it has: none yet"):
        study_status.status("made", home=nowhere)
    assert list(tmp_path.iterdir()) == []


def test_status_and_list_say_how_studies_stand(home):
    status = study_status.status("made", home=home)
    assert (status.trials, status.budget, status.front) == (5, 30, 2)
    assert status.run_status == "FINISHED"
    assert status.states["COMPLETE"] == 3
    assert status.best.trial == 1
    assert status.hypervolume > 0
    assert study_status.list_studies(home=home) == [status]
    assert json.loads(json.dumps(status.to_dict()))["best"]["trial"] == 1


def test_the_record_lies_in_mlflow_as_people_expect_it(home):
    client = MlflowClient(home.tracking_uri)
    experiment = client.get_experiment_by_name("made")
    runs = client.search_runs([experiment.experiment_id])
    children = {
        run.data.tags["study.trial"]: run for run in runs if "mlflow.parentRunId" in run.data.tags
    }
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(children) == len(TRIALS)
    assert {run.data.tags["mlflow.parentRunId"] for run in children.values()} == {
        parent.info.run_id
    }
    statuses = [children[str(number)].info.status for number in range(len(TRIALS))]
    assert statuses == ["FINISHED", "FINISHED", "FINISHED", "FAILED", "FINISHED", "SCHEDULED"]
    tags = [children[str(number)].data.tags["on_front"] for number in range(3)]
    assert tags == ["true", "true", "false"]
    first = children["0"]
    assert first.info.run_name == "0 dann-r D2 S16 K4"
    assert first.data.tags["study.worker"] == "host:1"
    assert first.data.params["somata"] == "16"
    assert first.data.params["dataset"] == "digits"
    curve = client.get_metric_history(first.info.run_id, "epoch/val_accuracy")
    assert [point.step for point in curve] == [1, 2]
    assert parent.data.metrics["hypervolume"] == 0.25
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    shown = {"spec.json", "spec.toml", "front.json", "front.csv", "report.html"}
    assert files == shown | {"trials.parquet"}


def test_a_study_goes_on_in_the_runs_that_it_has(home):
    tracker = Tracker(home.study_folder("made"), home)
    tracker.start({})
    assert tracker.wait_until_ready() == {
        number: state for number, (*_, state) in enumerate(TRIALS)
    }
    before = answers.records("made", home=home)[5]
    tracker.begin_trial(config(5, 8))
    for epoch in (1, 2):
        metrics = {"epochs": epoch, "val_accuracy": 0.7, "trainable_parameters": 800, "macs": 1}
        tracker.log_epoch(5, metrics | {"epoch/val_accuracy": 0.5}, worker="host:2")
    tracker.end_trial(5, Outcome(state="COMPLETE"), keep_network=True)
    tracker.close("FINISHED", print)
    after = answers.records("made", home=home)
    assert len(after) == len(TRIALS)
    assert (after[5].run_id, after[5].state) == (before.run_id, "COMPLETE")
    client = MlflowClient(home.tracking_uri)
    curve = client.get_metric_history(before.run_id, "epoch/val_accuracy")
    assert [point.step for point in curve] == [1, 2]
    assert tracker.run_ids[5] == before.run_id


def test_a_study_of_another_home_is_not_written_into(home, tmp_path):
    identity = stored_identity(home.study_folder("made").journal)
    check_free("made", home, identity)
    elsewhere = Home(folder=tmp_path, tracking_uri=home.tracking_uri)
    for identity in (None, "theirs"):
        with pytest.raises(BadInputError, match="was run from another home"):
            check_free("made", elsewhere, identity)


def test_an_experiment_that_is_no_study_is_neither_read_nor_written_into(home):
    client = MlflowClient(home.tracking_uri)
    client.create_experiment("theirs")
    client.create_experiment("earlier", tags={"study.layout": "1"})
    client.create_experiment("new", tags={"study.layout": "2"})
    for name in ("theirs", "earlier"):
        with pytest.raises(BadInputError, match=rf"'{name}' .* must be a study of layout 2"):
            check_free(name, home, None)
    with pytest.raises(NotFoundError, match=r"no study 'theirs'.*it has: made, new"):
        study_status.status("theirs", home=home)
    with pytest.raises(BadInputError, match=r"'earlier' .* must be of layout 2, got 1"):
        study_status.status("earlier", home=home)
    with pytest.raises(NotFoundError, match="has no records yet"):
        study_status.status("new", home=home)
    check_free("new", home, None)
    assert [study.name for study in study_status.list_studies(home=home)] == ["made"]


def test_a_store_that_does_not_answer_is_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    nowhere = Home(folder=tmp_path, tracking_uri="http://127.0.0.1:9")
    for ask in (study_status.list_studies, partial(answers.records, "made")):
        with pytest.raises(TrackingError, match=r"http://127.0.0.1:9 must answer"):
            ask(home=nowhere)
