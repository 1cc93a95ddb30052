"""A study's driver is killed, again and again."""

import json
import random
import time
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import psutil
import pytest
from optuna.trial import TrialState

from study.results import answers, study_status
from study.search.storage import SearchStorage
from tests.support.command import study_command
from tests.support.driven_study import running
from tests.support.empty_store import new_home
from tests.support.processes import SMALL, curve, trial_runs, wait_until

pytestmark = pytest.mark.slow

KILLS = 10
EPOCHS = 600  # so many that a second worker starts before the first has trained all trials


OWN_RAY = (3, 6)
"""The kills of a driver with a Ray of its own: one while it starts, one while it trains."""


def run_and_kill(arguments, on_ray, start_s, trial_s):
    """Runs a study of twelve trials to its end, killing its driver again and again.

    Every other time while it starts, else when more and more trials have ended, and somewhere within
    the next; twice with a Ray of its own, else on a Ray that stays. In an unbroken run these take the
    seconds given; should it get on faster than that, it is killed when it starts to train, or when
    another trial has ended.
    """
    moments = random.Random(0)  # noqa: S311  # of a test
    for kill in range(KILLS):
        starting = kill % 2 == 1
        with running(*arguments, **({} if kill in OWN_RAY else on_ray)) as driver:
            if starting:
                driver.has_ended(0, moments.uniform(0, start_s))
            else:
                ended = 6 * kill // (KILLS - 1)
                driver.has_ended(ended)
                driver.has_ended(ended + 1, moments.uniform(0, trial_s))
            assert driver.process.poll() is None, driver.lines
            with nothing_left_of_its_ray(driver) if kill == OWN_RAY[-1] else nullcontext():
                driver.process.kill()
    with running(*arguments, **on_ray) as driver:
        output, status = driver.end()
        assert status == 0, output


@contextmanager
def nothing_left_of_its_ray(driver):
    """Within this context a driver that trains is killed; no process of its Ray is left, no folder.

    Ray's agents would try for a minute to report the death of their node.
    """
    children = psutil.Process(driver.process.pid).children(recursive=True)
    folders = []
    for child in children:
        with suppress(psutil.NoSuchProcess):  # some are short
            folders += [
                Path(argument.removeprefix("--log_dir=")).parents[2]
                for argument in child.cmdline()
                if argument.startswith("--log_dir=")
            ]
    yield
    driver.process.wait()
    assert len(children) > 5
    wait_until(lambda: not any(map(alive, children)), "the end of what the driver started")
    assert folders
    wait_until(lambda: not any(map(Path.exists, folders)), "the end of Ray's folder")


def alive(process):
    """Whether it runs; one that has ended may still wait for its parent to ask for its status."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_repeated_kills_of_the_driver_change_no_result(on_ray, tmp_path):
    """Ten SIGKILLs at moments drawn over the study's whole life, against an unbroken run."""
    limits = (*SMALL, "--set", "space.somata=[8,16,32]", "--set", f"budget.epochs={EPOCHS}")
    limits += ("--set", "stopping.scheduler=none", "--set", "resources.concurrent_trials=2")
    limits += ("--set", "sampler='grid'", "--set", "space.learning_rate=0.01")
    limits += ("--set", "space.dendrites=[1,2]", "--set", "space.batch_size=64", "--trials", 12)
    unbroken = new_home(tmp_path / "unbroken")
    moments = [time.monotonic()]
    with running("--name", "whole", "--home", unbroken.folder, *limits, **on_ray) as driver:
        for trials in (0, 12):
            driver.has_ended(trials)
            moments.append(time.monotonic())
        output, status = driver.end()
        assert status == 0, output
    start_s, training_s = moments[1] - moments[0], moments[2] - moments[1]

    home = new_home(tmp_path / "broken")
    arguments = ("--name", "whole", "--home", home.folder, *limits)
    run_and_kill(arguments, on_ray, start_s, training_s / 6)  # two at a time
    # A process for each CPU, at most: the first one may take all trials while the other starts.
    assert len({run.data.tags["study.worker"] for run in trial_runs(unbroken, "whole")}) <= 2
    expected = answers.records("whole", home=unbroken)
    found = answers.records("whole", home=home)
    assert [record.trial for record in found] == list(range(12))
    assert len(trial_runs(home, "whole")) == 12
    journal = home.study_folder("whole").journal
    stored = SearchStorage(study_status.study_spec("whole", home=home), journal).trials()
    assert [trial.state for trial in stored] == [TrialState.COMPLETE] * 12
    for record, known, trial in zip(found, expected, stored, strict=True):
        assert record.state == known.state == "COMPLETE"
        assert record.architecture == known.architecture
        assert record.run_id == trial.user_attrs.get("mlflow_run_id", record.run_id)
        # Bit by bit the same, wherever it was broken off.
        assert record.val_accuracy == known.val_accuracy == trial.values[0]
        assert record.test_loss == known.test_loss
        assert curve(home, record.run_id) == list(range(1, EPOCHS + 1))
    assert not list(home.study_folder("whole").trials.iterdir())
    listed = json.loads(study_command("trials", "whole", "--json", "--home", home.folder).stdout)
    assert [trial["state"] for trial in listed] == ["COMPLETE"] * 12
