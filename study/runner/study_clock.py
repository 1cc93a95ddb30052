"""For how long a study has been run, over all its runs: its budget of minutes outlives its driver."""

import time
from typing import Final, final

from study.search.storage import Ledger

_NOTE_EVERY_S: Final = 5.0


@final
class StudyClock:
    """Runs from `start` on, so that what it takes to start Ray is not counted."""

    def __init__(self, ledger: Ledger, minutes: float | None) -> None:
        self._ledger = ledger
        self._minutes = minutes
        self._before = ledger.seconds
        self._started: float | None = None
        self._noted = 0.0

    def start(self) -> None:
        """From now on the minutes are counted."""
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
            self._ledger.note_seconds(self.seconds)
            self._noted = now

    def used_up(self) -> str | None:
        """In words, that the study's minutes are used up, if they are."""
        if self._minutes is None or self.seconds < 60 * self._minutes:
            return None
        return f"the study's {self._minutes:g} minutes are used up"
