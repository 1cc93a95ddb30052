import os
import signal
import subprocess
import sys

import psutil
import pytest

from study.cluster import job
from study.cluster.credentials import encrypt
from study.cluster.delivery import JobConfig
from study.errors import BadInputError
from tests.support.processes import PATIENCE_S, wait_until


@pytest.fixture
def token(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of the cluster")
    return "of the cluster"


def test_encrypted_settings_are_decrypted_with_the_clusters_token(token):
    encrypted = encrypt({"MLFLOW_TRACKING_USERNAME": "ada"}, token)
    config = JobConfig(
        command="typed", encrypted=encrypted, environment={"MLFLOW_TRACKING_URI": "x"}
    )
    found = job.driver_environment(config)
    assert found["MLFLOW_TRACKING_USERNAME"] == "ada"
    assert found["MLFLOW_TRACKING_URI"] == "x"
    assert found["STUDY_COMMAND"] == "typed"


def test_settings_encrypted_with_another_token_are_refused_and_not_shown(token):
    config = JobConfig(command="", encrypted=encrypt({"NAME": "secret"}, token + "?"))
    with pytest.raises(BadInputError, match="must have the token that the job was submitted with"):
        job.driver_environment(config)


def test_without_a_configuration_all_is_in_the_environment(monkeypatch):
    monkeypatch.setenv("STUDY_COMMAND", "kubectl apply -f job.yaml")
    assert job._default_config("a spec.toml") == JobConfig(command="kubectl apply -f job.yaml")  # noqa: SLF001  # see below
    monkeypatch.delenv("STUDY_COMMAND")
    assert job._default_config("a spec.toml").command == "study run 'a spec.toml'"  # noqa: SLF001  # no other way in but a run


def test_a_spec_file_that_is_refused_ends_the_job_with_one_line(tmp_path):
    (tmp_path / "spec.toml").write_text('name = "mine"\ndataset = "digits"\nfamilies = ["dan"]')
    done = subprocess.run(
        [sys.executable, "-m", "study.cluster.job", "spec.toml"],
        cwd=tmp_path,
        env=os.environ | {"STUDY_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == BadInputError.exit_status
    assert "unknown family 'dan'" in done.stdout
    assert not (tmp_path / "home").exists()


RUNS = """
import os, sys
from study.cluster import job
command = [sys.executable, "-c", os.environ["CODE"]]
sys.exit(job.Driver(command, dict(os.environ)).run(int(sys.argv[1])))
"""


def run(code, retries, **environment):
    """A job with this as its driver, in a process of its own: it takes signals and children over."""
    return subprocess.run(
        [sys.executable, "-c", RUNS, str(retries)],
        env=os.environ | {"CODE": code} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


DIES_TWICE = """
import os, pathlib, signal
lives = pathlib.Path(os.environ["LIVES"])
lives.write_text(lives.read_text() + "x")
if len(lives.read_text()) < 3:
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("retries", "status", "lives"), [(2, 0, 3), (5, 0, 3), (1, 137, 2), (0, 137, 1)]
)
def test_a_driver_that_is_killed_is_started_again_as_often_as_allowed(
    retries, status, lives, tmp_path
):
    counter = tmp_path / "lives"
    counter.write_text("")
    done = run(DIES_TWICE, retries, LIVES=str(counter))
    assert done.returncode == status, done.stderr
    assert len(counter.read_text()) == lives
    assert done.stdout.count("ended by SIGKILL") == min(lives, 2)


@pytest.mark.slow
@pytest.mark.parametrize("status", [0, 1, 2])
def test_a_driver_that_ends_by_itself_is_not_started_again(status):
    done = run(f"print('once'); raise SystemExit({status})", 3)
    assert (done.returncode, done.stdout) == (status, "once\n")


LEAVES_ONE = """
import os, subprocess, sys
code = "import os, pathlib, time; time.sleep(1); pathlib.Path(os.environ['LEFT']).touch()"
subprocess.Popen([sys.executable, "-c", code])
"""


@pytest.mark.slow
def test_what_a_driver_leaves_behind_is_waited_for(tmp_path):
    assert run(LEAVES_ONE, 0, LEFT=str(tmp_path / "left")).returncode == 0
    assert (tmp_path / "left").exists()


WAITS = """
import os, sys
from study.cluster import job
code = "import signal, time; print('ready', flush=True); time.sleep(600)"
sys.exit(job.Driver([sys.executable, "-c", code], dict(os.environ)).run(3))
"""


@pytest.fixture
def waiting_job():
    """A job whose driver waits, and the driver's process id."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout.readline() == "ready\n"
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as children:  # noqa: PTH123  # no file
        (child,) = children.read().split()
    yield process, int(child)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_a_job_that_is_stopped_starts_nothing_again(waiting_job):
    process, child = waiting_job
    process.terminate()
    os.kill(child, signal.SIGTERM)  # as Ray does: to every process of the job
    assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
    assert process.stdout.read() == ""


@pytest.mark.slow
def test_the_driver_of_a_job_that_is_killed_stops(waiting_job):
    process, child = waiting_job
    process.kill()
    process.wait()
    wait_until(lambda: not psutil.pid_exists(child), "the end of the driver without its job")
