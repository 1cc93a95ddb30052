"""A tracker and what can happen to its server: every point is recorded, and once."""

import fcntl
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from mlflow import MlflowClient

from study import Home, environment
from study.errors import TrackingError
from study.results import answers, study_status
from study.runner.sync import sync
from study.tracking.spool import waiting
from tests.support.command import study_command
from tests.support.empty_store import new_home, put_empty_database
from tests.support.faulty_proxy import FAULTS, FaultyProxy
from tests.support.processes import PATIENCE_S, ROOT, clean_environment, stop, wait_until
from tests.support.servers import postgres, tracking_server
from tests.support.told_study import EPOCHS, STATES, TRIALS, begin, end, metrics_of, opened, push

pytestmark = pytest.mark.slow

REQUEST_S = 4
"""How long a client waits for an answer. A proxy's late answers come later than that."""


@pytest.fixture(autouse=True)
def _settings(monkeypatch):
    environment.prepare()
    # A client that does not wait for long; the sender has it too.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", str(REQUEST_S))


def sender_pid():
    """The process that sends the records of this one."""
    (pid,) = (
        child.pid
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE
        and "study.runner.sender_process" in child.cmdline()
    )
    return pid


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
        expected_status = {"COMPLETE": "FINISHED", "PRUNED": "FINISHED", "FAIL": "FAILED"}
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


@pytest.fixture(scope="module")
def one_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    store = f"sqlite:///{folder}/server.db"
    put_empty_database(store)
    with tracking_server(folder, store) as server:
        yield server


@pytest.fixture
def server(one_server):
    """A server on SQLite. All tests share it, each with a study of its own."""
    one_server.start()
    return one_server


@contextmanager
def on_postgres(folder):
    with postgres() as store, tracking_server(folder, store) as server:
        yield server


def jumping_clock():
    """A clock that is somewhere within a year of the time, elsewhere whenever it is asked."""
    jumps = random.Random(2)  # noqa: S311  # of a test
    return SimpleNamespace(time=lambda: time.time() + jumps.uniform(-3e7, 3e7))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_every_point_is_recorded_once_whatever_server_and_clock_do(
    kind, request, tmp_path, monkeypatch
):
    """Answers get lost, come late or are errors; server and sender are killed and come back."""
    monkeypatch.setattr("study.tracking.events.time", jumping_clock())
    on_sqlite = kind == "sqlite"
    used = nullcontext(request.getfixturevalue("server")) if on_sqlite else on_postgres(tmp_path)
    with used as server:
        with FaultyProxy(server.port, slow_s=REQUEST_S + 1) as proxy:
            home = Home(folder=tmp_path / "home", tracking_uri=proxy.address)
            tracker = opened(home)
            assert tracker.wait_until_ready() == {}
            push(tracker, home, range(4), pause_s=0.05)
            server.kill()
            push(tracker, home, range(4, 6))
            server.start()
            push(tracker, home, range(6, 8), pause_s=0.05)
            os.kill(sender_pid(), signal.SIGKILL)
            push(tracker, home, range(8, 10))
            server.hold()
            push(tracker, home, range(10, 12))  # nobody answers, and nobody waits
            server.go_on()
            tracker.close("FINISHED", print)
            assert proxy.faults.keys() == FAULTS.keys()
        check(server.uri)
        assert tracker.run_ids.keys() == set(range(TRIALS))


def test_a_short_trial_takes_three_requests(server, tmp_path):
    """One makes its run, one has all that is known of it, one ends it."""
    with FaultyProxy(server.port, slow_s=0, weights={"none": 1}) as proxy:
        home = Home(folder=tmp_path / "home", tracking_uri=proxy.address)
        tracker = opened(home, "short")
        tracker.wait_until_ready()
        before = Counter(proxy.requests)
        sender = sender_pid()
        stop(sender)  # so that it does not look in the middle of a trial
        for number in range(1, 60, 3):  # none of them on the front
            trial = begin(tracker, number)
            for epoch in range(1, EPOCHS + 1):
                tracker.log_epoch(number, metrics_of(number, epoch), worker="host:1")
            end(tracker, trial, home, "short")
        os.kill(sender, signal.SIGCONT)
        tracker.close("FINISHED", print)
        sent = proxy.requests - before
        assert sent["runs/create"] == 20
        # It takes 500 events at once, of some 1,300: between these it is in the middle of a trial.
        # Each time the parent has one as well, and once it ends.
        assert 20 <= sent["runs/log-batch"] <= 20 + 2 * 3
        assert 20 <= sent["runs/update"] <= 20 + 3


