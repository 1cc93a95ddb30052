import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from processes import BIN, ROOT, clean_environment, free_port

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
            timeout=300,
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


@pytest.fixture
def dashboard(small_study):
    """The address of optuna-dashboard, while it serves the journal of the small study."""
    journal = Home.find(small_study.home).study_folder("small") / "search.journal"
    port = free_port()
    with subprocess.Popen(
        [BIN / "optuna-dashboard", str(journal), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean_environment(),
    ) as server:
        address = f"http://127.0.0.1:{port}"
        for _ in range(150):
            try:
                if requests.get(address, timeout=2).ok:
                    break
            except requests.ConnectionError:
                time.sleep(0.2)
        yield address
        server.terminate()


@pytest.fixture(scope="session")
def ray_head():
    """A head started by hand, as its own machine would: own home, own token, own session folder."""
    # Short, for Ray makes sockets below it and their paths are limited.
    home = Path(f"/tmp/study-head-{os.getpid()}")  # noqa: S108  # see above
    home.mkdir()
    environment = clean_environment(HOME=str(home), RAY_AUTH_MODE="token")
    ray = BIN / "ray"
    token = subprocess.check_output(
        [ray, "get-auth-token", "--generate"],
        env=environment,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    dashboard = free_port()
    command = [ray, "start", "--head", "--block", "--num-cpus=2", "--disable-usage-stats"]
    command += [f"--port={free_port()}", f"--dashboard-port={dashboard}"]
    command += [
        f"--dashboard-agent-listen-port={free_port()}",
        f"--ray-client-server-port={free_port()}",
    ]
    command += ["--dashboard-host=127.0.0.1", f"--temp-dir={home}/ray"]
    log = (home / "head.log").open("w")
    # A group of its own, so that ending it ends what it started and nothing else.
    head = subprocess.Popen(
        command, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    address = f"http://127.0.0.1:{dashboard}"
    try:
        _wait_for(address, token.strip(), head)
        yield SimpleNamespace(address=address, home=home, token=token.strip())
    finally:
        head.terminate()
        try:
            head.wait(timeout=20)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(head.pid, signal.SIGKILL)
        log.close()
        shutil.rmtree(home)


def _wait_for(address, token, head):
    headers = {"Authorization": f"Bearer {token}"}
    for _ in range(300):
        assert head.poll() is None, "the head ended"
        try:
            if requests.get(f"{address}/api/version", headers=headers, timeout=2).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.2)
    pytest.fail("the head does not answer within a minute")
