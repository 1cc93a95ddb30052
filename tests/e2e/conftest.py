import os
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from study import Home
from tests.support.processes import BIN, PATIENCE_S, ROOT, clean_environment, free_port, wait_until
from tests.support.servers import wait_until_it_answers
from tests.support.shared import Shared


@pytest.fixture(scope="session")
def study_process():
    """Runs `study` with arguments in a process, as its user does; returns the finished process."""

    def run(*arguments, cwd=ROOT, **environment):
        return subprocess.run(
            [BIN / "study", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env=clean_environment(**environment),
            timeout=PATIENCE_S,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    return Shared.of(tmp_path_factory)


@pytest.fixture(scope="session")
def small_study(shared, study_process):
    """A finished study of the digits, and the home that it is in. It is read, and not changed."""

    def make(home):
        done = study_process(
            *("run", "studies/digits.toml", "--name", "small", "--trials", 8, "--home", home),
            *("--set", "budget.epochs=4", "--set", "resources.concurrent_trials=2"),
            *("--set", "stopping.scheduler=none", "--set", "space.somata=[16, 32]"),
            *("--set", "space.dendrites=[1, 2, 4]"),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return {"home": str(home), "output": done.stdout}

    made = shared.get("small", make)
    return SimpleNamespace(home=Path(made["home"]), output=made["output"])


@pytest.fixture(scope="session")
def ui(small_study, shared):
    """`study ui` on the small study: its process, the secret and the links that it prints.

    The first link was opened, with the `answer`; the `next` is for a browser. `as_user` is what a
    program sends. Who started it has settings that would open MLflow to everybody.
    """
    open_to_all = {
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "*",
        "MLFLOW_SERVER_ALLOWED_HOSTS": "*",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true",
    }

    def make(folder):
        port, log = free_port(), folder / "log"
        with log.open("w") as file:
            server = subprocess.Popen(
                [BIN / "study", "ui", "--home", small_study.home, "--port", str(port)],
                stdout=file,
                stderr=file,
                env=clean_environment(**open_to_all),
                start_new_session=True,
            )
        shared.end_with_session(server)
        words = "for programs: MLFLOW_TRACKING_URI="
        wait_until(lambda: words in log.read_text(), "the links of the UI", server)
        first, study, programs = log.read_text().splitlines()
        link = first.removeprefix("MLflow UI: ").removesuffix(" (Ctrl-C ends it)")
        answer = requests.get(link, allow_redirects=False, timeout=PATIENCE_S)
        wait_until(lambda: log.read_text().count("\n") > 3, "the next link", server)
        return {
            "port": port,
            "pid": server.pid,
            "address": f"http://127.0.0.1:{port}",
            "secret": programs.partition(" MLFLOW_TRACKING_TOKEN=")[2],
            "first": link,
            "answer": [answer.status_code, dict(answer.headers)],
            "link": study.removeprefix("  small: "),
            "next": log.read_text().splitlines()[-1].partition("for another one: ")[2],
        }

    made = SimpleNamespace(**shared.get("ui", make))
    made.as_user = {"Authorization": f"Bearer {made.secret}"}
    return made


@pytest.fixture(scope="session")
def dashboard(small_study, shared):
    """The address of optuna-dashboard, which serves the journal of the small study."""

    def make(folder):
        journal = Home.find(small_study.home).study_folder("small").journal
        port, log = free_port(), folder / "log"
        with log.open("w") as file:
            server = subprocess.Popen(
                [BIN / "optuna-dashboard", str(journal), "--port", str(port)],
                stdout=file,
                stderr=file,
                env=clean_environment(),
                start_new_session=True,
            )
        shared.end_with_session(server)
        address = f"http://127.0.0.1:{port}"
        wait_until_it_answers(address, server, log)
        return address

    return shared.get("dashboard", make)


@pytest.fixture(scope="session")
def ray_head(shared):
    """A head started by hand, as its own machine would: own home, own token, own session folder.

    The studies of all tests run on it.
    """

    def make(_):
        # Short, for Ray makes sockets below it and their paths are limited.
        home = Path(tempfile.mkdtemp(prefix="study-head-", dir="/tmp"))
        environment = clean_environment(
            HOME=str(home),
            # The compiled engine is that of this machine.
            XDG_CACHE_HOME=os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
            RAY_AUTH_MODE="token",
            RAY_prestart_worker_first_driver="0",
        )
        ray = BIN / "ray"
        token = subprocess.check_output(
            [ray, "get-auth-token", "--generate"],
            env=environment,
            stderr=subprocess.DEVNULL,
            text=True,
        ).strip()
        port, dashboard, agent, client = (free_port() for _ in range(4))
        command = [ray, "start", "--head", "--block", "--num-cpus=2", "--disable-usage-stats"]
        command += [f"--port={port}", f"--dashboard-port={dashboard}"]
        command += [f"--dashboard-agent-listen-port={agent}", f"--ray-client-server-port={client}"]
        command += ["--dashboard-host=127.0.0.1", f"--temp-dir={home}/ray"]
        command += ["--object-store-memory=300000000"]
        log = home / "head.log"
        with log.open("w") as file:
            # A group of its own, so that ending it ends what it started and nothing else.
            head = subprocess.Popen(
                command, env=environment, stdout=file, stderr=file, start_new_session=True
            )
        shared.end_with_session(head, home)
        address = f"http://127.0.0.1:{dashboard}"
        wait_until_it_answers(f"{address}/api/version", head, log, Authorization=f"Bearer {token}")
        return {"address": address, "gcs": f"127.0.0.1:{port}", "home": str(home), "token": token}

    made = SimpleNamespace(**shared.get("head", make))
    made.home = Path(made.home)
    return made


@pytest.fixture(scope="session")
def on_ray(ray_head):
    """The environment in which `study run` uses the head, which saves it starting Ray."""
    return {
        "RAY_ADDRESS": ray_head.gcs,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": ray_head.token,
    }
