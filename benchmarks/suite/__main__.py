"""Processor seconds of a run of the tests, by the kind of process that used them.

    python -m benchmarks.suite                   # what `make test` gives to pytest
    python -m benchmarks.suite -- -n 2 tests/e2e

All processes that descend from pytest are sampled twice a second, those that leave it included, as Ray's
do (`benchmarks.processor_time`).
"""

import argparse
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.machine import describe
from benchmarks.processor_time import spent

_REPOSITORY: Final = Path(__file__).parents[2]
RESULT: Final = _REPOSITORY / "benchmarks/results/suite.json"
_EVERY_S: Final = 0.5

# The first whose text is in the command counts.
_KINDS: Final = (
    ("senders", "sender_process"),
    ("pytest", "pytest-xdist"),
    ("pytest", "-m pytest"),
    ("Ray's own", "gcs_server"),
    ("Ray's own", "raylet/raylet"),
    ("Ray's own", "ray/dashboard"),
    ("Ray's own", "ray.dashboard"),
    ("Ray's own", "ray/autoscaler"),
    ("Ray's own", "ray/_private/log_monitor"),
    ("Ray's own", "ray.util.client.server"),
    ("Ray's own", "ray start"),
    ("Ray's own", "Agent"),
    ("Ray's own", "ray-dashboard"),
    ("Ray workers", "default_worker"),
    ("Ray workers", "ray::"),
    ("MLflow servers", "mlflow"),
    ("MLflow servers", "uvicorn"),
    ("`study run`", "forkserver"),
    ("`study run`", "study run"),
    ("pytest", "exec(eval(sys.stdin.readline()))"),
    ("PostgreSQL and Chromium", "postgres"),
    ("PostgreSQL and Chromium", "chrom"),
    ("other commands", "study"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument("pytest", nargs="*", default=_of_make_test(), help="arguments of pytest")
    arguments = parser.parse_args()
    result = _measured(arguments.pytest)
    stored = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
    arguments.output.write_text(json.dumps(stored | result, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    sys.exit(result["status"])


def _of_make_test() -> list[str]:
    (line,) = re.findall(r"^AT_ONCE := (.*)$", (_REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    return shlex.split(line)


def _measured(arguments: list[str]) -> dict[str, Any]:
    before = psutil.cpu_times()
    tests = spent([sys.executable, "-m", "pytest", *arguments], _EVERY_S, _kind)
    after = psutil.cpu_times()
    return {
        "machine": describe(),
        "status": tests.status,
        "seconds": round(tests.seconds, 1),
        # Of all that this machine did meanwhile, waiting for a disk included.
        "idle_share": round((after.idle - before.idle) / tests.seconds / psutil.cpu_count(), 3),
        "processor_seconds": {
            kind: round(amount, 1) for kind, amount in tests.processor.most_common()
        },
    }


def _kind(process: psutil.Process) -> str:
    """By the command of a process as it is now: Ray's workers change theirs."""
    command = " ".join(process.cmdline())
    return next((kind for kind, text in _KINDS if text in command), "everything else")


if __name__ == "__main__":
    main()
