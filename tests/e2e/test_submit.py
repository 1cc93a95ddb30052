"""A study submitted to a head that was started by hand and demands a token."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from study import Home
from study.results import answers, study_status
from tests.support.command import study_command
from tests.support.empty_store import new_home, put_empty_database
from tests.support.processes import ROOT, SMALL, clean_environment, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

SPEC = (
    "studies/digits.toml",
    "--trials",
    3,
    *SMALL,
    "--set",
    "budget.epochs=2",
    "--name",
    "submitted",
)
SPEC += ("--set", "resources.concurrent_trials=1")
PASSWORD = "pw-of-nobody-4711"  # noqa: S105  # to be looked for

LONG = ("studies/digits.toml", "--trials", 1, *SMALL, "--set", "stopping.scheduler=none")
LONG += ("--set", "budget.epochs=1000000")


@pytest.fixture
def on_head(ray_head, tmp_path):
    """Runs `study` with arguments as somebody with the token, on a machine without a study."""

    def run(command, *arguments, **environment):
        settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": ray_head.token}
        settings |= {"HOME": str(tmp_path)} | environment
        return study_command(command, *arguments, "--address", ray_head.address, **settings)

    return run


def good(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


SEND = """
import sys
from pathlib import Path
from study.cluster.client import connect
from study.cluster.data_package import DataPackage, unpacked
from study.spec.sections import DatasetSpec

address, file, home = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
package = DataPackage.of(DatasetSpec(name="npz", path=file), file)
for _ in range(2):
    package.upload(connect(address), print)
for name in ("one", "other"):  # as two jobs
    folder = unpacked(package.sha256, home / name)
    assert (folder / "data.npz").read_bytes() == file.read_bytes()
"""


def test_a_large_data_set_goes_in_parts_once_for_several_jobs(ray_head, on_ray, tmp_path):
    file = tmp_path / "mine.npz"
    file.write_bytes(np.random.default_rng(0).bytes(9 * 2**20))
    os.utime(file, (0, 0))  # as in archives that can be reproduced
    done = subprocess.run(
        [sys.executable, "-c", SEND, ray_head.address, file, tmp_path],
        env=clean_environment(**on_ray),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["sending 9 MiB of data", "", ""]


def driver_of(folder):
    """The process that runs the study of the folder, once it trains."""
    wait_until(lambda: list(folder.glob("trials/*/checkpoint.safetensors")), "a checkpoint")
    return json.loads((folder / "driver.json").read_text())["process"]


def test_a_submitted_study_is_followed_and_submitting_it_again_is_the_same_job(on_head, ray_head):
    """Without a home, the head's own folder; with the source that goes along."""
    home = new_home(ray_head.home / "dendritic-study/runs").folder
    said = good(on_head("submit", *SPEC, "--wait", "--source"))
    assert "3/3 trials | 0 running" in said
    assert "submitted: Pareto front" in said
    assert f"  study best submitted --limit 5 --home {home}" in said
    assert ray_head.token not in said
    job = said.splitlines()[-1].removeprefix("job ")
    assert job.startswith("study-submitted-")
    assert (home / "studies/submitted/search.journal").exists()
    front = answers.pareto_front("submitted", home=Home.find(home))
    assert front["on_front"].all()
    assert (
        study_status.status("submitted", home=Home.find(home)).to_dict()["run_status"] == "FINISHED"
    )

    again = good(on_head("submit", *SPEC, "--source")).splitlines()
    assert again[0].startswith(f"the job {job} has already done this work; a larger")
    assert again[1] == f"job {job}"
    everything = json.loads(good(on_head("list", "--json")))
    (found,) = (one for one in everything if one["study"] == "submitted")
    assert (found["job"], found["status"], found["exit_code"]) == (job, "SUCCEEDED", 0)
    assert "submitted: Pareto front" in good(on_head("logs", "submitted"))

    assert f"job {job}-2" in good(on_head("submit", *SPEC, "--trials", 4, "--wait"))


