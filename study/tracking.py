"""The one writer to MLflow: a queue that never blocks the Tune loop, and a thread that empties it.

Ray's own callback sends a request for each metric from within the loop, about 100 ms a report.
"""

import logging
import queue
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, final

from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from study.errors import UNWRITABLE, TrackingError
from study.home import Home
from study.mlflow_writer import MlflowWriter, now
from study.outcome import Outcome
from study.spec import StudySpec
from study.trial import NETWORK, TrialConfig

_PATIENCE_S: Final = 60.0  # how long a request is tried again before the rest is given up
_LONGEST_PAUSE_S: Final = 5.0
_SQLITE_FULL: Final = ("database or disk is full", "attempt to write a readonly database")
_FAILURES: Final = (MlflowException, RequestException, SQLAlchemyError, OSError)


@final
class Tracker:
    """Records a study from the driver. Each call returns at once; `close` waits until all is sent.

    `identity` is that of the search whose trials are recorded, `run_ids` has the MLflow run of each
    trial that has one by now.
    If the store takes nothing for a minute, `failed` turns true and `close` raises TrackingError.
    """

    def __init__(self, spec: StudySpec, home: Home, identity: str) -> None:
        self._spec = spec
        self._identity = identity
        self._home = home
        self._queue: queue.SimpleQueue[tuple[str, tuple[Any, ...]] | None] = queue.SimpleQueue()
        self._error: Exception | None = None
        self._dropped = 0
        self._states: dict[int, str] = {}
        self.run_ids: dict[int, str] = {}
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._write, name="tracker", daemon=True)

    def start(self) -> None:
        """Opens the store in the background; a fresh SQLite store takes seconds to make."""
        self._thread.start()

    def wait_until_ready(self) -> Mapping[int, str]:
        """Waits until the store is open; the state in which it has each trial that it knows.

        Raises TrackingError if it could not be opened.
        """
        self._ready.wait()
        self._raise_error()
        return self._states

    @property
    def failed(self) -> bool:
        """Whether records are being lost, so that `close` will raise."""
        return self._error is not None

    def begin_trial(self, trial: TrialConfig) -> None:
        """A trial starts, or goes on."""
        self._put("begin_trial", trial.number, trial.architecture.label(), trial.to_dict())

    def log_epoch(self, number: int, metrics: Mapping[str, float], worker: str) -> None:
        """A trial's metrics after an epoch (`metrics["epochs"]` says which), and who trained it."""
        self._put("trial_metrics", number, int(metrics["epochs"]), now(), dict(metrics))
        self._put("mark_worker", number, worker)

    def log_counts(self, number: int, metrics: Mapping[str, float]) -> None:
        """What is known of a trial's network that was never trained."""
        self._put("trial_metrics", number, 0, now(), dict(metrics))

    def note(self, number: int, notice: str) -> None:
        """Something happened to a trial that does not end it."""
        self._put("mark_notice", number, notice)

    def end_trial(self, number: int, outcome: Outcome, folder: Path, *, on_front: bool) -> None:
        """A trial ended. Its network is taken from its folder if it is on the front.

        The folder is deleted when all is recorded.
        """
        network = folder / NETWORK if on_front else None
        self._put("end_trial", number, outcome.state, outcome.reason, network)
        self._put("discard", folder)

    def interrupt_trial(self, number: int) -> None:
        """A trial was broken off, and will be continued when the study is."""
        self._put("end_trial", number, "INTERRUPTED", None, None)

    def mark_front(self, changes: Mapping[int, bool]) -> None:
        """Trials came to the front, or left it."""
        if changes:
            self._put("mark_front", dict(changes))

    def log_study(self, step: int, metrics: Mapping[str, float]) -> None:
        """Metrics of the whole study after `step` trials ended."""
        self._put("study_metrics", step, now(), dict(metrics))

    def close(self, status: str, front: Mapping[str, Any]) -> None:
        """Ends the study's record, with MLflow's status of the parent, and waits until all is sent.

        Raises TrackingError if something could not be sent.
        """
        self._put("end_study", status, dict(front))
        self._queue.put(None)
        self._thread.join()
        self._raise_error()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise TrackingError(
                f"the tracking store {self._home.tracking_uri} must take every record, "
                f"but {self._dropped} were lost: {self._error}; finished trials are recorded again "
                f"when the study goes on"
            ) from self._error

    def _put(self, method: str, *arguments: Any) -> None:  # noqa: ANN401  # the writer's own
        self._queue.put((method, arguments))

    def _write(self) -> None:
        """The thread: sends what waits, and flushes whenever the queue is empty."""
        try:
            writer = MlflowWriter(self._spec, self._home, self._identity)
            self._states = dict(writer.states)
            self.run_ids.update(writer.run_ids)
            writer.run_ids = self.run_ids
        except Exception as error:  # noqa: BLE001  # the driver waits, and must hear of anything
            self._error = error
            return
        finally:
            self._ready.set()
        while True:
            item = self._queue.get()
            if self._error is None:
                method, arguments = item or ("flush", ())
                self._attempt(writer, method, arguments)
                if self._error is None and self._queue.empty():
                    self._attempt(writer, "flush", ())
            elif item is not None:
                self._dropped += 1
            if item is None:
                return

    def _attempt(self, writer: MlflowWriter, method: str, arguments: tuple[Any, ...]) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        pause = 0.2
        again = False
        while True:
            try:
                if again:
                    # The answer may have been lost, and not the request.
                    writer.find_runs()
                getattr(writer, method)(*arguments)
            except Exception as error:  # noqa: BLE001  # as above
                patient = isinstance(error, _FAILURES) and not _hopeless(error)
                if not patient or time.monotonic() + pause > deadline:
                    self._error = error
                    self._dropped += 1
                    return
                logging.getLogger(__name__).warning("trying %s again: %s", method, error)
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                again = True
            else:
                return


def _hopeless(error: Exception) -> bool:
    """Whether it is no use to try again: the place cannot be written."""
    unwritable = isinstance(error, OSError) and error.errno in UNWRITABLE
    # SQLite's own words, which come through SQLAlchemy and MLflow.
    return unwritable or any(text in str(error) for text in _SQLITE_FULL)
