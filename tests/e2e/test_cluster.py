"""Studies on a cluster of machines that share nothing, and can be killed and cut off.

The tests share the cluster, so their order is that of the file: what the last one does is the worst.
"""

import json
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from optuna.trial import TrialState
from sklearn.datasets import load_digits

from models import load_network
from study import Home
from study.results import answers
from study.search.journal import repair
from study.search.storage import SearchStorage
from study.spec.study_spec import StudySpec
from study.study_folder import CHECKPOINT, HISTORY, trial_folder
from tests.support.cluster import cluster_with_records
from tests.support.processes import PATIENCE_S, curve, trial_runs, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

EPOCHS = 200
# Trials of some seconds each, all alike but for their learning rates.
LONG = ("--set", "families=['dann-r']", "--set", "space.dendrites=4", "--set", "space.somata=64")
LONG += ("--set", "space.synapses=16", "--set", "space.batch_size=32")
LONG += ("--set", f"budget.epochs={EPOCHS}", "--set", "stopping.scheduler=none")


@pytest.fixture(scope="module")
def site():
    with cluster_with_records() as made:
        yield made


class Submitted:
    """A study as it was submitted, and as the tests see it from behind: its store and its folder."""

    def __init__(self, site, name, *arguments):
        self.name = name
        self.home = Home.find(site.home, site.store)
        self.command = ("submit", "studies/digits.toml", "--name", name, *arguments)
        self.command += ("--address", site.address, "--wait", "--tracking-uri", site.records)

    def workers(self):
        """The machine of each trial that runs or ran, by its number."""
        runs = []
        with suppress(AttributeError):  # the experiment is not there yet
            runs = trial_runs(self.home, self.name)
        return {
            int(run.data.tags["study.trial"]): run.data.tags["study.worker"].partition(":")[0]
            for run in runs
            if "study.worker" in run.data.tags
        }

    def wait_until_under_way(self, number, process):
        """Waits until a trial has a checkpoint; returns its machine."""
        checkpoint = self.checkpoint(number)
        return wait_until(
            lambda: checkpoint.exists() and self.workers().get(number), f"{checkpoint}", process
        )

    def checkpoint(self, number):
        return trial_folder(self.home.study_folder(self.name).trials, number) / CHECKPOINT

    def completed(self):
        """The trials that are complete in the journal; nothing may be writing it."""
        folder = self.home.study_folder(self.name)
        repair(folder.journal)
        stored = SearchStorage(StudySpec.from_stored(folder.spec), folder.journal).trials()
        return {trial.number: trial for trial in stored if trial.state == TrialState.COMPLETE}

    def wait_until_it_goes_on(self, machine, process):
        """Waits until trial 0 reports from a machine."""
        wait_until(lambda: self.workers()[0] == machine, f"trial 0 on {machine}", process)

    def assert_whole(self, count):
        """Every trial is complete, and every epoch of each is recorded once. Returns the records."""
        found = answers.records(self.name, home=self.home)
        assert [record.trial for record in found] == list(range(count))
        assert [record.state for record in found] == ["COMPLETE"] * count
        assert len(trial_runs(self.home, self.name)) == count
        for record in found:
            assert curve(self.home, record.run_id) == list(range(1, EPOCHS + 1))
        return found


@contextmanager
def submitted(site, name, *arguments):
    """A study that is followed from the desk while the context lasts, and its process."""
    made = Submitted(site, name, *arguments)
    with site.following(*made.command, **site.user) as process:
        yield made, process


def finish(process):
    output = process.communicate(timeout=PATIENCE_S)[0]
    assert process.returncode == 0, output
    return output


