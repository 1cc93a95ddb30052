"""What follows from Ray Tune's events: records, and for a study its scoreboard and its front."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, final

from ray import tune
from ray.tune.experiment import Trial

from study.runner.kept_checkpoints import KeptCheckpoints
from study.runner.progress import Progress
from study.runner.scoreboard import Scoreboard
from study.runner.stopper import StudyStopper
from study.search.promotion import kept_states
from study.search.trial import WORKER_DIED, EndedTrial, Outcome, TrialConfig, TrialListener
from study.tracking.tracker import Tracker
from study.training.device import UNUSABLE

Values = TypeVar("Values")

_FAILURE: Final = "Failure # "  # Tune's line before each error of a trial
_TOLD_FAILURES: Final = (1, 5, 20)  # how many of a kind there are when one is printed
_MOST_NOT_BEGUN: Final = 3  # times that the worker of a trial may be gone before the trial begins
_DIED: Final = (
    "The actor "  # Ray's message, which goes on with "died unexpectedly", "is dead" or the like
)


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
class TrialCallback(tune.Callback):
    """Records trials. It never blocks Tune's loop: another process sends the records."""

    def __init__(self, tracker: Tracker, stop: StudyStopper, observer: Observer) -> None:
        self._tracker = tracker
        self._stop = stop
        self._observer = observer
        self._trouble: str | None = None
        # The last epoch of each trial, now and when it last lost its worker.
        self._epochs: dict[int, int] = {}
        self._epochs_before: dict[int, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Ray snapshots its callbacks to restore them; a study continues from its own stores."""
        return {}

    def on_trial_start(self, trial: Trial, **_: object) -> None:
        config = TrialConfig.from_dict(trial.config)
        self._observer.begin(config)
        self._tracker.begin_trial(config)

    def on_trial_result(self, trial: Trial, result: dict[str, Any], **_: object) -> None:
        number = trial.config["number"]
        worker = f"{result['hostname']}:{result['pid']}"
        for metrics in result["epochs"]:
            self._epochs[number] = max(self._epochs.get(number, 0), int(metrics["epochs"]))
            self._observer.epoch(number, metrics)
            recorded = self._observer.recorded(metrics)
            self._tracker.log_epoch(number, recorded, worker=worker, engine=result["engine"])
        if result["epochs"]:
            first = int(result["epochs"][0]["epochs"])
            self._tracker.log_curves(number, first, self._observer.recorded(result["curves"]))
        self._tracker.log_replicates(number, self._observer.recorded(result["replicates"]))
        if result["notice"]:
            self._tracker.note(number, result["notice"])
            self._observer.notify(f"trial {number}: {result['notice']}")

    def on_trial_recover(self, trial: Trial, **_: object) -> None:
        """Handles the death of a worker, whose trial Ray gives to another one.

        It does not count as a failure of a trial that has trained further since the last one: machines
        that come and go are no fault of the trial.
        """
        self._stop_for_node(_error_of(trial))
        number = trial.config["number"]
        epochs = self._epochs.get(number, 0)
        if epochs > self._epochs_before.get(number, 0):
            trial.max_failures += 1
        self._epochs_before[number] = epochs

    def on_trial_error(self, trial: Trial, **_: object) -> None:
        error = _error_of(trial)
        self._stop_for_node(error)
        self._observer.fail(TrialConfig.from_dict(trial.config), _reason_of(error))

    def _stop_for_node(self, error: str) -> None:
        """Stops the study if no worker can start on a node: it would fail trial after trial."""
        if UNUSABLE in error:
            self._stop.because(error[error.rindex(UNUSABLE) :].splitlines()[0])

    def on_step_end(self, **_: object) -> None:
        if self._tracker.failed:
            self._stop.because("records cannot be written to disk")
        trouble = self._tracker.trouble
        if (trouble is None) != (self._trouble is None):
            self._observer.notify(
                "the tracking store accepts records again"
                if trouble is None
                else f"the tracking store accepts no records, which wait on disk: {trouble}"
            )
        self._trouble = trouble
        self._observer.update()


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


def _error_of(trial: Trial) -> str:
    """The text of the last error of a trial that left its worker, empty if there is none.

    Tune writes one after the other into a file; what it keeps of them beside is a pickle. Lines of a
    traceback are left out.
    """
    try:
        text = Path(trial.error_file or "").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = text.rpartition(_FAILURE)[2].splitlines()[1:]
    if lines and lines[0].startswith(_DIED):
        return "\n".join(lines).strip()
    traceback = [
        place for place, line in enumerate(lines) if line.startswith((" ", "\x1b", "ray::"))
    ]
    return "\n".join(lines[max(traceback, default=-1) + 1 :]).strip()


def _reason_of(error: str) -> str:
    """Why a trial fails whose worker died, or raised an error, again and again."""
    if error.startswith(_DIED) or not error:
        return f"{WORKER_DIED}: {error}"
    return " ".join(error.split())
