"""Trials packed onto what there is: parts of a GPU, one copy of the data."""

import json
import subprocess
import sys

import pytest
import torch
from processes import ROOT, clean_environment, trial_runs

from study import Home

pytestmark = pytest.mark.slow


def test_eight_trials_share_a_gpu_and_one_copy_of_the_data():
    """In a process of its own, for the study is ended by a signal to it."""
    megabytes = 200
    done = subprocess.run(
        [sys.executable, "benchmarks/scaling_memory.py", str(megabytes)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=clean_environment(),
        timeout=570,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["small"]["workers"], found["large"]["workers"]) == (8, 8)
    assert found["copies_rss"] > 4  # every worker has it in its memory
    assert found["copies_pss"] < 2
    assert found["copies_private"] < 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_the_same_spec_runs_on_cpus_and_says_so_once(study_command, tmp_path):
    done = study_command(
        *("run", "--name", "shared", "--trials", 2, "--home", tmp_path),
        *("--set", "budget.epochs=1", "--set", "resources.gpus=0.125"),
    )
    assert done.returncode == 0, done.stderr
    said = "resources.gpus=0.125, but this machine has no GPU: trials run on CPUs"
    assert done.stdout.splitlines().count(said) == 1
    assert {run.data.tags["study.state"] for run in trial_runs(Home.find(tmp_path), "shared")} == {
        "COMPLETE"
    }
