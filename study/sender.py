"""The process that brings a study's spool to the tracking store.

It is a process of its own, so that neither MLflow's work nor a store that is slow or away holds up
Tune's loop, and so that it outlives a driver that is killed. It ends when its standard input does, as
that of a dead driver does. What it has to say it prints, a JSON object a line: `{"runs": {...}}` of
trials by number, `{"states": {...}}` once all of earlier runs is sent, `{"trouble": text}`, and at last
`{"left": n}`.
"""

import contextlib
import fcntl
import json
import select
import signal
import sys
import time
from collections.abc import Callable
from itertools import islice
from typing import Any, Final, final

from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from study import environment, showcase, study_folder
from study.errors import UNWRITABLE, TrackingError
from study.home import Home, without_passwords
from study.mlflow_writer import MlflowWriter
from study.spec import StudySpec
from study.spool import unsent, waiting, write_position
from study.system_metrics import system_metrics

PATIENCE_S: Final = 20.0
"""How long a store that takes nothing is tried when there is nothing else left to do."""

_PAUSE_S: Final = 0.3  # between two looks into the spool: what came meanwhile is sent together
_LONGEST_PAUSE_S: Final = 5.0
_AT_ONCE: Final = 500  # events
_SHOW_EVERY_S: Final = 10.0
_PASSING: Final = (401, 403, 408, 429)  # HTTP: credentials can be put right, and a server gets free
_SQLITE_FULL: Final = ("database or disk is full", "attempt to write a readonly database")

Say = Callable[[dict[str, Any]], None]


@final
class Sender:
    """Sends the spool of a study in a home.

    `say` takes what it has to say, `ending` waits for up to so many seconds and tells whether no more
    will come.
    """

    def __init__(self, name: str, home: Home, say: Say, ending: Callable[[float], bool]) -> None:
        folder = home.study_folder(name)
        self._spec = StudySpec.from_dict(json.loads(study_folder.spec_file(folder).read_text()))
        self._spool = study_folder.spool(folder)
        self._home = home
        self._say = say
        self._ending = ending
        self._writer: MlflowWriter | None = None
        self._told: dict[int, str] = {}
        self._moved: bool = False
        self._shown_at = time.monotonic()
        self._last_success = time.monotonic()
        self._over = self._gave_up = False
        self._sent = 0

    def run(self) -> int:
        """Sends until no more comes; the number of events that could not be sent."""
        with (self._spool / "sender.lock").open("w") as lock:
            # An earlier driver's sender may still be at it.
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._attempt(self._open)
            self._drain()
            if self._writer is not None:
                self._tell_runs(self._writer)
                self._say({"states": self._writer.states})
            self._send_on()
            left = waiting(self._spool)
            if not left and self._writer is not None:
                self._settle(self._writer)
        if not left and self._writer is not None and self._writer.parent is not None:
            # It takes seconds, in which the study may go on already: that has a sender of its own.
            self._show(final=True)
        return left

    def _send_on(self) -> None:
        """Sends what comes until no more does."""
        parent = None if self._writer is None else self._writer.parent
        with system_metrics(parent, self._home):
            while not self._over:
                self._over = self._ending(_PAUSE_S)
                self._drain()
                if self._moved and time.monotonic() - self._shown_at > _SHOW_EVERY_S:
                    self._show(final=False)
        # What was said between the last look and the end.
        self._drain()

    def _open(self) -> None:
        self._writer = MlflowWriter(self._spec, self._home)

    def _drain(self) -> None:
        """Sends all that waits by now, or what can be sent before patience ends."""
        while self._writer is not None:
            events = list(islice(unsent(self._spool), _AT_ONCE))
            if not events:
                return
            for event, _ in events:
                self._writer.apply(event)
                self._moved |= event[0] in {"mark_front", "end_trial"}
            if not self._attempt(self._writer.flush):
                return
            write_position(self._spool, events[-1][1])
            self._say({"sent": len(events)})
            self._tell_runs(self._writer)

    def _settle(self, writer: MlflowWriter) -> None:
        """All is sent: the driver may have been killed, and runs may have been made twice."""
        if writer.running:
            writer.interrupt(int(time.time() * 1000))
            self._attempt(writer.flush)
        self._attempt(writer.tidy)

    def _tell_runs(self, writer: MlflowWriter) -> None:
        news = {
            number: run_id
            for number, run_id in writer.run_ids.items()
            if number >= 0 and self._told.get(number) != run_id
        }
        if news:
            self._told |= news
            self._say({"runs": news})

    def _show(self, *, final: bool) -> None:
        """Brings what people look at up to date: the description, the front, in the end the report."""
        self._attempt(lambda: showcase.show(self._spec.name, self._home, final=final))
        self._shown_at = time.monotonic()
        self._moved = False

    def _attempt(self, act: Callable[[], None]) -> bool:
        """Acts until it works; whether it did before patience ended, or is given up."""
        pause, troubled = _PAUSE_S, False
        while not self._gave_up:
            try:
                act()
            except Exception as error:  # noqa: BLE001  # nothing may keep the rest from being sent
                if not _passes(error):
                    self._refused(error)
                    if self._writer is not None and act == self._writer.flush:
                        continue
                    return False
                self._say_trouble(error, again=troubled)
                troubled = True
                # Where a part got through before, the rest may at once.
                pause = _PAUSE_S if self._gets_on() else min(2 * pause, _LONGEST_PAUSE_S)
                self._gave_up = not self._may_try_again(error, pause)
            else:
                if troubled:
                    self._say({"trouble": None})
                self._last_success = time.monotonic()
                return True
        return False

    def _say_trouble(self, error: Exception, *, again: bool) -> None:
        if _unwritable(error):
            self._say({"unwritable": _in_a_line(error)})
        elif not again:
            self._say({"trouble": _in_a_line(error)})

    def _gets_on(self) -> bool:
        """Whether anything got through since this was last asked."""
        before, self._sent = self._sent, self._writer.sent if self._writer is not None else 0
        if self._sent != before:
            self._last_success = time.monotonic()
        return self._sent != before

    def _may_try_again(self, error: Exception, pause: float) -> bool:
        """Waits a little; whether there is patience left then."""
        if not self._over:
            self._over = self._ending(pause)
            self._last_success = time.monotonic()
            return True
        time.sleep(pause)
        patience = 0.0 if _unwritable(error) else PATIENCE_S
        return time.monotonic() - self._last_success < patience

    def _refused(self, error: Exception) -> None:
        """Puts aside what the store will never take, so that the rest is sent."""
        text = _in_a_line(error)
        if self._writer is not None and self._writer.waits:
            run, content = self._writer.refuse()
            with (study_folder.refused(self._spool.parent)).open("a", encoding="utf-8") as file:
                file.write(json.dumps({"run": run, "error": text, "content": content}) + "\n")
        self._say({"refused": text})