@pytest.fixture(scope="module")
def secret():
    return {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": PASSWORD}


def test_a_running_study_survives_its_driver_is_stopped_cleanly_and_gone_on_with(
    on_head, ray_head, secret
):
    """Its password goes along, and appears nowhere."""
    home = ray_head.home / "long"
    records = f"sqlite:///{home}/records.db"
    put_empty_database(records)
    arguments = (*LONG, "--name", "long", "--home", home, "--source", "--tracking-uri", records)
    done = on_head("submit", *arguments, "--retries", 1, **secret)
    said = good(done) + done.stderr
    (job,) = re.findall(r"^job (\S+)$", said, flags=re.MULTILINE)
    assert "the trials begin" in said
    process = driver_of(home / "studies/long")
    # What went along is what runs.
    assert Path(f"/proc/{process}/cwd/study/runner/driver.py").exists()
    settings = Path(f"/proc/{process}/environ").read_text().split("\0")
    assert f"MLFLOW_TRACKING_PASSWORD={PASSWORD}" in settings
    commands = [
        file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if readable(file)
    ]
    assert not [command for command in commands if PASSWORD.encode() in command]

    status = json.loads(good(on_head("status", "long", "--json")))
    assert (status["job"], status["status"]) == (job, "RUNNING")
    other = on_head("submit", *arguments, "--set", "space.dropout=0.5", **secret)
    assert other.returncode == 2
    assert f"the job {job} runs the study 'long' with another spec or source" in other.stderr
    elsewhere = f"sqlite:///{ray_head.home}/elsewhere.db"
    other = on_head("submit", *arguments, "--tracking-uri", elsewhere, **secret)
    assert other.returncode == 2
    assert f"the job {job} runs the study 'long' in the same home with another" in other.stderr

    os.kill(process, signal.SIGKILL)
    before = gone_on(on_head)
    log = good(on_head("logs", "long"))
    assert "the driver was ended by SIGKILL; it is started again, 1 times at most" in log
    process = driver_of(home / "studies/long")
    assert f"job {job} is STOPPED" in good(on_head("stop", "long"))
    assert not Path(f"/proc/{process}").exists()
    place = Home.find(home, records)
    (first,) = answers.records("long", home=place)
    assert (first.state, first.trial) == ("INTERRUPTED", 0)
    assert first.epochs >= before > 0
    assert study_status.status("long", home=place).to_dict()["run_status"] == "KILLED"
    assert f"job {job} is already STOPPED" in good(on_head("stop", "long"))

    said += good(on_head("submit", *arguments, **secret))
    assert f"job {job}-2" in said
    # Its worker trained on until the study had ended, and kept that too.
    assert gone_on(on_head) >= first.epochs
    good(on_head("stop", "long"))

    said += good(on_head("list", "--json")) + good(on_head("logs", "long"))
    assert PASSWORD not in said
    # Records, spool, Ray's own logs, and what was unpacked for the job.
    files = [file for file in ray_head.home.rglob("*") if file.is_file() and not file.is_symlink()]
    assert [file.name for file in files if file.name == "job.json"]
    assert [str(file) for file in files if PASSWORD.encode() in file.read_bytes()] == []


def gone_on(on_head):
    """The epoch from which the trial goes on, once the newest job has said so."""
    found = wait_until(
        lambda: re.search(
            r"trial 0: continued after epoch (\d+) of", good(on_head("logs", "long"))
        ),
        "that trial 0 goes on",
        every_s=0.5,
    )
    return int(found[1])


def readable(file):
    try:
        return bool(file.read_bytes())
    except OSError:
        return False


def test_what_the_job_refuses_is_bad_input_here(on_head, ray_head):
    done = on_head(
        *("submit", *SPEC, "--home", ray_head.home / "failing", "--set", "dataset.name=mnist"),
        *("--set", "dataset.validation_size=300", "--set", "dataset.root=/nowhere"),
    )
    assert done.returncode == 2
    assert "the data set mnist is not in /nowhere/MNIST/raw" in done.stdout
    assert "the cluster refused the study, as printed above (job study-submitted-" in done.stderr


def test_a_study_without_a_job_is_said_with_those_there_are(on_head):
    done = on_head("logs", "submited")
    assert done.returncode == 2
    assert "the cluster has no job of a study 'submited'; did you mean 'submitted'?" in done.stderr


@pytest.mark.parametrize(
    ("token", "what"), [("", "needs a token"), ("0" * 64, "refuses the token")]
)
def test_a_missing_or_wrong_token_is_refused_with_what_to_set(token, what, on_head):
    mode = "token" if token else "disabled"
    for command in (("submit", *SPEC), ("list",), ("stop", "submitted"), ("logs", "submitted")):
        done = on_head(*command, RAY_AUTH_MODE=mode, RAY_AUTH_TOKEN=token)
        assert done.returncode == 1
        assert what in done.stderr
        assert "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN" in done.stderr
        assert "Traceback" not in done.stderr
