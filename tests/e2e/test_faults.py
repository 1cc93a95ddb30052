"""What dies in a study, and what of it is left: a worker, the driver, the tracking server."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager, suppress

import pytest
import requests
from mlflow import MlflowClient
from processes import BIN, ROOT, clean_environment, free_port, trial_runs

import study
from study import Home

pytestmark = pytest.mark.slow


@contextmanager
def running(*arguments):
    """A study in a group of processes of its own."""
    with subprocess.Popen(
        [BIN / "study", "run", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=clean_environment(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_trials(home, name, wanted):
    """Waits until so many trials are complete; gives their records."""
    for _ in range(600):
        with suppress(study.StudyError):
            found = study.trials(name, home)
            if not found.empty and (found["state"] == "COMPLETE").sum() >= wanted:
                return found
        time.sleep(0.2)
    pytest.fail("the study does not get on")


def test_a_trial_whose_worker_is_killed_starts_anew_and_counts_once(tmp_path):
    home = Home.find(tmp_path)
    arguments = ("--name", "lost", "--trials", 2, "--home", tmp_path)
    limits = ("--set", "stopping.scheduler=none", "--set", "budget.epochs=150", "--set", "resources.concurrent_trials=1")
    with running(*arguments, *limits) as driver:
        pid = None
        while pid is None:
            time.sleep(0.2)
            with suppress(study.StudyError, KeyError, ValueError):
                study.status("lost", home)
                (run,) = trial_runs(home, "lost")
                pid = int(run.data.tags["study.worker"].split(":")[1])
        os.kill(pid, signal.SIGKILL)
        output = driver.communicate(timeout=200)[0]
        assert driver.returncode == 0, output
    runs = trial_runs(home, "lost")
    assert Counter(run.data.tags["study.state"] for run in runs) == {"COMPLETE": 2}
    steps = MlflowClient(home.tracking_uri).get_metric_history(
        runs[-1].info.run_id, "epoch/val_accuracy"
    )
    assert [point.step for point in steps] == list(range(1, 151))


def test_a_study_whose_driver_is_killed_goes_on_and_repeats_nothing(study_command, tmp_path):
    home = Home.find(tmp_path)
    arguments = ("--name", "killed", "--trials", 6, "--home", tmp_path)
    limits = ("--set", "budget.epochs=30", "--set", "stopping.scheduler=none")
    with running(*arguments, *limits) as driver:
        before = wait_for_trials(home, "killed", 2)
        driver.kill()
    done = study_command("run", *arguments, *limits)
    assert done.returncode == 0, done.stdout + done.stderr
    after = study.trials("killed", home)
    assert after["state"].tolist() == ["COMPLETE"] * 6
    assert len(trial_runs(home, "killed")) == 6
    for number, row in before[before["state"] == "COMPLETE"].iterrows():
        assert after.loc[number, "run_id"] == row["run_id"]
        assert after.loc[number, "val_accuracy"] == row["val_accuracy"]


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


@pytest.fixture
def server(tmp_path):
    """A tracking server that can be stopped and started again on the same store and port."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db"]
    command += ["--artifacts-destination", str(tmp_path / "artifacts")]
    log = (tmp_path / "server.log").open("w")
    processes = []

    class Server:
        uri = f"http://127.0.0.1:{port}"

        def start(self):
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env=clean_environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"),
                start_new_session=True,
            )
            processes.append(process)
            for _ in range(300):
                try:
                    if requests.get(f"{self.uri}/health", timeout=2).ok:
                        return
                except requests.ConnectionError:
                    time.sleep(0.2)
            pytest.fail("the server does not answer")

        def stop(self):
            process = processes.pop()
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    server = Server()
    server.start()
    yield server
    if processes:
        server.stop()
    log.close()


def test_a_server_that_is_away_for_a_while_gets_everything(server, tmp_path):
    home = Home.find(tmp_path / "home", server.uri)
    arguments = ("--name", "away", "--trials", 8, "--home", home.folder)
    options = ("--tracking-uri", server.uri, "--set", "budget.epochs=20")
    options += ("--set", "stopping.scheduler=none")
    with running(*arguments, *options) as driver:
        wait_for_trials(home, "away", 1)
        server.stop()
        time.sleep(5)
        server.start()
        output = driver.communicate(timeout=200)[0]
        assert driver.returncode == 0, output
    found = study.trials("away", home)
    assert found["trial"].tolist() == list(range(8))
    assert found["state"].tolist() == ["COMPLETE"] * 8
    client = MlflowClient(server.uri)
    for run in trial_runs(home, "away"):
        curve = client.get_metric_history(run.info.run_id, "epoch/val_loss")
        assert sorted({point.step for point in curve}) == list(range(1, 21))
    assert study.load_model("away", home=home).replicates == 3
