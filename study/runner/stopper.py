"""When a study stops before its budget of trials is spent: on a signal, or when its minutes are over.

The minutes are those of all its runs together.
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

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_NOTE_EVERY_S: Final = 5.0


@final
class StudyClock:
    """Runs from `start` on, so that what it takes to start Ray is not counted."""

    def __init__(self, storage: SearchStorage, minutes: float | None) -> None:
        self._storage = storage
        self._minutes = minutes
        self._before = storage.seconds
        self._started: float | None = None
        self._noted = 0.0

    def start(self) -> None:
        """Starts to count the minutes."""
        self._started = self._noted = time.monotonic()

    @property
    def seconds(self) -> float:
        """The running time of the study, earlier runs included."""
        here = 0.0 if self._started is None else time.monotonic() - self._started
        return self._before + here

    def note(self, *, at_once: bool = False) -> None:
        """Stores the time every few seconds, or at once; only where there is a limit to it."""
        now = time.monotonic()
        if self._minutes is not None and (at_once or now - self._noted >= _NOTE_EVERY_S):
            self._storage.note_seconds(self.seconds)
            self._noted = now

    def used_up(self) -> str | None:
        """In words, that the study's minutes are used up, if they are."""
        if self._minutes is None or self.seconds < 60 * self._minutes:
            return None
        return f"the study's {self._minutes:g} minutes are used up"


@final
class StudyStopper(tune.Stopper):
    """Stops a study when it is told to, when its minutes are used up, or on a signal.

    `reason` says why, `signal_number` which signal it was, if one.
    """

    def __init__(self, clock: StudyClock | None = None) -> None:
        self.reason: str | None = None
        self.signal_number: int | None = None
        self._clock = clock

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No single trial is stopped here."""
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

    def because(self, reason: str) -> None:
        """Stops the study, unless it stops already."""
        self.reason = self.reason or reason

    def withdraw(self) -> None:
        """Takes the reason back: the study was over before it could be stopped."""
        self.reason = None

    @contextmanager
    def on_signals(self, say: Callable[[str], None]) -> Iterator[Callable[[], None]]:
        """Within this, a first Ctrl-C or SIGTERM stops the study cleanly, a second one at once.

        Gives a function that installs this again, for Ray takes SIGTERM for itself when it starts.
        """
        if threading.current_thread() is not threading.main_thread():
            yield lambda: None
            return

        def handle(number: int, _: FrameType | None) -> None:
            if self.signal_number is not None:
                raise KeyboardInterrupt
            self.signal_number = number
            self.because(f"{signal.Signals(number).name} was received")
            say("stopping; what is finished is kept (once more: stop at once)")

        def install() -> None:
            for number in _SIGNALS:
                signal.signal(number, handle)

        previous = {number: signal.getsignal(number) for number in _SIGNALS}
        install()
        try:
            yield install
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
