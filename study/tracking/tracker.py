"""Records a study from the driver, without ever waiting for the tracking store.

Each call appends a line to the spool and returns, in some ten microseconds; the sender, a process of
its own, brings the spool to the store. Ray's own callback sends a request for each metric from within
Tune's loop, about 100 ms a report.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, final

from study.errors import TrackingError
from study.home import Home
from study.search.trial import Outcome, TrialConfig
from study.study_folder import StudyFolder
from study.tracking.events import (
    Event,
    FrontChanged,
    StudyBegun,
    StudyEnded,
    StudyReported,
    TrialBegun,
    TrialEnded,
    TrialNoticed,
    TrialReported,
)
from study.tracking.spool import Spool, waiting

_READY_WITHIN_S: Final = 60.0
_QUIET_FOR_S: Final = 3.0
_MOST_DEATHS: Final = 3  # of senders one after another that sent nothing


@final
class Tracker:
    """Records what is run in a study's folder, which has the spec.

    `run_ids` has the MLflow run of each trial that has one by now. `trouble` says why nothing can be
    sent, None while all is well. `failed` turns true if what happens cannot even be put on disk.
    """

    def __init__(self, folder: StudyFolder, home: Home) -> None:
        self._folder = folder
        self._home = home
        self.run_ids: dict[int, str] = {}
        self.trouble: str | None = None
        self._states: dict[int, str] | None = None
        self._error: OSError | None = None
        self._unwritable: str | None = None
        self._refused: list[str] = []
        self._unshown: str | None = None
        self._left: int | None = None  # until the sender has said that it is done
        self._closing = False
        self._deaths = 0
        self._ready = threading.Event()
        self._sender: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._hear, name="tracker", daemon=True)

    def start(self, about: Mapping[str, str]) -> None:
        """Opens the spool and starts the sender; `about` are tags of the parent run.

        Raises OSError if the home cannot be written.
        """
        self._spool = Spool(self._folder.spool)
        self._spool.append(StudyBegun(timestamp=_now(), tags=dict(about)).to_json())
        self._thread.start()

    def wait_until_ready(self) -> Mapping[int, str]:
        """Waits until the store has all of earlier runs; the state in which it has each trial.

        Raises TrackingError if the store cannot be opened.
        """
        troubled_s = 0
        while not self._ready.wait(1.0) and troubled_s < _READY_WITHIN_S and not self._refused:
            # An earlier driver's sender, and a long record, take the time that they need.
            troubled_s += 1 if self.trouble or self._unwritable else 0
        if self._states is None:
            reasons = (self.trouble, self._unwritable, *self._refused)
            reason = next((text for text in reasons if text), "it does not")
            raise TrackingError(
                f"the tracking store {self._home.shown_uri} must take the records of the study, tried "
                f"for {troubled_s} s: {reason}"
            )
        return self._states

    @property
    def failed(self) -> bool:
        """Whether records cannot be kept, so that `close` will raise."""
        return self._error is not None or self._unwritable is not None

    def begin_trial(self, trial: TrialConfig) -> None:
        """A trial starts or resumes."""
        self._put(TrialBegun(trial=trial, timestamp=_now()))

    def log_epoch(self, number: int, metrics: Mapping[str, float], worker: str) -> None:
        """A trial's metrics after an epoch (`metrics["epochs"]` says which), and who trained it."""
        self._put(
            TrialReported(
                number=number,
                timestamp=_now(),
                epoch=int(metrics["epochs"]),
                metrics=metrics,
                worker=worker,
            )
        )

    def log_counts(self, number: int, metrics: Mapping[str, float]) -> None:
        """What is known of a trial's network that was never trained."""
        self._put(TrialReported(number=number, timestamp=_now(), epoch=0, metrics=metrics))

    def note(self, number: int, notice: str) -> None:
        """Something happened to a trial that does not end it."""
        self._put(TrialNoticed(number=number, notice=notice))

    def end_trial(self, number: int, outcome: Outcome, *, keep_network: bool) -> None:
        """Ends a trial; its folder is deleted when all of it, with the network if kept, is recorded."""
        self._put(
            TrialEnded(
                number=number,
                timestamp=_now(),
                state=outcome.state,
                reason=outcome.reason,
                keep_network=keep_network,
            )
        )

    def interrupt_trial(self, number: int) -> None:
        """A trial was broken off, and will be continued when the study is."""
        self._put(TrialEnded(number=number, timestamp=_now(), state="INTERRUPTED"))

    def mark_front(self, changes: Mapping[int, bool]) -> None:
        """Trials came to the front, or left it."""
        if changes:
            self._put(FrontChanged(changes=changes))

    def log_study(self, step: int, metrics: Mapping[str, float]) -> None:
        """Metrics of the whole study after `step` trials ended."""
        self._put(StudyReported(step=step, timestamp=_now(), metrics=metrics))

    def close(self, status: str, say: Callable[[str], None]) -> None:
        """Ends the study's record, with MLflow's status of the parent, and waits until all is sent.

        What takes long is said. A store that takes nothing is tried for a while; then what is left
        waits on disk.
        Raises TrackingError if it does, or if the store refused something, and OSError if something
        could not even be put on disk.
        """
        self._put(StudyEnded(timestamp=_now(), status=status))
        self._spool.close()
        self._closing = True
        if self._sender is not None and self._sender.stdin is not None:
            self._sender.stdin.close()
        self._thread.join(_QUIET_FOR_S)
        if self._thread.is_alive():
            say("sending what is left to the tracking store, and the report")
            self._thread.join()
        if self._error is not None:
            raise self._error
        uri = self._home.shown_uri
        left = waiting(self._folder.spool) if self._left is None else self._left
        if left:
            raise TrackingError(
                f"the tracking store {uri} must take every record, {left} wait: "
                f"{self.trouble or self._unwritable}; nothing is lost: `study sync {self._folder.name}"
                f"{self._home.options()}` sends them, and so does the same command"
            )
        if self._refused:
            raise TrackingError(
                f"the tracking store {uri} must take every record, it refused {len(self._refused)}: "
                f"{self._refused[-1]}; they are in {self._folder.refused}"
            )
        if self._unshown is not None:
            say(
                f"the report could not be stored, `study sync {self._folder.name}` tries again: "
                f"{self._unshown}"
            )

    @property
    def all_sent(self) -> bool:
        """Whether the store has all, so that what it was made from can go; after `close`."""
        return self._left == 0 and not self._refused and not self.failed

    def _put(self, event: Event) -> None:
        if self._error is None:
            try:
                self._spool.append(event.to_json())
            except OSError as error:
                self._error = error

    def _hear(self) -> None:
        """The thread: keeps a sender at work until all is sent, and hears what it says."""
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
        """One sender, from its start to its end."""
        command = [
            sys.executable,
            "-m",
            "study.runner.sender_process",
            str(self._folder.path),
            self._folder.name,
            str(self._home.folder),
        ]
        settings = os.environ | {
            # The sender tries again by itself.
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "MLFLOW_TRACKING_URI": self._home.tracking_uri,
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
                # Ctrl-C is not meant for it.
                start_new_session=True,
            ) as self._sender,
        ):
            if self._closing and self._sender.stdin is not None:
                self._sender.stdin.close()
            for line in self._sender.stdout or ():
                # The last line of one that was killed may be half a line.
                with suppress(ValueError):
                    self._take_in(json.loads(line))
        if self._left is None:
            code = self._sender.returncode
            self.trouble = f"the process that sends records ended with {code}, see sender.log"

    def _take_in(self, message: Mapping[str, Any]) -> None:
        """Takes in what the sender says."""
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
            case {"refused": text}:
                self._refused.append(text)
            case {"unshown": text}:
                self._unshown = text
            case {"left": left}:
                self._left = left


def _now() -> int:
    """Milliseconds since 1970, as MLflow wants them."""
    return int(time.time() * 1000)