def _passes(error: Exception) -> bool:
    """Whether trying again may help."""
    if isinstance(error, MlflowException):
        status = error.get_http_status_code()  # type: ignore[no-untyped-call]  # MLflow's
        return status >= 500 or status in _PASSING  # noqa: PLR2004  # HTTP's errors of a server
    return isinstance(error, TrackingError | RequestException | SQLAlchemyError | OSError)


def _unwritable(error: Exception) -> bool:
    """Whether the place cannot be written: no room, or no right to."""
    refused = isinstance(error, OSError) and error.errno in UNWRITABLE
    # SQLite's own words, which come through SQLAlchemy and MLflow.
    return refused or any(text in str(error) for text in _SQLITE_FULL)


def _in_a_line(error: Exception) -> str:
    return without_passwords(f"{type(error).__name__}: {error}".partition("\n")[0])


def main() -> None:
    """The process: its arguments are the study's name and the home's folder.

    The tracking URI is in its environment, for it may hold a password, and arguments are seen by all.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    environment.prepare()
    name, folder = sys.argv[1:]
    home = Home.find(folder)

    answers = sys.stdout
    # MLflow prints where runs can be seen.
    sys.stdout = sys.stderr

    def say(message: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            answers.write(json.dumps(message) + "\n")
            answers.flush()

    def ending(seconds: float) -> bool:
        """Nothing is ever written to standard input, so that it is readable says that it ended."""
        return bool(select.select([sys.stdin], [], [], seconds)[0])

    say({"left": Sender(name, home, say, ending).run()})


if __name__ == "__main__":
    main()