def test_what_a_store_that_is_away_did_not_take_is_sent_by_sync(server, tmp_path, monkeypatch):
    monkeypatch.setenv("STUDY_HOME", str(tmp_path / "home"))
    home = Home(folder=tmp_path / "home", tracking_uri=server.uri)
    tracker = opened(home, "away")
    tracker.wait_until_ready()
    push(tracker, home, range(4), name="away")
    server.kill()
    push(tracker, home, range(4, TRIALS), name="away")
    with pytest.raises(TrackingError, match=r"\d+ are not sent: .*`study sync away"):
        tracker.close("FINISHED", print)
    monkeypatch.setattr("study.tracking.retry.PATIENCE_S", 1.0)
    with pytest.raises(TrackingError, match=f"{server.uri} must accept every record"):
        sync("away", home, print)
    assert waiting(home.study_folder("away").spool) > 0
    server.start()
    options = ("--home", home.folder, "--tracking-uri", server.uri)
    done = study_command("sync", "away", *options)
    assert done.returncode == 0, done.stderr
    assert f"records to {server.uri}" in done.stdout
    assert study_command("sync", "away", *options).stdout == "all records are sent\n"
    check(server.uri, "away")


def test_what_the_store_will_never_take_is_put_aside_and_said(tmp_path):
    home = new_home(tmp_path / "home")
    tracker = opened(home)
    tracker.wait_until_ready()
    begin(tracker, 0)
    trial = begin(tracker, 1)
    tracker.log_epoch(1, metrics_of(1, 1) | {"not a name: §": 1.0}, worker="host:1")
    tracker.log_epoch(1, metrics_of(1, 2), worker="host:1")
    end(tracker, trial, home)
    end(tracker, begin(tracker, 2), home)
    with pytest.raises(TrackingError, match=r"it refused 1: .*they are in .*refused.jsonl"):
        tracker.close("FINISHED", print)
    (line,) = home.study_folder("made").refused.read_text().splitlines()
    refused = json.loads(line)
    assert refused["run"] == tracker.run_ids[1]
    assert {metric["key"] for metric in refused["content"]["step"]} > {"not a name: §"}
    # Everything else is there.
    found = answers.records("made", home=home)
    assert {record.trial: record.state for record in found} == {
        0: "RUNNING",
        1: "PRUNED",
        2: "FAIL",
    }
    assert found[1].epochs == 2
    assert not tracker.all_sent  # nothing of it is swept


def test_a_sender_outlives_its_driver_and_says_that_it_is_gone(tmp_path):
    home = new_home(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.killed_driver", home.folder],
        cwd=ROOT,
        env=clean_environment(),
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    sync("made", home, print)  # waits for the sender
    found = answers.records("made", home=home)
    assert [(record.trial, record.state) for record in found] == [
        (0, "COMPLETE"),
        (1, "INTERRUPTED"),
    ]
    assert study_status.status("made", home=home).run_status == "KILLED"


def waits_for(lock):
    """Whether somebody waits for the lock of a file."""
    inode = os.fstat(lock.fileno()).st_ino
    waiting = [line for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
    return any(f":{inode} " in line for line in waiting)


def test_two_senders_show_a_study_one_after_the_other(tmp_path, monkeypatch):
    home = new_home(tmp_path / "home")
    tracker = opened(home)
    push(tracker, home, [0, 1])
    tracker.close("FINISHED", print)
    spool = home.study_folder("made").spool
    # As an earlier sender has it that is still writing its report.
    with (spool / "show.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shown = threading.Event()
        monkeypatch.setattr("study.runner.sync.publish", lambda *_, **__: shown.set())
        other = threading.Thread(target=sync, args=("made", home, print))
        other.start()
        wait_until(lambda: waits_for(lock), "that the other sender waits", every_s=0.02)
        assert not shown.is_set()
    other.join(PATIENCE_S)
    assert shown.is_set()
    assert not other.is_alive()


def test_readers_never_wait_for_the_writer_of_the_embedded_store(tmp_path):
    home = new_home(tmp_path / "home")
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

    # Somebody has the store open throughout, as the UI does. Else SQLite would put the log away under a
    # lock when the writer ends (https://sqlite.org/wal.html#sometimes_queries_return_sqlite_busy_in_wal_mode).
    with closing(sqlite3.connect(home.database)) as open_throughout:
        open_throughout.execute("select count(*) from metrics").fetchone()
        thread = threading.Thread(target=reader)
        thread.start()
        push(tracker, home, range(TRIALS), pause_s=0.02)
        tracker.close("FINISHED", print)
        over.set()
        thread.join()
    assert errors == []
    assert len(set(read)) > 5  # it read while it was written
    check(home.tracking_uri)
