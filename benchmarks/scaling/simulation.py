"""A study on up to a thousand simulated GPUs, for benchmarks/scaling: how much of them it can use.

Searcher, halving and journal are those of a study. What they compute passes on the simulated clock, as
processor time and as time for the disk. What Ray Tune and the recording take by themselves was
measured by benchmarks/overhead, and is added to each start and each report.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.overhead import trial
from benchmarks.overhead.ours import spec
from benchmarks.simulation import Clock, Simulation
from study import environment

# As many as a study has by default, each long enough for a report of its own.
_EPOCHS: Final = 15
_OVERHEAD: Final = Path(__file__).parents[1] / "results" / "overhead.json"
_RECORDING: Final = ("tracking", "scoreboard", "progress", "observer")


def simulate(workers: int, minutes: float, sampler: str, trials: int) -> dict[str, Any]:
    """Simulates this many trials; the rates are those of the second half."""
    environment.prepare()
    clock = Clock(_timer())
    with tempfile.TemporaryDirectory() as folder:
        study = spec(trials + workers, sampler, "pareto", _EPOCHS)
        event_s = event_ms() / 1e3
        simulation = Simulation(study, workers, Path(folder), 60 * minutes, event_s, clock)
        start = (0.0, 0.0, 0.0)
        while simulation.ended < trials:
            ended = simulation.step()
            if ended and simulation.ended == trials // 2:
                start = (clock(), clock.busy, simulation.trained_s)
        seconds, busy, trained = (
            now - then
            for now, then in zip((clock(), clock.busy, simulation.trained_s), start, strict=True)
        )
    count = trials - trials // 2
    return {
        "workers": workers,
        "minutes": minutes,
        "sampler": sampler,
        "trials": trials,
        "trials_an_hour": 3600 * count / seconds,
        "driver_share": busy / seconds,
        "driver_ms_a_trial": 1e3 * busy / count,
        "worker_share": trained / (workers * seconds),
    }


def event_ms() -> float:
    """Milliseconds that Tune and the recording take for a start or a report."""
    found = json.loads(_OVERHEAD.read_text("utf-8"))["trial"]
    recorded = found["random none every"]["runs"][0]["steady"]["wall"]
    recording = sum(recorded[name] for name in _RECORDING)
    return float((found["raw"]["ms"] + recording) / (trial.EPOCHS + 1))


def _timer() -> Callable[[], float]:
    """Seconds of the processor and of the disk alone: others may use the machine too."""
    waited = 0.0
    sync = os.fsync

    def timed(file: Any) -> None:  # noqa: ANN401  # as os.fsync
        nonlocal waited
        start = time.perf_counter() - time.process_time()
        sync(file)
        waited += time.perf_counter() - time.process_time() - start

    os.fsync = timed  # type: ignore[assignment]  # by position, as it is called
    return lambda: time.process_time() + waited


if __name__ == "__main__":
    count, length, chosen, ending = sys.argv[1:]
    print(json.dumps(simulate(int(count), float(length), chosen, int(ending))))
