import os

import pytest
import ray

from study.cluster.ray_runtime import _private_folder, check_machine, local_ray, on_cluster
from study.errors import ClusterError, SpecError
from study.spec.sections import Resources


def test_ray_that_runs_already_or_elsewhere_says_what_there_is(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert not on_cluster()
    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.1:6379")
    assert on_cluster()
    monkeypatch.delenv("RAY_ADDRESS")
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    assert on_cluster()


def test_a_trial_larger_than_the_machine_is_refused_and_one_without_its_gpu_is_not():
    with pytest.raises(SpecError, match=r"`resources\.cpus <= cpus of this machine` must hold"):
        check_machine(Resources(cpus=10_000))
    check_machine(Resources(cpus=0.5))


def test_the_folder_of_a_ray_is_the_users_alone_whatever_the_umask_is():
    before = os.umask(0)
    try:
        with _private_folder() as folder:
            assert folder.parent.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)
    assert not folder.parent.exists()


@pytest.mark.parametrize(
    ("reason", "starts"),
    [("The node with node id: 1 has timed out during startup.", 3), ("There is no memory.", 1)],
)
def test_a_start_of_ray_that_timed_out_is_repeated(reason, starts, monkeypatch):
    asked = []

    def fails(*_, **options):
        asked.append(options["num_cpus"])
        raise RuntimeError(reason)

    monkeypatch.setattr(ray, "init", fails)
    with pytest.raises(ClusterError, match=f"but did not: {reason}"), local_ray(1):
        pass
    assert asked == [1] * starts
