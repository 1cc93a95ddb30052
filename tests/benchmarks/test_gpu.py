"""The benchmark for GPUs, as far as a CPU runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu.__main__ import STEPS, main
from models import FAMILIES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PROCESSES = ("left behind", "beside each other")
HERE = [name for name in STEPS if name not in PROCESSES]


def run(steps, folder):
    file = folder / "gpu.json"
    assert main(["--device", "cpu", "--to", str(file), "--steps", *steps]) == 0
    return json.loads(file.read_text())


def test_its_steps_run_on_a_cpu(tmp_path):
    result = run(HERE, tmp_path)
    assert result["machine"]["device"] == "cpu"
    found = result["steps"]
    assert list(found) == HERE
    assert {row["family"] for row in found["families"]["rows"]} == set(FAMILIES)
    assert found["families"]["worst"] < 1e-4
    for family in ("dann-lrf", "vann", "cnn"):
        assert found["reproducible"][family]["again"]
        assert found["reproducible"][family]["after a checkpoint"]
    for row in found["steps"]["rows"]:
        assert row["csr"]["eager"] > 0
        assert ("dense" in row) is (row["family"] == "dann-lrf")
        assert (row["csr"].get("launches", 0) > 20) is (row["replicates"] == 1)
    for row in found["first layer"]["rows"]:
        for name, seconds in row["seconds"].items():
            assert seconds["eager"] > 0, name
    assert all(row["steps_a_second"] > 0 for row in found["fused"]["rows"])


def test_its_processes_run_on_a_cpu(tmp_path):
    found = run(PROCESSES, tmp_path)["steps"]
    after = found["left behind"]["out of memory"]
    assert after["error"].startswith("RuntimeError: ")
    assert (after["is_lost"], after["next"]) == (False, True)
    rows = found["beside each other"]["rows"]
    assert rows[0]["processes"] == 1
    assert all(row["steps_a_second"] > 0 for row in rows)


def test_it_needs_none_of_the_larger_libraries(tmp_path):
    """A machine that has a GPU may have torch alone."""
    code = """
import sys
for name in ("ray", "optuna", "mlflow", "pydantic", "tomli_w", "numba", "sklearn", "pandas", "rich"):
    sys.modules[name] = None
from benchmarks.gpu.__main__ import main
sys.exit(main(["--device", "cpu", "--steps", "fused", "--to", sys.argv[1]]))
"""
    command = [sys.executable, "-c", code, str(tmp_path / "gpu.json")]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
