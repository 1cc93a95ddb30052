"""A home that has no room, or cannot be written."""

import shlex
import sqlite3
import subprocess
from contextlib import closing

import pytest

from study import Home
from study.results import answers
from tests.support.command import study_command
from tests.support.processes import BIN, PATIENCE_S, ROOT, clean_environment

pytestmark = pytest.mark.slow


def run_on(file_system, home, arguments, keep):
    """Runs a study whose home is a file system of its own, and keeps what was left on it.

    In a namespace of its own: the mount is gone with the process, and needs no privilege.
    """
    home.mkdir()
    command = shlex.join([str(BIN / "study"), "run", "--home", str(home), *map(str, arguments)])
    script = f"mount -t tmpfs -o {file_system} none {home} || exit 99\n{command}\n"
    script += f"status=$?\ncp -r {home}/. {keep}\nexit $status"
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script],  # noqa: S607  # of the system
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=clean_environment(),
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode != 99, done.stderr
    return done


def test_a_full_disk_is_said_and_what_is_stored_is_intact(on_ray, tmp_path):
    home, keep = tmp_path / "home", tmp_path / "keep"
    keep.mkdir()
    arguments = ("--name", "full", "--trials", 12, "--set", "families=['vann']")
    arguments += ("--set", "space.somata=[128,256]", "--set", "space.dendrites=[4,8,12,16]")
    arguments += ("--set", "budget.epochs=4", "--set", "stopping.scheduler=none")
    arguments += ("--set", "resources.concurrent_trials=2")
    done = run_on("size=8m", home, arguments, keep)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert "No space left on device" in done.stderr or "disk is full" in done.stderr
    with closing(sqlite3.connect(keep / "mlflow.db")) as store:
        assert store.execute("pragma integrity_check").fetchone() == ("ok",)
    home.rmdir()
    keep.rename(home)
    before = {
        record.trial: record.val_accuracy
        for record in answers.best_configs("full", home=Home.find(home))
    }
    again = study_command("run", "--home", home, *arguments, **on_ray)
    assert again.returncode == 0, again.stdout + again.stderr
    found = answers.records("full", home=Home.find(home))
    assert [record.state for record in found] == ["COMPLETE"] * 12
    assert before.items() <= {record.trial: record.val_accuracy for record in found}.items()


def test_a_home_that_cannot_be_written_is_said_at_once(tmp_path):
    done = run_on("ro", tmp_path / "home", ("--trials", 2), tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the home ")
    assert "must be writable and have room, got: " in done.stderr.replace("\n", " ")
    assert "Read-only file system" in done.stderr
