"""A study on a cluster that has no workers until trials wait for them, and none after it.

Ray's own provider for tests, `fake_multinode`, does not do: its workers share the head's session
folder, where one that comes removes the running job's files.
"""

import pytest

from study import Home
from study.results import answers
from tests.support.cloud import Cloud
from tests.support.cluster import Cluster, machines
from tests.support.processes import SMALL, trial_runs

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


@pytest.fixture
def growing():
    """A cluster that may have two workers of one CPU each, for as long as they have work."""
    with machines() as (cables, folder):
        cloud = Cloud(folder / "cloud")
        options, settings = cloud.head(most=2)
        made = Cluster(cables, folder, *options, **settings)
        made.wait_for_head()
        made.wait_for_nodes("head")
        cloud.serve(made)
        try:
            yield made, cloud
        finally:
            cloud.end()


def submit(cluster, name, *arguments):
    return cluster.study(
        *("submit", "studies/digits.toml", "--name", name, "--wait", *SMALL, *arguments),
        *("--set", "stopping.scheduler=none", "--set", "budget.epochs=120"),
        *("--address", cluster.address),
    )


def test_workers_come_for_trials_that_wait_and_go_when_they_are_idle(growing):
    cluster, cloud = growing
    assert cloud.made == []

    done = submit(cluster, "growing", "--trials", 4)
    assert done.returncode == 0, done.stdout + done.stderr
    home = Home.find(cluster.home)
    assert [record.state for record in answers.records("growing", home=home)] == ["COMPLETE"] * 4
    workers = {
        run.data.tags["study.worker"].partition(":")[0] for run in trial_runs(home, "growing")
    }
    # All four trials waited when the workers were asked for, so both were made. Whether the second
    # came up before the first had trained everything depends on the machine.
    assert set(cloud.made) == {"worker1", "worker2"}
    assert workers
    assert workers <= set(cloud.made)
    cluster.wait_for_nodes("head")
    cloud.wait_until_off()
