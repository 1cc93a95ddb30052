import subprocess
import sys

import psutil
import pytest
import ray

from study.cluster import ray_cleanup
from study.cluster.ray_cleanup import cleaned_up
from study.cluster.ray_runtime import local_ray
from study.errors import ClusterError
from tests.support.processes import ROOT, wait_until

DRIVER = """
import os, signal, sys
from pathlib import Path
from study.cluster.ray_cleanup import cleaned_up
with cleaned_up(Path(sys.argv[1])):
    print("begun", flush=True)
    if sys.stdin.readline() == "die\\n":
        os.kill(os.getpid(), signal.SIGKILL)
"""
AGENT = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(sys.argv[1], "w"):
    print("begun", flush=True)
    time.sleep(1e6)
"""


def start(code, argument):
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(argument)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    assert process.stdout.readline() == "begun\n"
    return process


@pytest.mark.slow
@pytest.mark.parametrize("end", ["die", "return"])
def test_only_of_a_driver_that_was_killed_what_is_left_is_ended(end, tmp_path):
    folder = tmp_path / "ray"
    folder.mkdir()
    with start(DRIVER, folder) as driver, start(AGENT, folder / "log") as agent:
        with start(AGENT, tmp_path / "of another") as another:
            (watcher,) = psutil.Process(driver.pid).children()
            driver.communicate(f"{end}\n")
            wait_until(lambda: not watcher.is_running(), "the end of the watcher")
            assert another.poll() is None
            another.kill()
        assert agent.wait() < 0 if end == "die" else agent.poll() is None
        assert folder.exists() is (end == "return")
        agent.kill()


# Ray leaves objects of processes behind that it did not wait for.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_ray_that_does_not_start_is_one_line_and_leaves_no_processes(monkeypatch):
    """Here it gets no time to."""
    monkeypatch.setenv("RAY_gcs_server_port_wait_time_s", "0")
    before = set(psutil.Process().children(recursive=True))
    says = r"^Ray must start .*; the same command tries again$"
    with pytest.raises(ClusterError, match=says), local_ray(1):
        pytest.fail("it started")
    assert not ray.is_initialized()
    left = set(psutil.Process().children(recursive=True)) - before
    psutil.wait_procs(left)
    assert [process for process in left if process.is_running()] == []


def test_the_watcher_knows_its_driver_by_standard_input(tmp_path):
    """It is run by the name of its module."""
    with cleaned_up(tmp_path):
        commands = [child.cmdline() for child in psutil.Process().children()]
    assert [sys.executable, "-m", ray_cleanup.__name__, str(tmp_path)] in commands