def test_trials_use_all_machines_and_the_front_is_read_with_the_tracking_uri_alone(site):
    """The data are the user's: they go along, and are on no other machine before."""
    images, labels = load_digits(return_X_y=True)
    data = {"x": images.reshape(-1, 8, 8).astype(np.uint8), "y": labels}
    np.savez(site.disk("desk") / "mine.npz", **data)
    own = ("--set", "dataset.name=npz", "--set", "dataset.path=mine.npz")
    own += ("--data", site.place / "mine.npz")
    made = Submitted(site, "shared", "--trials", 4, *LONG, *own)
    done = site.study(*made.command, **site.user)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4/4 trials | 0 running" in done.stdout
    assert set(made.workers().values()) == {"worker1", "worker2"}

    front = [record for record in answers.best_configs("shared", home=made.home) if record.on_front]
    best = site.study("best", "shared", "--json", "--tracking-uri", site.records, **site.user)
    assert best.returncode == 0, best.stderr
    answer = [trial for trial in json.loads(best.stdout) if trial["on_front"]]
    assert answer == json.loads(json.dumps([record.to_dict() for record in front]))
    assert front
    # The networks came to the head, and from there to the records; the workers have no files.
    networks = list((site.folder / "artifacts").rglob("network.safetensors"))
    assert len(networks) >= len(front)
    assert all(load_network(file.parent).replicates for file in networks)
    for name in ("worker1", "worker2"):
        kept = ("*.safetensors", "*.npz", HISTORY)
        assert not [file for kind in kept for file in site.disk(name).rglob(kind)]
    (sent,) = site.home.glob("data/*/data.npz")
    assert np.array_equal(np.load(sent)["x"], data["x"])

    refused = site.study("best", "shared", "--tracking-uri", site.records)
    assert refused.returncode == 1
    assert "You are not authenticated" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert site.password not in done.stdout + done.stderr


def other(machine):
    return {"worker1": "worker2", "worker2": "worker1"}[machine]


def test_a_trial_goes_on_elsewhere_when_its_machine_dies_and_machines_that_join_are_used(site):
    """The first is killed, the second cut off, the third has joined; a user stops the study."""
    endless = ("--trials", 1, *LONG, "--set", "budget.epochs=1000000")
    with submitted(site, "moving", *endless) as (made, process):
        first = made.wait_until_under_way(0, process)
        second = other(first)
        site.machine(first).kill()
        made.wait_until_it_goes_on(second, process)
        site.start_worker(first)
        site.wait_for_nodes("head", "worker1", "worker2")
        site.machine(second).cut_off()
        made.wait_until_it_goes_on(first, process)
        site.machine(second).connect()
        stopped = site.study("stop", "moving", "--address", site.address)
        assert stopped.returncode == 0, stopped.stdout + stopped.stderr
        output = process.communicate(timeout=PATIENCE_S)[0]
        assert process.returncode == 1
    (record,) = answers.records("moving", home=made.home)
    assert record.state == "INTERRUPTED"
    assert record.notice.startswith("continued after epoch ")
    assert output.count("trial 0: continued after epoch ") == 2
    assert curve(made.home, record.run_id) == list(range(1, record.epochs + 1))
    said = site.study("status", "moving", "--json", "--address", site.address)
    assert json.loads(said.stdout)["status"] == "STOPPED"
    # The Ray of the machine that was cut off ended, and its supervisor started another one.
    site.wait_for_nodes("head", "worker1", "worker2")


def test_a_study_whose_head_is_killed_goes_on_with_the_next_head(site):
    """The one that waits for the study submits it again, and again with the command changes nothing."""
    with submitted(site, "headless", "--trials", 3, "--retries", 1, *LONG) as (made, process):
        what = "a checkpoint of trial 2"
        wait_until(made.checkpoint(2).exists, what, process, every_s=0.05)
        site.machine("head").kill()
        done = made.completed()
        assert done
        assert 2 not in done
        earlier = answers.records("headless", home=made.home, fresh=True)
        site.start_head()
        finish(process)
    found = made.assert_whole(3)
    for record in earlier:
        assert found[record.trial].run_id == record.run_id
    assert found[2].notice.startswith("continued after epoch ")
    for number, trial in done.items():
        assert found[number].val_accuracy == trial.values[0]
        assert "continued" not in (found[number].notice or "")

    again = site.study(*made.command, **site.user)
    assert again.returncode == 0, again.stdout + again.stderr
    assert made.assert_whole(3) == found
