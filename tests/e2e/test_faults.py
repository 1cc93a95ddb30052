"""What dies in a study, and what of it is left: a worker, the driver, the tracking server."""

import json
import os
import random
import shlex
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest
from driven_study import running
from mlflow import MlflowClient
from optuna.trial import TrialState
from processes import BIN, PATIENCE_S, ROOT, clean_environment, stop, trial_runs, wait_until
from safetensors import safe_open
from servers import tracking_server

import study
from study import Home
from study.results import answers
from study.search.storage import SearchStorage

pytestmark = pytest.mark.slow


def curve(home, run_id, metric="epoch/val_accuracy"):
    """The epochs of a run's curve, in order."""
    points = MlflowClient(home.tracking_uri).get_metric_history(run_id, metric)
    return sorted(point.step for point in points)


def worker_of(driver):
    """The process that trains the one trial that runs, None where there is none yet."""
    for process in psutil.Process(driver.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # Ray's processes come and go
            if process.name().startswith("ray::StudyTrain"):
                return process.pid
    return None


@pytest.mark.parametrize("damage", [None, "cut in half"])
def test_a_trial_whose_worker_is_killed_goes_on_from_its_last_checkpoint(damage, tmp_path):
    """Unless that is damaged: then it starts anew, and says so."""
    home = Home.find(tmp_path)
    arguments = ("--name", "lost", "--trials", 2, "--home", tmp_path)
    limits = ("--set", "budget.epochs=300", "--set", "resources.concurrent_trials=1")
    limits += ("--set", "stopping.scheduler=none", "--set", "families=['vann']")
    checkpoint = home.study_folder("lost") / "trials" / "trial-0" / "checkpoint.safetensors"
    with running(*arguments, *limits) as driver:
        wait_until(checkpoint.exists, driver.process, every_s=0.02)
        pid = wait_until(lambda: worker_of(driver), driver.process, every_s=0.02)
        stop(pid)  # so that it cannot write any more
        with safe_open(checkpoint, framework="pt") as file:
            reached = len(json.loads(file.metadata()["state"])["history"])
        if damage:
            checkpoint.write_bytes(checkpoint.read_bytes()[: checkpoint.stat().st_size // 2])
        os.kill(pid, signal.SIGKILL)
        output, status = driver.end()
        assert status == 0, output
    first, second = answers.records("lost", home)
    assert (first.state, second.state) == ("COMPLETE", "COMPLETE")
    assert first.epochs == 300
    assert curve(home, first.run_id) == list(range(1, 301))
    assert reached >= 1
    assert f"trial 0: {first.notice}" in output
    if damage:
        assert first.notice.startswith(f"it starts anew: its checkpoint {checkpoint} is damaged")
    else:
        assert first.notice == f"it goes on after epoch {reached} of 300"


KILLS = 10


def run_and_kill(arguments, start_s, trial_s):
    """Runs a study of twelve trials to its end, killing its driver again and again.

    Every third time while it starts, the others when more and more trials have ended, and somewhere
    within the next. In an unbroken run these take the seconds given; should it get on faster than that,
    it is killed when it starts to train, or when another trial has ended.
    """
    moments = random.Random(0)  # noqa: S311  # of a test
    for kill in range(KILLS):
        with running(*arguments) as driver:
            if kill % 3 == 2:
                driver.has_ended(0, moments.uniform(0, start_s))
            else:
                ended = 6 * kill // (KILLS - 1)
                driver.has_ended(ended)
                driver.has_ended(ended + 1, moments.uniform(0, trial_s))
            assert driver.process.poll() is None, driver.lines
            driver.process.kill()
    with running(*arguments) as driver:
        output, status = driver.end()
        assert status == 0, output


def test_a_study_whose_driver_is_killed_again_and_again_is_as_if_it_had_not_been(
    study_command, tmp_path
):
    """Ten SIGKILLs at moments drawn over the study's whole life, against an unbroken run."""
    limits = ("--set", "budget.epochs=100", "--set", "stopping.scheduler=none")
    limits += ("--set", "sampler='grid'", "--set", "space.learning_rate=0.01")
    limits += ("--set", "space.dendrites=[1,2]", "--set", "space.batch_size=64", "--trials", 12)
    unbroken = Home.find(tmp_path / "unbroken")
    moments = [time.monotonic()]
    with running("--name", "whole", "--home", unbroken.folder, *limits) as driver:
        for trials in (0, 12):
            driver.has_ended(trials)
            moments.append(time.monotonic())
        output, status = driver.end()
        assert status == 0, output
    start_s, training_s = moments[1] - moments[0], moments[2] - moments[1]

    home = Home.find(tmp_path / "broken")
    arguments = ("--name", "whole", "--home", home.folder, *limits)
    run_and_kill(arguments, start_s, training_s / 6)  # two at a time
    expected = answers.records("whole", unbroken)
    found = answers.records("whole", home)
    assert [record.trial for record in found] == list(range(12))
    assert len(trial_runs(home, "whole")) == 12
    journal = home.study_folder("whole") / "search.journal"
    stored = SearchStorage(answers.study_spec("whole", home), journal).trials()
    assert [trial.state for trial in stored] == [TrialState.COMPLETE] * 12
    for record, known, trial in zip(found, expected, stored, strict=True):
        assert record.state == known.state == "COMPLETE"
        assert record.architecture == known.architecture
        assert record.run_id == trial.user_attrs.get("mlflow_run_id", record.run_id)
        # Bit by bit the same, wherever it was broken off.
        assert record.val_accuracy == known.val_accuracy == trial.values[0]
        assert record.test_loss == known.test_loss
        assert curve(home, record.run_id) == list(range(1, 101))
    assert not list((home.study_folder("whole") / "trials").iterdir())
    listed = json.loads(study_command("trials", "whole", "--json", "--home", home.folder).stdout)
    assert [trial["state"] for trial in listed] == ["COMPLETE"] * 12


def test_a_trial_that_did_not_reach_the_store_is_recorded_when_the_study_goes_on(
    study_command, tmp_path
):
    home = Home.find(tmp_path)
    arguments = ("run", "--name", "again", "--trials", 3, "--home", tmp_path)
    limits = ("--set", "budget.epochs=3", "--set", "stopping.scheduler=none")
    assert study_command(*arguments, *limits).returncode == 0
    before = study.trials("again", home)
    client = MlflowClient(home.tracking_uri)
    first, second = trial_runs(home, "again")[:2]
    client.delete_run(first.info.run_id)
    client.set_tag(second.info.run_id, "study.state", "RUNNING")
    client.update_run(second.info.run_id, status="RUNNING")

    done = study_command(*arguments, *limits)
    assert done.returncode == 0, done.stderr
    assert "all 3 trials are done" in done.stdout
    after = study.trials("again", home)
    compared = ["state", "val_accuracy", "test_accuracy", "trainable_parameters", "on_front"]
    assert after[compared].equals(before[compared])
    assert {run.info.status for run in trial_runs(home, "again")} == {"FINISHED"}


def test_a_server_that_is_killed_amid_a_study_has_everything_in_the_end(tmp_path):
    with tracking_server(tmp_path, f"sqlite:///{tmp_path}/server.db") as server:
        home = Home.find(tmp_path / "home", server.uri)
        arguments = ("--name", "away", "--trials", 6, "--home", home.folder)
        options = ("--tracking-uri", server.uri, "--set", "budget.epochs=80")
        options += ("--set", "stopping.scheduler=none")
        with running(*arguments, *options) as driver:
            driver.has_ended(1)
            server.kill()
            driver.says("the tracking store takes no records, so they wait on disk")
            server.start()
            output, status = driver.end()
            assert status == 0, output
        found = study.trials("away", home)
        assert found["trial"].tolist() == list(range(6))
        assert found["state"].tolist() == ["COMPLETE"] * 6
        for run in trial_runs(home, "away"):
            assert curve(home, run.info.run_id, "epoch/val_loss") == list(range(1, 81))
        assert study.load_model("away", home=home).replicates == 3


def run_on(file_system, home, arguments, keep):
    """Runs a study whose home is a file system of its own, and keeps what was left on it.

    In a namespace of its own: the mount is gone with the process, and needs no privilege.
    """
    home.mkdir()
    command = shlex.join([str(BIN / "study"), "run", "--home", str(home), *map(str, arguments)])
    script = f"mount -t tmpfs -o {file_system} none {home} || exit 99\n{command}\n"
    script += f"status=$?\ncp -r {home}/. {keep}\nexit $status"
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script],  # noqa: S607  # of the system
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=clean_environment(),
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode != 99, done.stderr
    return done


def test_a_full_disk_is_said_and_what_is_stored_is_intact(study_command, tmp_path):
    home, keep = tmp_path / "home", tmp_path / "keep"
    keep.mkdir()
    arguments = ("--name", "full", "--trials", 12, "--set", "families=['vann']")
    arguments += ("--set", "space.somata=[128,256]", "--set", "space.dendrites=[4,8,12,16]")
    arguments += ("--set", "budget.epochs=4", "--set", "stopping.scheduler=none")
    done = run_on("size=8m", home, arguments, keep)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert "No space left on device" in done.stderr or "disk is full" in done.stderr
    with closing(sqlite3.connect(keep / "mlflow.db")) as store:
        assert store.execute("pragma integrity_check").fetchone() == ("ok",)
    home.rmdir()
    keep.rename(home)
    before = {
        record.trial: record.val_accuracy
        for record in answers.best_configs("full", home=Home.find(home))
    }
    again = study_command("run", "--home", home, *arguments)
    assert again.returncode == 0, again.stdout + again.stderr
    found = answers.records("full", Home.find(home))
    assert [record.state for record in found] == ["COMPLETE"] * 12
    assert before.items() <= {record.trial: record.val_accuracy for record in found}.items()


def test_a_home_that_cannot_be_written_is_said_at_once(tmp_path):
    done = run_on("ro", tmp_path / "home", ("--trials", 2), tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the home ")
    assert "must be writable and have room, got: " in done.stderr.replace("\n", " ")
    assert "Read-only file system" in done.stderr


def test_a_trial_that_eats_the_memory_fails_and_the_others_do_not(study_command, tmp_path):
    """Ray ends workers when a share of the memory is used: here, some more than is used now.

    It eats 20 GB if it can; the others, Ray, and what else runs on the machine have some to themselves.
    """
    memory = dict(
        line.split(":") for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line
    )
    total, free = (int(memory[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    threshold = (total - free + max(4_000_000, min(8_000_000, free // 2))) / total
    done = study_command(
        *("run", "--name", "eater", "--home", tmp_path, "--trials", 4),
        *("--set", "families=['mlp']", "--set", "sampler=grid", "--set", "budget.epochs=100"),
        *("--set", "space.somata=[16,32,64,6000000]", "--set", "space.learning_rate=0.01"),
        *("--set", "space.batch_size=128", "--set", "space.synapses=16"),
        *("--set", "stopping.scheduler=none", "--set", "resources.concurrent_trials=2"),
        RAY_memory_usage_threshold=str(threshold),
        RAY_memory_monitor_refresh_ms="100",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = answers.records("eater", Home.find(tmp_path))
    assert len(found) == 4
    for record in found:
        eats = record.architecture["somata"] == 6_000_000
        assert record.state == ("FAIL" if eats else "COMPLETE")
        assert (record.reason or "").startswith("OutOfMemoryError: ") is eats
    assert "memory ran out while " in done.stdout
