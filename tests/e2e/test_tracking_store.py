"""A study whose tracking store loses records, or all of them, or is away for a while."""

import signal

import pytest
from mlflow import MlflowClient

import study
from study import Home
from tests.support.command import study_command
from tests.support.driven_study import running
from tests.support.empty_store import new_home, put_empty_database
from tests.support.processes import SMALL, curve, trial_runs
from tests.support.servers import tracking_server

pytestmark = pytest.mark.slow


def test_what_the_store_has_lost_is_recorded_when_the_study_goes_on(on_ray, tmp_path):
    """The store is restored from an older copy, as it were, and then deleted."""
    home = new_home(tmp_path)
    arguments = ("run", "--name", "again", "--trials", 3, "--home", tmp_path, *SMALL)
    limits = ("--set", "budget.epochs=3", "--set", "stopping.scheduler=none")
    limits += ("--set", "resources.concurrent_trials=1")
    assert study_command(*arguments, *limits, **on_ray).returncode == 0
    before = study.trials("again", home=home)
    client = MlflowClient(home.tracking_uri)
    first, second = trial_runs(home, "again")[:2]
    client.delete_run(first.info.run_id)
    client.set_tag(second.info.run_id, "study.state", "RUNNING")
    client.update_run(second.info.run_id, status="RUNNING")

    done = study_command(*arguments, *limits, **on_ray)
    assert done.returncode == 0, done.stderr
    assert "all 3 trials are done" in done.stdout
    after = study.trials("again", home=home)
    compared = ["state", "val_accuracy", "test_accuracy", "trainable_parameters", "on_front"]
    assert after[compared].equals(before[compared])
    assert {run.info.status for run in trial_runs(home, "again")} == {"FINISHED"}

    for file in tmp_path.glob("mlflow.db*"):
        file.unlink()
    done = study_command(*arguments, *limits, **on_ray)
    assert done.returncode == 0, done.stderr
    assert study.trials("again", home=home)[compared].equals(before[compared])
    assert {run.info.status for run in trial_runs(home, "again")} == {"FINISHED"}


def test_a_server_that_is_killed_amid_a_study_has_everything_in_the_end(on_ray, tmp_path):
    store = f"sqlite:///{tmp_path}/server.db"
    put_empty_database(store)
    with tracking_server(tmp_path, store) as server:
        home = Home.find(tmp_path / "home", server.uri)
        arguments = ("--name", "away", "--trials", 6, "--home", home.folder, *SMALL)
        options = ("--tracking-uri", server.uri, "--set", "budget.epochs=80")
        options += ("--set", "stopping.scheduler=none", "--set", "resources.concurrent_trials=1")
        with running(*arguments, *options, **on_ray) as driver:
            driver.has_ended(1)
            server.kill()
            driver.says("the tracking store accepts no records, which wait on disk")
            driver.process.send_signal(signal.SIGSTOP)  # else it may end before the server is back
            server.start()
            driver.process.send_signal(signal.SIGCONT)
            output, status = driver.end()
            assert status == 0, output
        found = study.trials("away", home=home)
        assert found.index.tolist() == list(range(6))
        assert found["state"].tolist() == ["COMPLETE"] * 6
        for run in trial_runs(home, "away"):
            assert curve(home, run.info.run_id, "epoch/val_loss") == list(range(1, 81))
        assert study.load_model("away", home=home).replicates == 3
