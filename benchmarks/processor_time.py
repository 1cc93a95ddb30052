"""The processor seconds of a command and of all that it starts, those that leave it included.

They are known by a variable of their environment. What a process uses after its last sample is not
counted.
"""

import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

_REPOSITORY: Final = Path(__file__).parents[1]
_MARK: Final = "BENCHMARK_OF"  # not of the variables of a study, which tests take away

Key = tuple[int, float]
"""The ID of a process, and when it began."""


@dataclass(frozen=True, slots=True)
class Spent:
    """The exit status of a command, its seconds, and processor seconds by the kind of process."""

    status: int
    seconds: float
    processor: Counter[str]


def spent(
    command: Sequence[str],
    every_s: float,
    kind: Callable[[psutil.Process], str] = lambda _: "",
    *,
    stdout: int | None = None,
    **environment: str,
) -> Spent:
    """Runs a command, and reads so often what each of its processes has used, and its kind by then."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    start = time.monotonic()
    process = subprocess.Popen(  # noqa: S603  # our own
        command,
        cwd=_REPOSITORY,
        env=os.environ | environment | {_MARK: mark},
        stdout=stdout,
    )
    used: dict[Key, tuple[str, float]] = {}
    known: dict[Key, bool] = {}
    while process.poll() is None:
        for one in psutil.process_iter():
            try:
                with one.oneshot():
                    key = one.pid, one.create_time()
                    if key not in known:
                        known[key] = one.environ().get(_MARK) == mark
                    if known[key]:
                        times = one.cpu_times()
                        used[key] = kind(one), times.user + times.system
            except (psutil.Error, OSError):
                continue
        time.sleep(every_s)
    seconds = time.monotonic() - start
    processor: Counter[str] = Counter()
    for name, amount in used.values():
        processor[name] += amount  # type: ignore[assignment]  # counts may be floats
    return Spent(process.returncode, seconds, processor)
