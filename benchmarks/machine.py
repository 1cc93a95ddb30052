"""What a benchmark's figures hold for: the machine, the versions, the command."""

import os
import platform
import shlex
import sys
from importlib.metadata import version
from typing import Any

from study.tracking.provenance import processor

LIBRARIES = ("torch", "ray", "optuna", "mlflow", "numpy", "numba")


def describe() -> dict[str, Any]:
    """The machine, the versions of what does the work, and the command that was given."""
    return {
        "command": shlex.join(["python", *sys.orig_argv[1:]]),
        "processor": processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
    }
