"""A home that cannot be written, or has no room, at ten moments of a study."""

import json
import subprocess
import sys

import pytest

from study import Home
from study.results import answers
from tests.support.full_disk import EPOCHS, MOMENTS, TRIALS
from tests.support.processes import PATIENCE_S, ROOT, clean_environment, curve

pytestmark = pytest.mark.slow


def test_a_full_disk_is_said_and_what_is_stored_is_intact(tmp_path):
    """The disk is a mount of a namespace: it is gone with its process, and needs no privilege."""
    home, keep = tmp_path / "home", tmp_path / "keep"
    home.mkdir()
    program = [sys.executable, "-m", "tests.support.full_disk", home, keep]
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", *program],  # noqa: S607  # of the system
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=clean_environment(),
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    readonly, *full, last = map(json.loads, done.stdout.splitlines())
    assert readonly["error"] == "StudyError"
    assert f"the home {home} must be writable and have room, got: " in readonly["text"]
    assert "Read-only file system" in readonly["text"]
    assert len(full) == len(MOMENTS) == 10
    ended = {}
    for one in (readonly, *full, last):
        assert one["traceback"] == ""
        assert one["integrity"] == "ok"
        # What has ended stays as it is.
        assert ended.items() <= one["ended"].items()
        ended = one["ended"]
    reasons = ("No space left on device", "disk is full", "disk I/O error")
    for one in full:
        assert one["error"] in {"StudyError", "TrackingError"}, one
        assert any(reason in one["text"] for reason in reasons), one
        assert "the same command" in one["text"], one
    assert last["error"] is None, last
    home.rmdir()
    keep.rename(home)
    found = answers.records("full", home=Home.find(home))
    assert [record.state for record in found] == ["COMPLETE"] * TRIALS
    assert {str(one.trial): one.val_accuracy for one in found} == {
        number: values[0] for number, values in ended.items()
    }
    for record in found:
        assert curve(Home.find(home), record.run_id) == list(range(1, EPOCHS + 1))
