"""A tracker and what can happen to its server: every point is recorded, and once."""

import json
import os
import signal
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing

import numpy as np
import psutil
import pytest
from faulty_proxy import FAULTS, FaultyProxy
from mlflow import MlflowClient
from servers import postgres, tracking_server

from models import Architecture, build, save_network
from study import Home, environment, results, study_folder
from study.errors import TrackingError
from study.ledger import Ledger
from study.outcome import Outcome
from study.spec import StudySpec
from study.spool import waiting
from study.sync import sync
from study.tracking import Tracker
from study.training_settings import TrainingSettings
from study.trial import TrialConfig
from study.trial_files import EXAMPLE, NETWORK, trial_folder

pytestmark = pytest.mark.slow

TRIALS, EPOCHS = 12, 30
STATES = ("COMPLETE", "PRUNED", "FAIL")


@pytest.fixture(autouse=True)
def _settings(monkeypatch):
    environment.prepare()
    # A client that does not wait for long; the sender has it too.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")


def opened(home, name="made"):
    """A tracker of a new study."""
    table = {"name": name, "dataset": "digits", "families": ["dann-r"]}
    spec = StudySpec.from_dict(table)
    folder = home.study_folder(name)
    study_folder.store_spec(folder, spec)
    Ledger(spec, study_folder.journal(folder))
    tracker = Tracker(name, home)
    tracker.start({})
    return tracker


def metrics_of(number, epoch):
    return {
        "epochs": epoch,
        "trainable_parameters": 100 + number,
        "val_accuracy": (number * EPOCHS + epoch) / 997,
        "epoch/val_loss": 1 / (number * EPOCHS + epoch),
        "epoch/train_loss": float(epoch % 3),  # the same value again and again
    }


def begin(tracker, number):
    architecture = Architecture(family="dann-r", dendrites=2, somata=16, synapses=4)
    training = TrainingSettings(epochs=EPOCHS, learning_rate=0.01)
    trial = TrialConfig(number=number, architecture=architecture, training=training, seeds=(0, 1))
    tracker.begin_trial(trial)
    return trial


def end(tracker, trial, home):
    """Ends it with a state by its number; complete ones are on the front."""
    place = trial_folder(study_folder.trials(home.study_folder("made")), trial.number)
    save_network(build(trial.architecture, (1, 4, 4), 3, trial.seeds), place / NETWORK)
    np.save(place / EXAMPLE, np.zeros((2, 1, 4, 4), np.uint8))
    state = STATES[trial.number % 3]
    outcome = Outcome(state=state, reason="it broke" if state == "FAIL" else None)
    tracker.end_trial(trial.number, outcome, on_front=state == "COMPLETE")
    tracker.mark_front({trial.number: state == "COMPLETE"})
    tracker.log_study(trial.number + 1, {"hypervolume": (trial.number + 1) / 100})


def push(tracker, home, numbers, pause_s=0.0):
    """The whole of some trials, two at a time as workers report them."""
    for pair in zip(numbers[::2], numbers[1::2], strict=True):
        trials = [begin(tracker, number) for number in pair]
        for epoch in range(1, EPOCHS + 1):
            for trial in trials:
                tracker.log_epoch(trial.number, metrics_of(trial.number, epoch), "host:1")
            time.sleep(pause_s)
        for trial in trials:
            end(tracker, trial, home)


def check(uri, name="made"):
    """Every point of every metric is there, once, and so is every trial."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(name).experiment_id
    runs = client.search_runs([experiment])
    assert Counter(run.data.tags["study.role"] for run in runs) == {"study": 1, "trial": TRIALS}
    (parent,) = (run for run in runs if run.data.tags["study.role"] == "study")
    assert parent.info.status == "FINISHED"
    steps = client.get_metric_history(parent.info.run_id, "hypervolume")
    points = sorted((point.step, point.value) for point in steps)
    assert points == [(step, step / 100) for step in range(1, TRIALS + 1)]
    for run in runs:
        if run is parent:
            continue
        number = int(run.data.tags["study.trial"])
        state = STATES[number % 3]
        assert run.data.tags["study.state"] == state
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        expected_status = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
        assert run.info.status == expected_status[state]
        for metric in metrics_of(number, 1):
            curve = client.get_metric_history(run.info.run_id, metric)
            epochs = [1] if metric == "trainable_parameters" else range(1, EPOCHS + 1)
            expected = [(epoch, metrics_of(number, epoch)[metric]) for epoch in epochs]
            assert sorted((point.step, point.value) for point in curve) == expected, (
                number,
                metric,
            )
    models = client.search_logged_models([experiment])
    assert Counter(model.status.name for model in models) == {"READY": TRIALS / 3}


def store_of(kind, folder):
    """A store of a kind, as MLflow's server takes it."""
    if kind == "postgres":
        return postgres()
    return closing(_Sqlite(f"sqlite:///{folder}/server.db"))


class _Sqlite(str):
    """Its URI; nothing is to be closed."""

    __slots__ = ()

    def __enter__(self):
        return self

    def close(self):
        pass


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_every_point_is_recorded_once_whatever_the_server_does(kind, tmp_path):
    """Answers get lost, come late or are errors; server and sender are killed and come back."""
    with store_of(kind, tmp_path) as store, tracking_server(tmp_path, store) as server:
        with FaultyProxy(server.port) as proxy:
            home = Home(folder=tmp_path / "home", tracking_uri=proxy.address)
            tracker = opened(home)
            assert tracker.wait_until_ready() == {}
            push(tracker, home, range(4), pause_s=0.05)
            server.kill()
            push(tracker, home, range(4, 6))
            server.start()
            push(tracker, home, range(6, 8), pause_s=0.05)
            (sender,) = [
                child
                for child in psutil.Process().children()
                if "study.sender_process" in child.cmdline()
            ]
            sender.send_signal(signal.SIGKILL)
            push(tracker, home, range(8, 10))
            server.hold()
            push(tracker, home, range(10, 12))  # nobody answers, and nobody waits
            server.go_on()
            tracker.close("FINISHED", print)
            assert proxy.faults.keys() == FAULTS.keys()
        check(server.uri)
        assert tracker.run_ids.keys() == set(range(TRIALS))


