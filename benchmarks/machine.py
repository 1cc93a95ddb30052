"""What a benchmark's figures hold for: the machine, the versions, the command."""

import os
import platform
import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = ("torch", "ray", "optuna", "mlflow", "numpy", "numba")


def describe() -> dict[str, Any]:
    """The machine, the versions of what does the work, and the command that was given."""
    return {
        "command": shlex.join(["python", *sys.orig_argv[1:]]),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
