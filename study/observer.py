"""Hears what Ray Tune does, and passes it on to tracker, scoreboard and screen.

Ray calls the methods with keywords, from within its loop.
"""

import shutil
from pathlib import Path
from typing import Any, final

from ray import tune
from ray.exceptions import RayActorError
from ray.tune.experiment import Trial

from study.outcome import WORKER_DIED, Outcome, judge
from study.progress import Progress
from study.scoreboard import Scoreboard
from study.stop import Stop
from study.tracking import Tracker
from study.trial import TrialConfig


@final
class Observer(tune.Callback):
    """Never blocks: all that takes time happens in the tracker's thread."""

    def __init__(
        self, tracker: Tracker, scoreboard: Scoreboard, progress: Progress, stop: Stop
    ) -> None:
        self._stop = stop
        self._tracker = tracker
        self._scoreboard = scoreboard
        self._progress = progress

    def __getstate__(self) -> dict[str, Any]:
        """Ray snapshots its callbacks to restore them; a study continues from its own stores."""
        return {}

    def on_trial_start(self, trial: Trial, **_: object) -> None:
        self._begin(trial)

    def on_trial_result(
        self,
        trial: Trial,
        result: dict[str, Any],
        **_: object,
    ) -> None:
        if result["metrics"]:
            worker = f"{result['hostname']}:{result['pid']}"
            self._tracker.log_epoch(trial.config["number"], result["metrics"], worker)

    def on_trial_complete(
        self,
        trial: Trial,
        **_: object,
    ) -> None:
        outcome = judge(trial.last_result, self._scoreboard.spec.objectives)
        self._end(trial, outcome, trial.last_result.get("metrics", {}))

    def on_trial_error(self, trial: Trial, **_: object) -> None:
        if trial.config["number"] not in self._scoreboard.running:
            # Its worker did not even start.
            self._begin(trial)
        error = trial.get_error()
        died = error is None or isinstance(error, RayActorError)
        reason = f"{WORKER_DIED}: {error}" if died else f"{type(error).__name__}: {error}"
        self._end(trial, Outcome(state="FAIL", reason=reason), {})

    def on_step_end(self, **_: object) -> None:
        if self._tracker.failed:
            self._stop.because("the tracking store takes no records")
        self._progress.update()

    def _begin(self, trial: Trial) -> None:
        config = TrialConfig.from_dict(trial.config)
        self._scoreboard.begin(config.number, config.architecture.label())
        self._tracker.begin_trial(config)

    def _end(self, trial: Trial, outcome: Outcome, metrics: dict[str, float]) -> None:
        number = trial.config["number"]
        changes = self._scoreboard.end(number, outcome.state, metrics)
        self._tracker.end_trial(number, outcome, self._model(trial, number))
        self._tracker.mark_front(changes)
        best = self._scoreboard.best()
        if best is not None:
            name = next(iter(self._scoreboard.spec.objectives))
            values = {"hypervolume": self._scoreboard.hypervolume, f"best_{name}": best[0]}
            self._tracker.log_study(self._scoreboard.ended, values)

    def _model(self, trial: Trial, number: int) -> Path | None:
        """The trial's stored network if it is on the front; the others' are deleted."""
        if trial.checkpoint is None:
            return None
        folder = Path(trial.checkpoint.path)
        if number in self._scoreboard.front:
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        return None
