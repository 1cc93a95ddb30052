"""A machine that gives a study as little as it can."""

import shlex
import subprocess

import pytest

from study.results import answers
from tests.support.empty_store import new_home
from tests.support.processes import BIN, PATIENCE_S, ROOT, SMALL, clean_environment

pytestmark = pytest.mark.slow


def test_a_study_needs_no_shared_memory_no_home_of_the_user_and_no_umask(tmp_path):
    """In a namespace of its own, in which nothing can be written to /dev/shm."""
    home = new_home(tmp_path / "home")
    arguments = ("run", "--name", "bare", "--home", home.folder, "--trials", 2, *SMALL)
    arguments += ("--set", "budget.epochs=2", "--set", "stopping.scheduler=none")
    command = shlex.join([str(BIN / "study"), *map(str, arguments)])
    script = f"mount -t tmpfs -o size=4k,ro none /dev/shm || exit 99\numask 000\n{command}"
    environment = clean_environment()
    environment.pop("HOME", None)
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script],  # noqa: S607  # of the system
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert [one.state for one in answers.records("bare", home=home)] == ["COMPLETE"] * 2
