"""The callback of Ray Tune: records trials, and forwards their events to an observer."""

from pathlib import Path
from typing import Any, Final, final

from ray import tune
from ray.tune.experiment import Trial

from study.runner.observer import Observer
from study.runner.stopper import StudyStopper
from study.search.trial import WORKER_DIED, TrialConfig
from study.tracking.tracker import Tracker
from study.training.device import UNUSABLE

_FAILURE: Final = "Failure # "  # Tune's line before each error of a trial
_DIED: Final = (
    "The actor "  # Ray's message, which goes on with "died unexpectedly", "is dead" or the like
)


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
