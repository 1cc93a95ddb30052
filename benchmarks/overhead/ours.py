"""A whole study of trials that train nothing, for benchmarks/overhead: `study.runner.driver`, timed.

Everything is on: sampler, halving, journal, MLflow on SQLite, scoreboard and progress.
"""

import io
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, final

import psutil
from ray import tune
from rich.console import Console

from benchmarks.overhead.phases import Phases, resident_mb
from benchmarks.overhead.trial import EPOCHS, EveryEpoch, NullTrainable
from study import StudySpec
from study.home import Home
from study.runner import driver
from study.runner import tuner as runner_tuner
from study.runner.callback import TrialCallback
from study.runner.observer import StudyObserver
from study.runner.progress import Progress
from study.runner.run_summary import RunSummary
from study.runner.scoreboard import Scoreboard
from study.search.scheduler import Halving
from study.search.searcher import StudySearcher
from study.search.storage import SearchStorage
from study.search.trial import EndedTrial
from study.tracking.spool import read_position
from study.tracking.tracker import Tracker

SPACE: Final = {
    "somata": [16, 32, 64, 128, 256],
    "dendrites": {"low": 1, "high": 16, "log": True},
    "synapses": [8, 16, 32],
    "learning_rate": {"low": 4e-3, "high": 4e-2, "log": True},
    "batch_size": [32, 64, 128],
}


def spec(trials: int, sampler: str, scheduler: str, epochs: int = EPOCHS) -> StudySpec:
    return StudySpec.from_dict(
        {
            "name": "overhead",
            "dataset": {"name": "digits", "validation_size": 300},
            "families": ["dann-lrf", "dann-r", "vann"],
            "sampler": sampler,
            "space": SPACE,
            "stopping": {"scheduler": scheduler},
            "budget": {"trials": trials, "epochs": epochs},
        }
    )


@final
class Times:
    """What is noted at the end of each trial: the time, the phases so far, the memory."""

    def __init__(self) -> None:
        self.phases = Phases()
        self.ends: list[float] = []
        self._wall: list[dict[str, float]] = []
        self._processor: list[dict[str, float]] = []
        self._memory: list[float] = []
        self.sent = self.sender = 0.0

    def attach(self) -> None:
        """Times the classes of the driver, for the rest of the process."""
        phases = self.phases
        phases.time(StudySearcher, "suggest", phase="ask")
        phases.time(StudySearcher, "on_trial_result", "on_trial_complete", phase="tell")
        phases.time(Halving, "on_trial_result", phase="halving")
        phases.time(SearchStorage, "ask", "tell", "note_rung", "trials", phase="storage")
        names = ("begin_trial", "log_epoch", "end_trial", "mark_front", "log_study")
        phases.time(Tracker, *names, phase="tracking")
        phases.time(Scoreboard, "begin", "end", "best", phase="scoreboard")
        phases.time(Progress, "update", phase="progress")
        hooks = ("on_trial_start", "on_trial_result", "on_step_end")
        phases.time(TrialCallback, *hooks, phase="observer")
        phases.time(StudyObserver, "on_end", phase="observer")
        self._note_ends()

    def _note_ends(self) -> None:
        end, close = StudyObserver.on_end, Tracker.close

        def on_end(observer: StudyObserver, ended: EndedTrial) -> None:
            end(observer, ended)
            self.ends.append(time.perf_counter())
            self._wall.append(dict(self.phases.wall))
            self._processor.append(dict(self.phases.processor) | {"driver": time.process_time()})
            self._memory.append(resident_mb())

        def until_sent(tracker: Tracker, *arguments: Any) -> None:  # noqa: ANN401
            while unsent_bytes(tracker._folder.spool):  # noqa: SLF001  # no part of what a driver needs
                time.sleep(0.02)
            self.sent = time.perf_counter()
            assert tracker._sender is not None  # noqa: S101, SLF001  # it was started
            used = psutil.Process(tracker._sender.pid).cpu_times()  # noqa: SLF001
            self.sender = used.user + used.system
            close(tracker, *arguments)

        StudyObserver.on_end = on_end  # type: ignore[assignment,method-assign]  # timed
        Tracker.close = until_sent  # type: ignore[assignment,method-assign]  # timed

    def between(self, first: int, last: int) -> dict[str, Any]:
        """Milliseconds a trial between the ends of two trials, and by phase."""
        first, last = max(1, first) - 1, last - 1
        count = last - first

        def a_trial(noted: list[dict[str, float]]) -> dict[str, float]:
            return {
                name: 1e3 * (noted[last][name] - noted[first].get(name, 0.0)) / count
                for name in noted[last]
            }

        wall = 1e3 * (self.ends[last] - self.ends[first]) / count
        return {"ms": wall, "wall": a_trial(self._wall), "processor": a_trial(self._processor)}

    def memory_mb(self, counts: Iterable[int]) -> dict[int, float]:
        """The memory of this process after so many trials, in MiB."""
        return {count: self._memory[count - 1] for count in counts if count <= len(self._memory)}

    def result(self, summary: RunSummary) -> dict[str, Any]:
        count = len(self.ends)
        found: dict[str, Any] = {
            "trials": count,
            "states": summary.states,
            "steady": self.between(count // 3, count),
            "drain_s": self.sent - self.ends[-1],
            "sender_processor_ms": 1e3 * self.sender / count,
            "memory_mb": self.memory_mb((1, 100, 300, 1000)),
        }
        if count >= 1000:  # noqa: PLR2004  # as many as are compared
            found["growth"] = {"100": self.between(50, 150), "1000": self.between(900, 1000)}
        return found


def unsent_bytes(spool: Path) -> int:
    """The size of the events that the sender has not sent yet; a count would take longer."""
    if not spool.exists():
        return 0
    position = read_position(spool)
    sizes = {int(file.stem): file.stat().st_size for file in spool.glob("[0-9]*.jsonl")}
    later = sum(size for segment, size in sizes.items() if segment > position.segment)
    return later + max(0, sizes.get(position.segment, 0) - position.offset)


def measure(trials: int, sampler: str, scheduler: str, *, every_epoch: bool) -> dict[str, Any]:
    times = Times()
    times.attach()
    trainable: type[tune.Trainable] = EveryEpoch if every_epoch else NullTrainable
    runner_tuner.StudyTrainable = trainable  # type: ignore[assignment,attr-defined]  # what a worker runs
    with tempfile.TemporaryDirectory() as folder:
        home = Home(folder=Home.find(folder).folder, tracking_uri=f"sqlite:///{folder}/mlflow.db")
        summary = driver.run(
            spec(trials, sampler, scheduler), home=home, console=Console(file=io.StringIO())
        )
    return times.result(summary)


if __name__ == "__main__":
    count, chosen, stopping, steps = sys.argv[1:]
    print(json.dumps(measure(int(count), chosen, stopping, every_epoch=steps == "every")))
