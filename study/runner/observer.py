"""The observers of trials: what a study, or a single training, shows and does at their events."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, TypeVar, final

from study.runner.kept_checkpoints import KeptCheckpoints
from study.runner.progress import Progress
from study.runner.scoreboard import Scoreboard
from study.runner.stopper import StudyStopper
from study.search.promotion import kept_states
from study.search.trial import EndedTrial, Outcome, TrialConfig, TrialListener
from study.tracking.tracker import Tracker

Values = TypeVar("Values")

_TOLD_FAILURES: Final = (1, 5, 20)  # how many of a kind there are when one is printed
_MOST_NOT_BEGUN: Final = 3  # times that the worker of a trial may be gone before the trial begins


class Observer:
    """Shows trials, and decides what follows from an error; by default it records all and does nothing.

    `notify` prints a message, `update` brings the screen up to date.
    """

    def __init__(
        self, notify: Callable[[str], None], update: Callable[[], None] = lambda: None
    ) -> None:
        self.notify = notify
        self.update = update

    def begin(self, config: TrialConfig) -> None:
        """Starts a trial, or continues it."""

    def epoch(self, number: int, metrics: Mapping[str, float]) -> None:
        """Shows an epoch of a trial."""

    def recorded(self, metrics: Mapping[str, Values]) -> Mapping[str, Values]:
        """The metrics to record of those that were measured."""
        return metrics

    def fail(self, config: TrialConfig, reason: str) -> None:
        """Ends a trial after an error that only Ray knows, perhaps before its worker started."""


@final
class StudyObserver(Observer, TrialListener):
    """Keeps the scoreboard of a study, and records how its trials end, which the searcher decides."""

    def __init__(
        self,
        tracker: Tracker,
        scoreboard: Scoreboard,
        progress: Progress,
        stop: StudyStopper,
        kept_checkpoints: KeptCheckpoints,
    ) -> None:
        super().__init__(progress.notify, progress.update)
        self._tracker = tracker
        self._scoreboard = scoreboard
        self._stop = stop
        self._kept_checkpoints = kept_checkpoints
        # How often the worker of a trial was gone before it began; trials whose error Tune reports next.
        self._not_begun: Counter[int] = Counter()
        self._again: set[int] = set()

    def begin(self, config: TrialConfig) -> None:
        """Puts a trial on the scoreboard."""
        self._scoreboard.begin(config.number, config.architecture.label())

    def epoch(self, number: int, metrics: Mapping[str, float]) -> None:
        self._scoreboard.epoch(number, int(metrics["epochs"]))

    def fail(self, config: TrialConfig, reason: str) -> None:
        """Records a trial that failed, unless it is handed out again."""
        if config.number in self._again:
            self._again.remove(config.number)
            self.notify(
                f"trial {config.number}: its worker died before it began, so it is run again"
            )
            return
        self.ensure_begun(config)
        self.on_end(EndedTrial(number=config.number, outcome=Outcome(state="FAIL", reason=reason)))

    def begins_again(self, number: int) -> bool:
        """Whether a trial whose worker is gone had not begun, and is to be handed out again.

        Tune retries a trial whose worker dies, but not one that waits for a worker of an earlier trial
        which turns out to be dead (`_process_trial_failure` in ray/tune/execution/tune_controller.py).
        """
        if number in self._scoreboard.running:
            return False
        self._not_begun[number] += 1
        if self._not_begun[number] > _MOST_NOT_BEGUN:
            return False
        self._again.add(number)
        return True

    def run_id(self, number: int) -> str | None:
        return self._tracker.run_ids.get(number)

    def can_continue(self, number: int) -> bool:
        try:
            return self._kept_checkpoints.readable(number)
        except OSError as error:
            self.notify(
                f"trial {number} cannot be continued, its checkpoint cannot be read: {error}"
            )
            return False

    def ensure_begun(self, config: TrialConfig) -> None:
        if config.number not in self._scoreboard.running:
            self.begin(config)
            self._tracker.begin_trial(config)

    def on_end(self, ended: EndedTrial) -> None:
        board, number = self._scoreboard, ended.number
        board.end(number, ended.outcome.state, ended.metrics, ended.point, goes_on=ended.goes_on)
        reason = ended.outcome.reason
        count = 0 if reason is None else board.failures.add(reason)
        if count in _TOLD_FAILURES:
            more = f"; {count} trials failed for such a reason" if count > 1 else ""
            self.notify(f"trial {number} failed: {reason}{more}")
        self._stop.on_end(ended.outcome.state, reason)
        on_front = number in board.front.points
        self._tracker.end_trial(
            number,
            ended.outcome,
            keep_network=on_front,
            keep_checkpoint=ended.outcome.state in kept_states(board.spec),
        )
        self._kept_checkpoints.on_end()
        self._tracker.mark_front(ended.changes)
        best = board.best()
        if best is not None:
            name = next(iter(board.spec.objectives))
            values = {"hypervolume": board.front.hypervolume, f"best_{name}": best[0]}
            values["best_val_accuracy"] = board.best_accuracy
            self._tracker.log_study(board.ended, values)
