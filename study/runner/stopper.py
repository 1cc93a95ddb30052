"""Stops a study before its budget of trials is spent: on a signal, or when its minutes are used up.

The minutes are those of all its runs together. A study whose trials fail one after another stops, too.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, final

from ray import tune

from study.search.storage import SearchStorage
from study.search.trial import State

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_NOTE_EVERY_S: Final = 5.0
_MOST_FAILURES: Final = 20  # one after another


@final
class StudyClock:
    """Measures the running time of a study, without the start of Ray."""

    def __init__(self, storage: SearchStorage, minutes: float | None) -> None:
        self._storage = storage
        self._minutes = minutes
        self._before = storage.seconds
        self._started: float | None = None
        self._noted = 0.0

    def start(self) -> None:
        """Starts the clock."""
        self._started = self._noted = time.monotonic()

    @property
    def seconds(self) -> float:
        """The running time of the study, earlier runs included."""
        here = 0.0 if self._started is None else time.monotonic() - self._started
        return self._before + here

    def note(self, *, at_once: bool = False) -> None:
        """Stores the time every few seconds, or at once, if the study has a limit of time."""
        now = time.monotonic()
        if self._minutes is not None and (at_once or now - self._noted >= _NOTE_EVERY_S):
            self._storage.note_seconds(self.seconds)
            self._noted = now

    def used_up(self) -> str | None:
        """A message if the study's minutes are used up, else None."""
        if self._minutes is None or self.seconds < 60 * self._minutes:
            return None
        return f"the study's {self._minutes:g} minutes are used up"


@final
class StudyStopper(tune.Stopper):
    """Stops all trials on a signal, when the clock's minutes are used up, or `because` is called.

    `reason` is then set, and `signal_number` after a signal.
    """

    def __init__(self, clock: StudyClock | None = None) -> None:
        self.reason: str | None = None
        self.signal_number: int | None = None
        self._clock = clock
        self._failures = 0  # one after another, in this run

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Ray asks this of each result; no single trial is stopped here."""
        del trial_id, result
        return False

    def __getstate__(self) -> dict[str, Any]:
        """Ray snapshots its stopper to restore it; a study continues from its own stores."""
        return {}

    def stop_all(self) -> bool:
        if self._clock is not None:
            self._clock.note()
            over = self._clock.used_up()
            if over is not None:
                self.because(over)
        return self.reason is not None

    def on_end(self, state: State, reason: str | None) -> None:
        """Counts a trial that ended; the study stops where so many failed one after another."""
        self._failures = self._failures + 1 if state == "FAIL" else 0
        if self._failures == _MOST_FAILURES:
            self.because(
                f"{_MOST_FAILURES} trials failed one after another, the last one with: {reason}"
            )

    def because(self, reason: str) -> None:
        """Stops the study, unless it stops already."""
        self.reason = self.reason or reason

    def disregard_clock(self) -> None:
        """Stops on the study's minutes no more, which are those of its search."""
        self._clock = None

    def withdraw(self) -> None:
        """Clears the reason, unless it is a signal: the study was over before it could be stopped."""
        if self.signal_number is None:
            self.reason = None

    @contextmanager
    def on_signals(self, notify: Callable[[str], None]) -> Iterator[Callable[[], None]]:
        """A context in which a first Ctrl-C or SIGTERM stops the study cleanly, a second one at once.

        Yields a function that installs the handlers again, for Ray installs its own when it starts.
        """
        if threading.current_thread() is not threading.main_thread():
            yield lambda: None
            return

        previous = {int(number): signal.getsignal(number) for number in _SIGNALS}

        def handle(number: int, frame: FrameType | None) -> None:
            if self.signal_number is not None:
                former = previous[number]
                if callable(former):  # such as Python's, which raises KeyboardInterrupt
                    former(number, frame)
                raise KeyboardInterrupt
            self.signal_number = number
            self.because(f"{signal.Signals(number).name} was received")
            notify("stopping; finished trials are kept (a second signal stops at once)")

        def install() -> None:
            for number in _SIGNALS:
                signal.signal(number, handle)

        install()
        try:
            yield install
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
