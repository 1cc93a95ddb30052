"""A study submitted to a head that was started by hand and demands a token."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from study import Home
from study.results import answers

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

SPEC = ("studies/digits.toml", "--trials", 4, "--set", "budget.epochs=3", "--name", "submitted")
PASSWORD = "pw-of-nobody-4711"  # noqa: S105  # to be looked for

LONG = ("studies/digits.toml", "--trials", 1, "--set", "families=['vann']")
LONG += ("--set", "space.somata=64", "--set", "stopping.scheduler=none")
ENDLESS = (*LONG, "--set", "budget.epochs=1000000")


@pytest.fixture
def on_head(study_command, ray_head, tmp_path):
    """Runs `study` with arguments as somebody with the token, on a machine without a study."""

    def run(command, *arguments, **environment):
        settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": ray_head.token}
        settings |= {"HOME": str(tmp_path)} | environment
        return study_command(command, *arguments, "--address", ray_head.address, **settings)

    return run


def good(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def driver_of(folder):
    """The process that runs the study of the folder, once it trains."""
    for _ in range(3000):
        if list(folder.glob("trials/*/checkpoint.safetensors")):
            return json.loads((folder / "driver.json").read_text())["process"]
        time.sleep(0.1)
    pytest.fail("no trial has a checkpoint")


def test_a_submitted_study_is_followed_and_submitting_it_again_is_the_same_job(on_head, ray_head):
    home = ray_head.home / "studies"
    said = good(on_head("submit", *SPEC, "--wait", "--home", home))
    assert "4/4 trials | 0 running" in said
    assert "submitted: Pareto front" in said
    assert f"  study best submitted --limit 5 --home {home}" in said
    assert ray_head.token not in said
    job = said.splitlines()[-1].removeprefix("job ")
    assert job.startswith("study-submitted-")
    front = answers.pareto_front("submitted", Home.find(home))
    assert front["on_front"].all()
    assert answers.status("submitted", Home.find(home)).to_dict()["run_status"] == "FINISHED"

    again = good(on_head("submit", *SPEC, "--home", home)).splitlines()
    assert again[0].startswith(f"the job {job} did this already; more budget")
    assert again[1] == f"job {job}"
    everything = json.loads(good(on_head("list", "--json")))
    (found,) = (one for one in everything if one["study"] == "submitted")
    assert (found["job"], found["status"], found["exit_code"]) == (job, "SUCCEEDED", 0)
    assert "submitted: Pareto front" in good(on_head("logs", "submitted"))

    more = ("--trials", 5, "--home", home, "--wait")
    assert f"job {job}-2" in good(on_head("submit", *SPEC, *more))


def test_without_a_home_the_head_says_where_studies_are(on_head, ray_head):
    said = good(on_head("submit", *SPEC, "--wait", "--source"))
    assert (ray_head.home / "dendritic-study/runs/studies/submitted/search.journal").exists()
    assert said.splitlines()[-1].startswith("job study-submitted-")


def test_a_running_study_is_found_stopped_cleanly_and_gone_on_with(on_head, ray_head):
    home = ray_head.home / "long"
    arguments = (*ENDLESS, "--name", "long", "--home", home)
    said = good(on_head("submit", *arguments, "--source"))
    job = said.splitlines()[-4].removeprefix("job ")
    assert "the trials begin" in said
    process = driver_of(home / "studies/long")
    # What went along is what runs.
    assert Path(f"/proc/{process}/cwd/study/runner/driver.py").exists()

    found = json.loads(good(on_head("status", "long", "--json")))
    assert (found["job"], found["status"]) == (job, "RUNNING")
    other = on_head("submit", *arguments, "--set", "space.dropout=0.5", "--source")
    assert other.returncode == 2
    assert f"the job {job} runs the study 'long' with another spec or source" in other.stderr
    elsewhere = f"sqlite:///{ray_head.home}/elsewhere.db"
    other = on_head("submit", *arguments, "--source", "--tracking-uri", elsewhere)
    assert other.returncode == 2
    assert f"the job {job} runs the study 'long' in the same home with another" in other.stderr

    assert f"job {job} is STOPPED" in good(on_head("stop", "long"))
    assert not Path(f"/proc/{process}").exists()
    (first,) = answers.records("long", Home.find(home))
    assert (first.state, first.trial) == ("INTERRUPTED", 0)
    assert answers.status("long", Home.find(home)).to_dict()["run_status"] == "KILLED"
    assert f"job {job} is STOPPED already" in good(on_head("stop", "long"))

    said = good(on_head("submit", *arguments, "--source"))
    assert f"job {job}-2" in said
    for _ in range(3000):
        if "trial 0:" in said:
            break
        time.sleep(0.2)
        said = good(on_head("logs", "long"))
    # Its worker trained on until the study had ended, and kept that too.
    assert int(re.search(r"trial 0: it goes on after epoch (\d+) of", said)[1]) >= first.epochs > 0
    good(on_head("stop", "long"))


def test_a_driver_that_is_killed_is_started_again(on_head, ray_head):
    home = ray_head.home / "killed"
    arguments = (*LONG, "--set", "budget.epochs=400", "--name", "killed", "--home", home)
    said = good(on_head("submit", *arguments, "--retries", 1))
    os.kill(driver_of(home / "studies/killed"), signal.SIGKILL)
    log = good(on_head("logs", "killed", "--follow"))
    assert "the driver was ended by SIGKILL; it is started again, 1 times at most" in log
    assert "1/1 trials | 0 running" in log
    assert said.splitlines()[-4].removeprefix("job ") in good(on_head("list"))
    (record,) = answers.records("killed", Home.find(home))
    assert (record.state, record.epochs) == ("COMPLETE", 400)


def test_a_password_goes_along_and_appears_nowhere(on_head, ray_head):
    home = ray_head.home / "sealed"
    secret = {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": PASSWORD}
    arguments = (*ENDLESS, "--name", "sealed", "--home", home, "--tracking-uri")
    done = on_head("submit", *arguments, f"sqlite:///{home}/records.db", **secret)
    said = good(done) + done.stderr
    process = driver_of(home / "studies/sealed")
    settings = Path(f"/proc/{process}/environ").read_text().split("\0")
    assert f"MLFLOW_TRACKING_PASSWORD={PASSWORD}" in settings
    commands = [
        file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if readable(file)
    ]
    assert not [command for command in commands if PASSWORD.encode() in command]
    good(on_head("stop", "sealed"))
    said += good(on_head("list", "--json")) + good(on_head("logs", "sealed"))
    assert PASSWORD not in said
    # Records, spool, Ray's own logs, and what was unpacked for the job.
    files = [file for file in ray_head.home.rglob("*") if file.is_file() and not file.is_symlink()]
    assert [file.name for file in files if file.name == "job.json"]
    assert [str(file) for file in files if PASSWORD.encode() in file.read_bytes()] == []


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
    assert "the cluster refused the study, as said above (job study-submitted-" in done.stderr


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