def test_a_short_trial_takes_three_requests(tmp_path):
    """One makes its run, one has all that is known of it, one ends it."""
    with (
        tracking_server(tmp_path, f"sqlite:///{tmp_path}/server.db") as server,
        FaultyProxy(server.port, weights={"none": 1}) as proxy,
    ):
        home = Home(folder=tmp_path / "home", tracking_uri=proxy.address)
        tracker = opened(home)
        tracker.wait_until_ready()
        before = Counter(proxy.requests)
        for number in range(1, 60, 3):  # none of them on the front
            trial = begin(tracker, number)
            for epoch in range(1, EPOCHS + 1):
                tracker.log_epoch(number, metrics_of(number, epoch), "host:1")
            end(tracker, trial, home)
        tracker.close("FINISHED", print)
        sent = proxy.requests - before
        assert sent["runs/create"] == 20
        # Where the sender looks in the middle of a trial, it has one more; the parent has some.
        assert 20 <= sent["runs/log-batch"] <= 40
        assert 20 <= sent["runs/update"] <= 30


def test_what_a_store_that_is_away_did_not_take_is_sent_by_sync(
    study_command, tmp_path, monkeypatch
):
    monkeypatch.setenv("STUDY_HOME", str(tmp_path / "home"))
    with tracking_server(tmp_path, f"sqlite:///{tmp_path}/server.db") as server:
        home = Home(folder=tmp_path / "home", tracking_uri=server.uri)
        tracker = opened(home)
        tracker.wait_until_ready()
        push(tracker, home, range(4))
        server.kill()
        push(tracker, home, range(4, TRIALS))
        with pytest.raises(TrackingError, match=r"\d+ wait: .*`study sync made"):
            tracker.close("FINISHED", print)
        options = ("--home", home.folder, "--tracking-uri", server.uri)
        failed = study_command("sync", "made", *options)
        assert failed.returncode == 1
        assert f"{server.uri} must take every record" in failed.stderr
        assert waiting(study_folder.spool(home.study_folder("made"))) > 0
        server.start()
        done = study_command("sync", "made", *options)
        assert done.returncode == 0, done.stderr
        assert f"records were sent to {server.uri}" in done.stdout
        assert study_command("sync", "made", *options).stdout == "no records wait\n"
        check(server.uri)


def test_what_the_store_will_never_take_is_put_aside_and_said(tmp_path):
    home = Home.find(tmp_path / "home")
    tracker = opened(home)
    tracker.wait_until_ready()
    begin(tracker, 0)
    trial = begin(tracker, 1)
    tracker.log_epoch(1, metrics_of(1, 1) | {"not a name: §": 1.0}, "host:1")
    tracker.log_epoch(1, metrics_of(1, 2), "host:1")
    end(tracker, trial, home)
    end(tracker, begin(tracker, 2), home)
    with pytest.raises(TrackingError, match=r"it refused 1: .*they are in .*refused.jsonl"):
        tracker.close("FINISHED", print)
    (line,) = study_folder.refused(home.study_folder("made")).read_text().splitlines()
    refused = json.loads(line)
    assert refused["run"] == tracker.run_ids[1]
    assert {metric["key"] for metric in refused["content"]["step"]} > {"not a name: §"}
    # Everything else is there.
    found = results.records("made", home)
    assert {record.trial: record.state for record in found} == {
        0: "RUNNING",
        1: "PRUNED",
        2: "FAIL",
    }
    assert found[1].epochs == 2
    assert not tracker.all_sent  # nothing of it is swept


def test_a_sender_outlives_its_driver_and_says_that_it_is_gone(tmp_path):
    home = Home.find(tmp_path / "home")
    driver = os.fork()
    if driver == 0:  # a driver that is killed when it has said all
        try:
            tracker = opened(home)
            tracker.wait_until_ready()
            trial = begin(tracker, 0)
            for epoch in range(1, EPOCHS + 1):
                tracker.log_epoch(0, metrics_of(0, epoch), "host:1")
            end(tracker, trial, home)
            begin(tracker, 1)
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)  # never on into the other tests
    os.waitpid(driver, 0)
    sync("made", home, print)  # waits for the sender
    found = results.records("made", home)
    assert [(record.trial, record.state) for record in found] == [
        (0, "COMPLETE"),
        (1, "INTERRUPTED"),
    ]
    assert results.status("made", home).run_status == "KILLED"


def test_readers_never_wait_for_the_writer_of_the_embedded_store(tmp_path):
    home = Home.find(tmp_path / "home")
    tracker = opened(home)
    tracker.wait_until_ready()
    read, errors, over = [], [], threading.Event()

    def reader():
        """Waits for no lock at all, which MLflow's own clients do for 20 s."""
        while not over.is_set():
            try:
                with closing(sqlite3.connect(home.database, timeout=0)) as connection:
                    read.append(connection.execute("select count(*) from metrics").fetchone()[0])
            except sqlite3.OperationalError as error:
                errors.append(error)

    thread = threading.Thread(target=reader)
    thread.start()
    push(tracker, home, range(TRIALS), pause_s=0.02)
    tracker.close("FINISHED", print)
    over.set()
    thread.join()
    assert errors == []
    assert len(set(read)) > 5  # it read while it was written
    check(home.tracking_uri)
