"""Passes on what Ray Tune and the searcher do to tracker, scoreboard and screen.

Ray calls the methods with keywords, from within its loop. How a trial ended the searcher says, which
has judged its report; only of errors Ray alone knows the reason.
"""

from collections.abc import Mapping
from typing import Any, final

from ray import tune
from ray.exceptions import RayActorError
from ray.tune.experiment import Trial

from study.runner.progress import Progress
from study.runner.scoreboard import Scoreboard
from study.runner.stopper import StudyStopper
from study.search.trial import WORKER_DIED, EndedTrial, Outcome, TrialConfig, TrialListener
from study.study_folder import NOT_SHARED
from study.tracking.tracker import Tracker


@final
class StudyCallback(tune.Callback, TrialListener):
    """Never blocks: all that takes time happens in the process that sends records."""

    def __init__(
        self,
        tracker: Tracker,
        scoreboard: Scoreboard,
        progress: Progress,
        stop: StudyStopper,
    ) -> None:
        self._stop = stop
        self._tracker = tracker
        self._scoreboard = scoreboard
        self._progress = progress
        self._trouble: str | None = None

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
        number = trial.config["number"]
        worker = f"{result['hostname']}:{result['pid']}"
        for metrics in result["epochs"]:
            self._tracker.log_epoch(number, metrics, worker)
        if result["notice"]:
            self._tracker.note(number, result["notice"])
            self._progress.say(f"trial {number}: {result['notice']}")

    def on_trial_recover(self, trial: Trial, **_: object) -> None:
        """A worker died, and Ray gives the trial another one."""
        said = str(trial.get_error())
        if NOT_SHARED in said:
            # A node that joined; it would take trial after trial, and keep what they store to itself.
            start = said.index(NOT_SHARED)
            self._stop.because(said[start:].splitlines()[0])

    def on_trial_error(self, trial: Trial, **_: object) -> None:
        if trial.config["number"] not in self._scoreboard.running:
            # Its worker did not even start.
            self._begin(trial)
        error = trial.get_error()
        died = error is None or isinstance(error, RayActorError)
        reason = f"{WORKER_DIED}: {error}" if died else f"{type(error).__name__}: {error}"
        outcome = Outcome(state="FAIL", reason=reason)
        self.on_end(EndedTrial(number=trial.config["number"], outcome=outcome))

    def run_id(self, number: int) -> str | None:
        return self._tracker.run_ids.get(number)

    def on_infeasible(
        self, config: TrialConfig, counted: Mapping[str, float], outcome: Outcome
    ) -> None:
        number = config.number
        self._scoreboard.begin(number, config.architecture.label())
        self._tracker.begin_trial(config)
        self._tracker.log_counts(number, counted)
        self._scoreboard.end(number, outcome.state, counted)
        self._tracker.end_trial(number, outcome, on_front=False)

    def on_end(self, ended: EndedTrial) -> None:
        board, number = self._scoreboard, ended.number
        board.end(number, ended.outcome.state, ended.metrics, ended.point)
        self._tracker.end_trial(number, ended.outcome, on_front=number in board.front.points)
        self._tracker.mark_front(ended.changes)
        best = board.best()
        if best is not None:
            name = next(iter(board.spec.objectives))
            values = {"hypervolume": board.front.hypervolume, f"best_{name}": best[0]}
            values["best_val_accuracy"] = board.best_accuracy
            self._tracker.log_study(board.ended, values)

    def on_step_end(self, **_: object) -> None:
        if self._tracker.failed:
            self._stop.because("the tracking store takes no records")
        self._say_trouble()
        self._progress.update()

    def _say_trouble(self) -> None:
        """Says once that the tracking store is away, and once that it is back."""
        trouble = self._tracker.trouble
        if (trouble is None) != (self._trouble is None):
            self._progress.say(
                "the tracking store takes records again"
                if trouble is None
                else f"the tracking store takes no records, so they wait on disk: {trouble}"
            )
        self._trouble = trouble

    def _begin(self, trial: Trial) -> None:
        config = TrialConfig.from_dict(trial.config)
        self._scoreboard.begin(config.number, config.architecture.label())
        self._tracker.begin_trial(config)
