"""A study on a real Ray with many workers whose trials train nothing, for benchmarks/workers.

Everything of a study is on (`study.runner.driver`): sampler, halving, journal, MLflow on SQLite and
screen. A trial reports 15 epochs one by one and ends at once, so all workers wait for the driver.
"""

import io
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, final

import psutil
from rich.console import Console

from benchmarks.overhead.ours import Times, spec, unsent_bytes
from benchmarks.overhead.trial import EveryEpoch
from benchmarks.scaling.memory import held_by, worker_processes
from study import StudySpec, environment
from study.home import Home
from study.runner import driver
from study.runner import tuner as runner_tuner
from study.runner.callback import TrialCallback

EPOCHS: Final = 15
SAMPLER: Final = "ehvi"
_CPUS: Final = 0.01  # of a trial
_EVERY_S: Final = 5.0
MB: Final = 1e6


def measure(workers: int, trials: int) -> dict[str, Any]:
    """Runs the study; `steady` are times of the second half of its trials."""
    environment.prepare()
    times, events = Times(), _Events()
    times.attach()
    events.attach()
    runner_tuner.StudyTrainable = EveryEpoch  # type: ignore[assignment,attr-defined]  # what a worker runs
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        home = Home.find(name, f"sqlite:///{name}/mlflow.db")
        study = _spec(workers, trials)
        folder = home.study_folder(study.name)
        with _watched(folder.spool, workers, times) as watched:
            summary = driver.run(study, home=home, console=Console(file=io.StringIO()))
        journal = folder.journal.stat().st_size
    return {
        "workers": workers,
        "trials": trials,
        "epochs": EPOCHS,
        "sampler": SAMPLER,
        "states": summary.states,
        "first_trial_s": times.ends[0] - start,
        "last_trial_s": times.ends[-1] - start,
        "second_quarter": times.between(trials // 4, trials // 2),
        "steady": times.between(trials // 2, trials),
        "events_a_trial": events.count / trials,
        "journal_bytes_a_trial": journal / trials,
        "memory_mb": times.memory_mb((1, trials // 2, trials)),
        "drain_s": times.sent - times.ends[-1],
        "sender_processor_ms": 1e3 * times.sender / trials,
    } | watched


@final
class _Events:
    """Counts what Tune's loop hears of workers: that a trial starts, or reports."""

    def __init__(self) -> None:
        self.count = 0

    def attach(self) -> None:
        """Counts from now on, for the rest of the process."""
        for name in ("on_trial_start", "on_trial_result"):
            setattr(TrialCallback, name, self._counted(getattr(TrialCallback, name)))

    def _counted(self, hook: Callable[..., None]) -> Callable[..., None]:
        def counted(*arguments: object, **named: object) -> None:
            self.count += 1
            hook(*arguments, **named)

        return counted


def _spec(workers: int, trials: int) -> StudySpec:
    table = spec(trials, SAMPLER, "pareto", EPOCHS).to_dict()
    return StudySpec.from_dict(table | {"resources": {"cpus": _CPUS, "concurrent_trials": workers}})


@contextmanager
def _watched(spool: Path, workers: int, times: Times) -> Iterator[dict[str, Any]]:
    """What is seen every few seconds, as `samples`, and when most workers are live."""
    load = psutil.getloadavg()[0]
    seen: dict[str, Any] = {"load_before": load, "samples": [], "most_workers": {}}
    over = threading.Event()

    def look() -> None:
        while not over.wait(_EVERY_S):
            found = worker_processes(EveryEpoch.__name__)
            sample = {
                "at_s": round(time.perf_counter() - start, 1),
                "trials": len(times.ends),
                "workers": len(found),
                "processes": len(psutil.Process().children(recursive=True)),
                "unsent_mb": round(unsent_bytes(spool) / MB, 3),
            }
            seen["samples"].append(sample)
            if len(found) > seen["most_workers"].get("workers", 0):
                held = [held_by(process.pid)["private_mb"] for process in found]
                seen["most_workers"] = sample | {"private_mb": sum(held) / len(held)}
            sys.stderr.write(
                f"{workers} workers, {sample['at_s']:.0f} s: {sample['trials']:,} trials, "
                f"{sample['workers']} workers live, {sample['unsent_mb']} MB unsent\n"
            )

    start = time.perf_counter()
    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(*map(int, sys.argv[1:]))) + "\n")
