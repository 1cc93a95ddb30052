"""Repeats requests to a store that is absent, slow or failing, for a limited time."""

import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias, final

from study.home import Home
from study.tracking.store import in_a_line, is_permanent, unwritable

PATIENCE_S: Final = 20.0
"""How long requests to a failing store are repeated after the last event."""

PAUSE_S: Final = 0.3
"""The first pause after a failure, and the pause between two reads of the spool."""

_LONGEST_PAUSE_S: Final = 5.0
Notify: TypeAlias = Callable[[dict[str, Any]], None]


@final
class Retry:
    """Repeats an action until it succeeds, fails permanently, or the time limit is reached.

    `ending` waits for up to the given seconds and returns whether no more events will come; until then
    there is no limit. `sent` returns the number of successful requests. `over`: `ending` has returned
    true. `gave_up`: the limit was reached, so no action is tried any more.
    """

    def __init__(
        self, home: Home, notify: Notify, ending: Callable[[float], bool], sent: Callable[[], int]
    ) -> None:
        self._home = home
        self._notify = notify
        self._ending = ending
        self._sent = sent
        self._sent_before = 0
        self._last_success = time.monotonic()
        self._troubled = False
        self.over = self.gave_up = False

    def wait(self, seconds: float) -> None:
        """Waits for the end of events, up to the given seconds."""
        self.over = self._ending(seconds)

    def attempt(self, act: Callable[[], None], refused: Callable[[Exception], bool]) -> bool:
        """Calls `act`; returns whether it succeeded.

        `refused` is called with a permanent error, and returns whether to call `act` again.
        """
        pause, tries = PAUSE_S, 0
        while not self.gave_up:
            try:
                act()
            except Exception as error:  # noqa: BLE001  # no error may keep the rest from being sent
                progressed = self._progressed()
                tries = 1 if progressed else tries + 1
                if is_permanent(error, tries):
                    if not refused(error):
                        return False
                    tries = 0
                    continue
                self._report_trouble(error, again=tries > 1)
                # After a partial success the rest may succeed at once.
                pause = PAUSE_S if progressed else min(2 * pause, _LONGEST_PAUSE_S)
                self.gave_up = not self._may_try_again(error, pause)
            else:
                if self._troubled:
                    self._notify({"trouble": None})
                self._troubled = False
                self._last_success = time.monotonic()
                return True
        return False

    def _report_trouble(self, error: Exception, *, again: bool) -> None:
        self._troubled = True
        if unwritable(error, self._home):
            self._notify({"unwritable": in_a_line(error)})
        elif not again:
            self._notify({"trouble": in_a_line(error)})

    def _progressed(self) -> bool:
        """Whether any request succeeded since the last call."""
        before, self._sent_before = self._sent_before, self._sent()
        if self._sent_before != before:
            self._last_success = time.monotonic()
        return self._sent_before != before

    def _may_try_again(self, error: Exception, pause: float) -> bool:
        """Waits; returns whether there is time for another try."""
        if not self.over:
            self.wait(pause)
            self._last_success = time.monotonic()
            return True
        time.sleep(pause)
        patience = 0.0 if unwritable(error, self._home) else PATIENCE_S
        return time.monotonic() - self._last_success < patience
