import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from processes import BIN, PATIENCE_S, ROOT, clean_environment, free_port
from servers import wait_until_it_answers

from study import Home


@pytest.fixture(scope="session")
def study_command():
    """Runs `study` with arguments as its user does; returns the finished process."""

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
def small_study(study_command, tmp_path_factory):
    """A finished study of the digits, and the home that it is in."""
    home = tmp_path_factory.mktemp("small")
    done = study_command(
        *("run", "studies/digits.toml", "--name", "small", "--trials", 8, "--home", home),
        *("--set", "budget.epochs=4", "--set", "resources.concurrent_trials=2"),
        *("--set", "stopping.scheduler=none"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return SimpleNamespace(home=home, output=done.stdout)


@pytest.fixture(scope="session")
def dashboard(small_study, tmp_path_factory):
    """The address of optuna-dashboard, while it serves the journal of the small study."""
    journal = Home.find(small_study.home).study_folder("small") / "search.journal"
    port = free_port()
    log = tmp_path_factory.mktemp("dashboard") / "log"
    with (
        log.open("w") as file,
        subprocess.Popen(
            [BIN / "optuna-dashboard", str(journal), "--port", str(port)],
            stdout=file,
            stderr=file,
            env=clean_environment(),
        ) as server,
    ):
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until_it_answers(address, server, log)
            yield address
        finally:
            server.terminate()


@pytest.fixture(scope="session")
def ray_head():
    """A head started by hand, as its own machine would: own home, own token, own session folder."""
    # Short, for Ray makes sockets below it and their paths are limited.
    home = Path(tempfile.mkdtemp(prefix="study-head-", dir="/tmp"))
    environment = clean_environment(HOME=str(home), RAY_AUTH_MODE="token")
    ray = BIN / "ray"
    token = subprocess.check_output(
        [ray, "get-auth-token", "--generate"],
        env=environment,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    port, dashboard, agent, client = (free_port() for _ in range(4))
    command = [ray, "start", "--head", "--block", "--num-cpus=2", "--disable-usage-stats"]
    command += [f"--port={port}", f"--dashboard-port={dashboard}"]
    command += [f"--dashboard-agent-listen-port={agent}", f"--ray-client-server-port={client}"]
    command += ["--dashboard-host=127.0.0.1", f"--temp-dir={home}/ray"]
    log = home / "head.log"
    address = f"http://127.0.0.1:{dashboard}"
    with log.open("w") as file:
        # A group of its own, so that ending it ends what it started and nothing else.
        head = subprocess.Popen(
            command, env=environment, stdout=file, stderr=file, start_new_session=True
        )
    try:
        bearer = f"Bearer {token.strip()}"
        wait_until_it_answers(f"{address}/api/version", head, log, Authorization=bearer)
        yield SimpleNamespace(address=address, home=home, token=token.strip())
    finally:
        head.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            head.wait(timeout=60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(head.pid, signal.SIGKILL)
        head.wait()
        shutil.rmtree(home, ignore_errors=True)  # what was killed may still be on its way out
