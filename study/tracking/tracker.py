"""Records a study from the driver, without waiting for the tracking store.

Each call appends a line to the spool in some ten microseconds; another process, the sender, sends it.
Ray's own callback sends a request for each metric from within Tune's loop, some 100 ms per report.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, final

from study.errors import TrackingError
from study.home import ALLOW_LOCAL_ARTIFACTS, Home
from study.search.trial import Outcome, TrialConfig
from study.study_folder import StudyFolder
from study.tracking.events import (
    EndState,
    Event,
    FrontChanged,
    ReplicatesReported,
    StudyBegun,
    StudyEnded,
    StudyReported,
    TrialBegun,
    TrialConfirmed,
    TrialEnded,
    TrialNoticed,
    TrialReported,
)
from study.tracking.seed_curves import SeedCurves
from study.tracking.spool import Spool, waiting

_READY_WITHIN_S: Final = 60.0
_QUIET_FOR_S: Final = 3.0
_MOST_DEATHS: Final = 3  # of successive senders that sent nothing


@final
class Tracker:
    """Records the trials of the study in a folder, which has the spec.

    `run_ids` has the known MLflow runs by trial. `trouble` is the reason if nothing can be sent, else
    None.
    """

    def __init__(self, folder: StudyFolder, home: Home) -> None:
        self._folder = folder
        self._home = home
        self.run_ids: dict[int, str] = {}
        self.trouble: str | None = None
        self._curves: dict[int, SeedCurves] = {}  # of running trials
        self._states: dict[int, str] | None = None
        self._error: OSError | None = None
        self._unwritable: str | None = None
        self._refused: list[str] = []
        self._rejected: str | None = None  # why more than single records were
        self._unshown: str | None = None
        self._left: int | None = None  # until the sender has ended
        self._closing = False
        self._deaths = 0
        self._ready = threading.Event()
        self._sender: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._run_senders, name="tracker", daemon=True)

    def start(self, about: Mapping[str, str]) -> None:
        """Opens the spool and starts the sender; `about` are tags of the parent run.

        Raises OSError if the home cannot be written.
        """
        self._spool = Spool(self._folder.spool)
        self._spool.append(StudyBegun(tags=dict(about)).to_json())
        self._thread.start()

    def wait_until_ready(self) -> Mapping[int, str]:
        """Waits until all events of earlier drivers are in the store; returns the states of trials.

        Raises TrackingError if the store cannot be opened.
        """
        troubled_s = 0
        while not self._ready.wait(1.0) and troubled_s < _READY_WITHIN_S:
            if self._rejected or self._unwritable:  # for good
                break
            # There is no limit for an earlier sender, or a long record.
            troubled_s += 1 if self.trouble else 0
        if self._states is None:
            if self._unwritable:
                raise TrackingError(
                    f"the tracking store {self._home.shown_uri} must be writable and have room, got: "
                    f"{self._unwritable}; nothing is lost: the same command continues the study when "
                    "there is room"
                )
            reason = self._rejected or self.trouble or "no answer"
            raise TrackingError(
                f"the tracking store {self._home.shown_uri} must accept the records of the study, "
                f"tried for {troubled_s} s, got: {reason}; nothing is lost: the same command continues "
                "the study when it does"
            )
        return self._states

    @property
    def failed(self) -> bool:
        """Whether events cannot be written to disk; then `close` raises."""
        return self._error is not None or self._unwritable is not None

    def begin_trial(self, trial: TrialConfig) -> None:
        """Starts or resumes a trial."""
        self._curves.setdefault(trial.number, SeedCurves(trial.seeds))
        self._put(TrialBegun(trial=trial))

    def log_epoch(
        self,
        number: int,
        metrics: Mapping[str, float],
        *,
        worker: str | None = None,
        engine: str | None = None,
    ) -> None:
        """Adds the metrics after epoch `metrics["epochs"]`, by default 0.

        `worker` is the process that trained, `engine` its engine and device.
        """
        epoch = int(metrics.get("epochs", 0))
        self._put(
            TrialReported(number=number, epoch=epoch, metrics=metrics, worker=worker, engine=engine)
        )

    def log_replicates(self, number: int, metrics: Mapping[str, Sequence[float]]) -> None:
        """Sets the metrics of the replicates of a trial, in order of their seeds."""
        if metrics:
            self._put(ReplicatesReported(number=number, metrics=metrics))

    def log_curves(
        self, number: int, first: int, curves: Mapping[str, Sequence[Sequence[float]]]
    ) -> None:
        """Adds epochs to the curves of the replicates, which are recorded when the trial ends."""
        self._curves[number].add(first, curves)

    def note(self, number: int, notice: str) -> None:
        """Adds a message to a trial."""
        self._put(TrialNoticed(number=number, notice=notice))

    def end_trial(
        self, number: int, outcome: Outcome, *, keep_network: bool, keep_checkpoint: bool = False
    ) -> None:
        """Ends a trial; its files are deleted once it is recorded, with its network if kept.

        Its checkpoint may stay, to continue from.
        """
        more = {"keep_network": keep_network, "keep_checkpoint": keep_checkpoint}
        self._end(number, outcome.state, reason=outcome.reason, **more)

    def interrupt_trial(self, number: int) -> None:
        """Ends a trial as interrupted; it continues with the study."""
        self._end(number, "INTERRUPTED")

    def confirm_trial(self, number: int, metrics: Mapping[str, float]) -> None:
        """Adds the metrics of the confirmation of a trial, by their names there."""
        self._put(TrialConfirmed(number=number, metrics=metrics))

    def mark_front(self, changes: Mapping[int, bool]) -> None:
        """Marks trials that joined or left the front."""
        if changes:
            self._put(FrontChanged(changes=changes))

    def log_study(self, step: int, metrics: Mapping[str, float]) -> None:
        """Adds metrics of the whole study after `step` ended trials."""
        self._put(StudyReported(step=step, metrics=metrics))

    def close(self, status: str, notify: Callable[[str], None]) -> None:
        """Ends the parent run with this status, and waits until all events are sent.

        Raises TrackingError if records are left on disk because the store keeps failing or refused
        them, OSError if some could not be written to disk.
        """
        self._put(StudyEnded(status=status))
        self._spool.close()
        self._closing = True
        if self._sender is not None and self._sender.stdin is not None:
            self._sender.stdin.close()
        self._thread.join(_QUIET_FOR_S)
        if self._thread.is_alive():
            notify("sending the remaining records and the report to the tracking store")
            self._thread.join()
        if self._error is not None:
            raise self._error
        uri = self._home.shown_uri
        left = waiting(self._folder.spool) if self._left is None else self._left
        if left:
            raise TrackingError(
                f"the tracking store {uri} must accept every record, {left} are not sent: "
                f"{self.trouble or self._unwritable}; nothing is lost: `study sync {self._folder.name}"
                f"{self._home.options()}` or the same command sends them"
            )
        if self._refused:
            raise TrackingError(
                f"the tracking store {uri} must accept every record, it refused {len(self._refused)}: "
                f"{self._refused[-1]}; they are in {self._folder.refused}"
            )
        if self._unshown is not None:
            notify(
                f"the report could not be stored, repeat with `study sync {self._folder.name}`: "
                f"{self._unshown}"
            )

    @property
    def all_sent(self) -> bool:
        """After `close`: whether all events are in the store, so that the spool can be deleted."""
        return self._left == 0 and not self._refused and not self.failed

    def _end(self, number: int, state: EndState, **more: Any) -> None:  # noqa: ANN401  # fields of it
        curves = self._curves.pop(number, SeedCurves(())).to_csv()
        self._put(TrialEnded(number=number, state=state, curves=curves, **more))

    def _put(self, event: Event) -> None:
        if self._error is None:
            try:
                self._spool.append(event.to_json())
            except OSError as error:
                self._error = error

    def _run_senders(self) -> None:
        """The thread: starts senders until all events are sent, and receives their messages."""
        while self._deaths < _MOST_DEATHS and self._left is None:
            try:
                self._serve()
            except OSError as error:
                self.trouble = f"the process that sends records cannot be started: {error}"
            if self._left is None:
                self._deaths += 1
                time.sleep(1.0)
        self._ready.set()

    def _serve(self) -> None:
        """Runs a sender until it ends."""
        command = [
            sys.executable,
            "-m",
            "study.runner.sender_process",
            str(self._folder.path),
            self._folder.name,
            str(self._home.folder),
        ]
        settings = os.environ | {
            # The sender repeats requests itself.
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "MLFLOW_TRACKING_URI": self._home.tracking_uri,
            ALLOW_LOCAL_ARTIFACTS: "1" if self._home.allow_local_artifacts else "0",
        }
        with (
            (self._folder.spool / "sender.log").open("a", encoding="utf-8") as log,
            subprocess.Popen(  # noqa: S603  # our own interpreter, arguments as a list
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=settings,
                # Without Ctrl-C of the terminal.
                start_new_session=True,
            ) as self._sender,
        ):
            if self._closing and self._sender.stdin is not None:
                self._sender.stdin.close()
            for line in self._sender.stdout or ():
                # The last line of a killed sender can be incomplete.
                with suppress(ValueError):
                    self._receive(json.loads(line))
        if self._left is None:
            code = self._sender.returncode
            self.trouble = f"the process that sends records ended with {code}, see sender.log"

    def _receive(self, message: Mapping[str, Any]) -> None:
        """Applies a message of the sender."""
        match message:
            case {"runs": runs}:
                self.run_ids.update({int(number): run_id for number, run_id in runs.items()})
            case {"states": states}:
                self._states = {int(number): state for number, state in states.items()}
                self.trouble = None
                self._ready.set()
            case {"sent": _}:
                self._deaths = 0
            case {"trouble": text}:
                self.trouble = text
                self._unwritable = self._unwritable if text else None
            case {"unwritable": text}:
                self._unwritable = text
            case {"refused": text, "goes_on": goes_on}:
                self._refused.append(text)
                self._rejected = self._rejected if goes_on else text
            case {"unshown": text}:
                self._unshown = text
            case {"left": left}:
                self._left = left
