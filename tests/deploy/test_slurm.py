"""deploy/slurm.sbatch, as far as it can be checked without Slurm."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import ROOT

FILE = ROOT / "deploy/slurm.sbatch"
TEXT = FILE.read_text(encoding="utf-8")
JOB = str(os.getpid())
FOLDER = Path(f"/tmp/study-{JOB}")  # noqa: S108  # Ray's, whose paths must be short
RECORDED = """
echo "$(basename "$0") $* [${RAY_ADDRESS:-}]" >> "$CALLS"
case "$(basename "$0") $*" in
    "python "*token*) echo secret ;;
    "python "*address*) echo 10.0.0.1 ;;
    "ray start --head"*) stat -c %a "/tmp/study-$SLURM_JOB_ID" >> "$CALLS" ;;
    "scontrol show"*) echo "JobState=$JOB_STATE" ;;
    "srun "*) while [[ $1 == --* ]]; do shift; done; exec "$@" ;;
    "study run"*)
        for _ in {1..300}; do grep -q "^ray start --address" "$CALLS" && break; sleep 0.1; done
        trap 'exit 143' TERM; kill -TERM "$PPID"; sleep 30 & wait ;;
esac
"""
"""What stands for the programs that the script calls: a study to whose job Slurm sends SIGTERM."""


@pytest.fixture(autouse=True)
def _clean():
    yield
    shutil.rmtree(FOLDER, ignore_errors=True)


def calls(folder, **environment):
    """The programs that the script calls, in order, and its exit status."""
    programs = folder / ".venv/bin"
    programs.mkdir(parents=True)
    for name in ("ray", "srun", "scontrol", "study", "python"):
        (programs / name).write_text(f"#!/bin/bash{RECORDED}")
        (programs / name).chmod(0o755)
    slurm = {
        "SLURM_SUBMIT_DIR": str(folder),
        "SLURM_JOB_ID": JOB,
        "SLURM_JOB_NUM_NODES": "3",
        "SLURM_CPUS_PER_TASK": "8",
        "SLURMD_NODENAME": "n1",
    }
    recorded = folder / "calls"
    done = subprocess.run(
        ["bash", FILE, "mine.toml", "--trials", "9"],  # noqa: S607  # Slurm's own call
        env={"PATH": "/usr/bin:/bin", "CALLS": str(recorded)} | slurm | environment,
        check=False,
        timeout=60,
    )
    return recorded.read_text().splitlines(), done.returncode


def test_a_job_stops_its_study_on_sigterm_and_requeues_itself(tmp_path):
    called, status = calls(tmp_path, JOB_STATE="RUNNING")
    assert status == 143
    assert "study run mine.toml --trials 9 [10.0.0.1:6379]" in called
    assert any(one.startswith("srun --nodes=2 --ntasks=2 --exclude=n1") for one in called)
    assert "ray start --address=10.0.0.1:6379 --num-cpus=8 --block []" in called
    requeued = f"scontrol requeue {JOB} [10.0.0.1:6379]"
    assert called[-2:] == [requeued, "ray stop [10.0.0.1:6379]"]


def test_the_folders_of_ray_are_in_one_that_no_other_user_can_enter_and_that_is_deleted(tmp_path):
    called, _ = calls(tmp_path, JOB_STATE="RUNNING")
    (head,) = (one for one in called if one.startswith("ray start --head"))
    assert f"--temp-dir={FOLDER}/ray" in head
    assert "700" in called
    assert not FOLDER.exists()


def test_a_cancelled_job_is_not_requeued(tmp_path):
    called, status = calls(tmp_path, JOB_STATE="COMPLETING")
    assert status == 143
    assert not any("requeue" in one for one in called)


def test_slurm_signals_the_script_alone_and_may_requeue_it():
    options = re.findall(r"^#SBATCH (.*)$", TEXT.partition("set -euo")[0], flags=re.MULTILINE)
    assert {"--requeue", "--signal=B:TERM@300", "--open-mode=append", "--exclusive"} <= set(options)
    assert TEXT.count("#SBATCH ") == len(options)  # below the first command Slurm reads none
