"""An MLflow server with passwords, started as SECURITY.md says, and a study that records there."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from types import SimpleNamespace

import psutil
import pytest
import requests

from tests.support.command import study_command
from tests.support.processes import BIN, PATIENCE_S, ROOT, SMALL, clean_environment, free_port
from tests.support.servers import wait_until_it_answers

pytestmark = pytest.mark.slow

ADMIN, ANN, BOB = "admins-long-secret", "anns-long-secret", "bobs-long-secret"
WRONG = "wrong-and-long"
API = "/api/2.0/mlflow"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    script = next(one for one in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) if "exec" in one)
    port = free_port()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [shutil.which("bash"), "-euc", script.replace("5000", str(port))],
            cwd=folder,
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    process.stdin.write(f"{ADMIN}\n")
    process.stdin.close()
    uri = f"http://127.0.0.1:{port}"
    try:
        wait_until_it_answers(f"{uri}/health", process, folder / "log")
        for name, password in (("ann", ANN), ("bob", BOB)):
            made = requests.post(
                f"{uri}{API}/users/create",
                json={"username": name, "password": password},
                auth=("admin", ADMIN),
                timeout=PATIENCE_S,
            )
            assert made.ok, made.text
        yield SimpleNamespace(uri=uri, port=port, folder=folder)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def recorded(server, tmp_path_factory):
    """A study of ann's that was run with her password in the address, and what it showed and left."""
    home = tmp_path_factory.mktemp("home")
    uri = server.uri.replace("//", f"//ann:{ANN}@")
    command = [BIN / "study", "run", "studies/digits.toml", "--name", "private", "--trials", "3"]
    command += ["--home", home, "--set", "budget.epochs=3", "--set", "stopping.scheduler=none"]
    command += ["--set", "resources.concurrent_trials=1", *SMALL]
    arguments = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean_environment(MLFLOW_TRACKING_URI=uri),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        while process.poll() is None:
            for one in _tree(process.pid):
                with suppress(psutil.Error):
                    arguments += one.cmdline()
            time.sleep(0.1)
        said = process.stdout.read()
    assert process.returncode == 0, said
    return SimpleNamespace(home=home, said=said, arguments=arguments)


def _tree(pid):
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def ask(server, user, path="/experiments/get-by-name", **headers):
    return requests.get(
        f"{server.uri}{API}{path}",
        params={"experiment_name": "private"},
        auth=user,
        headers=headers,
        timeout=PATIENCE_S,
    )


@pytest.mark.usefixtures("recorded")
def test_a_password_is_asked_for_and_a_foreign_host_is_not_answered(server):
    assert ask(server, None).status_code == 401
    assert ask(server, ("ann", WRONG)).status_code == 401
    assert ask(server, ("ann", ANN)).status_code == 200
    foreign = ask(server, ("ann", ANN), Host=f"attacker.example:{server.port}")
    assert (foreign.status_code, "Invalid Host" in foreign.text) == (403, True)
    assert ask(server, ("ann", ANN), Host=f"localhost:{server.port}").status_code == 200


@pytest.mark.usefixtures("recorded")
def test_only_whoever_made_a_study_and_the_admin_read_it(server):
    experiment = ask(server, ("ann", ANN)).json()["experiment"]["experiment_id"]
    assert ask(server, ("admin", ADMIN)).status_code == 200
    assert ask(server, ("bob", BOB)).status_code == 403
    found = requests.post(
        f"{server.uri}{API}/runs/search",
        json={"experiment_ids": [experiment]},
        auth=("bob", BOB),
        timeout=PATIENCE_S,
    )
    assert found.status_code == 403 or found.json().get("runs", []) == []
    for route in (
        "/api/2.0/mlflow-artifacts/artifacts",
        "/ajax-api/2.0/mlflow-artifacts/artifacts",
    ):
        refused = requests.get(
            f"{server.uri}{route}",
            params={"path": experiment},
            auth=("bob", BOB),
            timeout=PATIENCE_S,
        )
        assert refused.status_code == 403, (route, refused.text)
    anyone = requests.post(
        f"{server.uri}/ajax-api/3.0/jobs/", json={}, auth=("ann", ANN), timeout=PATIENCE_S
    )
    assert not anyone.ok


def test_a_server_is_written_and_read_with_the_password_alone(server, recorded, tmp_path):
    asked = ("best", "private", "--json", "--home", recorded.home)
    settings = {"MLFLOW_TRACKING_URI": server.uri, "MLFLOW_TRACKING_USERNAME": "ann"}
    done = study_command(*asked, MLFLOW_TRACKING_PASSWORD=ANN, **settings)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 3
    wrong = study_command(*asked, MLFLOW_TRACKING_PASSWORD=WRONG, **settings)
    assert wrong.returncode == 1
    assert wrong.stdout == ""
    assert len(wrong.stderr.splitlines()) == 1
    assert f"the tracking store {server.uri} must accept the credentials" in wrong.stderr
    assert WRONG not in wrong.stderr
    other = study_command(
        *asked, MLFLOW_TRACKING_PASSWORD=BOB, **settings | {"MLFLOW_TRACKING_USERNAME": "bob"}
    )
    assert (other.returncode, len(other.stderr.splitlines())) == (1, 1)
    assert "must accept the credentials" in other.stderr
    new = study_command(
        *("run", "studies/digits.toml", "--name", "new", "--home", tmp_path / "home"),
        MLFLOW_TRACKING_PASSWORD=WRONG,
        **settings,
    )
    assert (new.returncode, new.stderr.count("\n")) == (1, 1)
    assert "must accept the credentials" in new.stderr
    assert not (tmp_path / "home").exists()
    exported = study_command(
        *("export", "private", "--to", recorded.home / "best", "--home", recorded.home),
        MLFLOW_TRACKING_PASSWORD=ANN,
        **settings,
    )
    assert exported.returncode == 0, exported.stderr


def test_a_password_is_left_nowhere(server, recorded):
    assert recorded.arguments
    assert not [one for one in recorded.arguments if ANN in one]
    assert ANN not in recorded.said
    left = [
        file
        for folder in (recorded.home, server.folder)
        for file in folder.rglob("*")
        if file.is_file() and ANN.encode() in file.read_bytes()
    ]
    assert left == []


def test_the_files_of_the_server_are_its_users_alone(server):
    readable = [
        file
        for file in server.folder.rglob("*")
        if file.is_file() and file.name != "log" and file.stat().st_mode & 0o077
    ]
    assert readable == []
