"""How long the sender keeps trying a store that is away, slow or wrong."""

import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias, final

from study.home import Home
from study.tracking.store import in_a_line, is_permanent, unwritable

PATIENCE_S: Final = 20.0
"""How long a store that takes nothing is tried when there is nothing else left to do."""

PAUSE_S: Final = 0.3
"""The first pause after a failure, and that between two looks into the spool."""

_LONGEST_PAUSE_S: Final = 5.0
Say: TypeAlias = Callable[[dict[str, Any]], None]


@final
class Retry:
    """Acts on the store until it works, is refused for good, or patience ends.

    `ending` waits for up to so many seconds and returns whether no more events will come; while they
    come, patience does not end. `sent` returns how much got through so far. `over` says whether
    `ending` has returned true, `gave_up` whether patience ended, after which nothing is tried.
    """

    def __init__(
        self, home: Home, say: Say, ending: Callable[[float], bool], sent: Callable[[], int]
    ) -> None:
        self._home = home
        self._say = say
        self._ending = ending
        self._sent = sent
        self._sent_before = 0
        self._last_success = time.monotonic()
        self._troubled = False
        self.over = self.gave_up = False

    def wait(self, seconds: float) -> None:
        """Waits for up to so many seconds for the end of events."""
        self.over = self._ending(seconds)

    def attempt(self, act: Callable[[], None], refused: Callable[[Exception], bool]) -> bool:
        """Returns whether `act` worked.

        `refused` is called with an error that is permanent, and returns whether to act again.
        """
        pause, tries = PAUSE_S, 0
        while not self.gave_up:
            try:
                act()
            except Exception as error:  # noqa: BLE001  # nothing may keep the rest from being sent
                progressed = self._progressed()
                tries = 1 if progressed else tries + 1
                if is_permanent(error, tries):
                    if not refused(error):
                        return False
                    tries = 0
                    continue
                self._say_trouble(error, again=tries > 1)
                # Where a part got through before, the rest may at once.
                pause = PAUSE_S if progressed else min(2 * pause, _LONGEST_PAUSE_S)
                self.gave_up = not self._may_try_again(error, pause)
            else:
                if self._troubled:
                    self._say({"trouble": None})
                self._troubled = False
                self._last_success = time.monotonic()
                return True
        return False

    def _say_trouble(self, error: Exception, *, again: bool) -> None:
        self._troubled = True
        if unwritable(error, self._home):
            self._say({"unwritable": in_a_line(error)})
        elif not again:
            self._say({"trouble": in_a_line(error)})

    def _progressed(self) -> bool:
        """Whether anything got through since this was last asked."""
        before, self._sent_before = self._sent_before, self._sent()
        if self._sent_before != before:
            self._last_success = time.monotonic()
        return self._sent_before != before

    def _may_try_again(self, error: Exception, pause: float) -> bool:
        """Waits a little; returns whether there is patience left then."""
        if not self.over:
            self.wait(pause)
            self._last_success = time.monotonic()
            return True
        time.sleep(pause)
        patience = 0.0 if unwritable(error, self._home) else PATIENCE_S
        return time.monotonic() - self._last_success < patience
