"""Trials packed onto what there is: parts of a CPU, one copy of the data."""

import json
import subprocess
import sys

import pytest

from tests.support.processes import PATIENCE_S, ROOT, clean_environment

pytestmark = pytest.mark.slow


def test_trials_share_a_cpu_and_one_copy_of_the_data():
    """In a process of its own, for the study is ended by a signal to it."""
    megabytes, trials = 200, 2
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scaling.memory", str(megabytes), str(trials)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=clean_environment(),
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["small"]["workers"], found["large"]["workers"]) == (trials, trials)
    assert found["copies_rss"] > 1.5  # every worker has it in its memory
    assert found["copies_pss"] < 1.5
    assert found["copies_private"] < 0.5
