"""Sends the spool of a study to the tracking store, whatever state that is in.

Used by the process that a driver starts (`study.runner.sender_process`), and by `study.runner.sync`.
"""

import fcntl
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, Protocol, final

from mlflow.environment_variables import MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from study import study_folder
from study.home import Home
from study.spec.study_spec import StudySpec
from study.tracking.events import FrontChanged, TrialEnded, from_json
from study.tracking.spool import unsent, waiting, write_position
from study.tracking.store import in_a_line, is_permanent, unwritable
from study.tracking.writer import MlflowWriter

PATIENCE_S: Final = 20.0
"""How long a store that takes nothing is tried when there is nothing else left to do."""

_PAUSE_S: Final = 0.3  # between two looks into the spool: what came meanwhile is sent together
_LONGEST_PAUSE_S: Final = 5.0
_AT_ONCE: Final = 500  # lines
_SHOW_EVERY_S: Final = 10.0
Say = Callable[[dict[str, Any]], None]


class Publish(Protocol):
    """Updates what people see of a study in MLflow; the report only in the `final` state."""

    def __call__(self, name: str, home: Home, *, final: bool) -> None: ...


@contextmanager
def system_metrics(run_id: str | None, home: Home) -> Iterator[None]:
    """Records the load of this machine on the parent run, every ten seconds, if MLflow is told to.

    That is by `MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=true`
    (https://mlflow.org/docs/latest/ml/tracking/system-metrics).
    """
    wanted = MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get()  # type: ignore[no-untyped-call]  # MLflow's
    if run_id is None or not wanted:
        yield
        return
    monitor = SystemMetricsMonitor(run_id, resume_logging=True, tracking_uri=home.tracking_uri)  # type: ignore[no-untyped-call]  # MLflow's
    monitor.start()  # type: ignore[no-untyped-call]  # as above
    try:
        yield
    finally:
        monitor.finish()  # type: ignore[no-untyped-call]  # as above


@final
class Sender:
    """Sends the spool of a study in a home.

    `ending` waits for up to so many seconds and tells whether no more will come. `say` takes what
    there is to say: `{"runs": {...}}` of trials by number, `{"states": {...}}` once all of earlier runs
    is sent, `{"sent": n}` events, `{"trouble": text}` that may pass and None when it has,
    `{"unwritable": text}` of a disk that takes nothing, `{"refused": text}` of what the store will never
    take, and `{"unshown": text}` of the report. `publish` updates what people see in MLflow.
    """

    def __init__(
        self,
        name: str,
        home: Home,
        say: Say,
        ending: Callable[[float], bool],
        publish: Publish,
    ) -> None:
        folder = home.study_folder(name)
        self._spec = StudySpec.from_dict(json.loads(study_folder.spec_file(folder).read_text()))
        self._spool = study_folder.spool(folder)
        self._home = home
        self._say = say
        self._ending = ending
        self._publish = publish
        self._writer: MlflowWriter | None = None
        self._told: dict[int, str] = {}
        self._moved: bool = False
        self._shown_at = time.monotonic()
        self._last_success = time.monotonic()
        self._over = self._gave_up = self._troubled = False
        self._sent = 0

    def run(self) -> int:
        """Sends until no more comes; the number of events that could not be sent."""
        with (self._spool / "sender.lock").open("w") as lock:
            # An earlier driver's sender may still be at it.
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._over = self._ending(0.0)
            self._attempt(self._open)
            self._drain()
            if self._writer is not None:
                self._resume(self._writer)
            self._send_on()
            left = waiting(self._spool)
            if not left and self._writer is not None:
                self._settle(self._writer)
        if not left and self._writer is not None and self._writer.parent is not None:
            # It takes seconds, in which the study may go on already: that has a sender of its own.
            self._show(final=True)
        return left

    def _resume(self, writer: MlflowWriter) -> None:
        """All of earlier runs is sent, and the driver lives, if there is one."""
        if not self._over and not writer.running:
            # An earlier sender took this driver's start for the last word of its own.
            writer.reopen()
            self._attempt(writer.flush)
        self._tell_runs(writer)
        self._say({"states": writer.states})

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
            lines = list(islice(unsent(self._spool), _AT_ONCE))
            if not lines:
                return
            for line, _ in lines:
                self._apply(self._writer, line)
            if not self._attempt(self._writer.flush):
                return
            write_position(self._spool, lines[-1][1])
            self._say({"sent": len(lines)})
            self._tell_runs(self._writer)

    def _apply(self, writer: MlflowWriter, line: str) -> None:
        try:
            event = from_json(line)
        except ValueError as error:
            self._put_aside(error, {"line": line})
            return
        writer.apply(event)
        self._moved |= isinstance(event, FrontChanged | TrialEnded)

    def _settle(self, writer: MlflowWriter) -> None:
        """All is sent: the driver may have been killed, and runs may have been made twice."""
        if writer.running:
            writer.interrupt()
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
        """Brings what people look at up to date: the description, the front, in the end the report.

        Tried once: no record waits for it.
        """
        try:
            self._moved = not self._show_in_turn(final=final)
        except Exception as error:  # noqa: BLE001  # as above
            self._moved = False
            if final:
                self._say({"unshown": in_a_line(error)})
        self._shown_at = time.monotonic()

    def _show_in_turn(self, *, final: bool) -> bool:
        """Whether it was this sender's turn, for which only the last look waits.

        An earlier sender may be at its own last: MLflow fails at two that set the same tag at once.
        """
        with (self._spool / "show.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if final else fcntl.LOCK_NB))
            except BlockingIOError:
                return False
            self._publish(self._spec.name, self._home, final=final)
        return True

    def _attempt(self, act: Callable[[], None]) -> bool:
        """Acts until it works; whether it did before patience ended, or is given up."""
        pause, tries = _PAUSE_S, 0
        while not self._gave_up:
            try:
                act()
            except Exception as error:  # noqa: BLE001  # nothing may keep the rest from being sent
                gets_on = self._gets_on()
                tries = 1 if gets_on else tries + 1
                if is_permanent(error, tries):
                    if not self._refuse(error, act):
                        return False
                    tries = 0
                    continue
                self._say_trouble(error, again=tries > 1)
                # Where a part got through before, the rest may at once.
                pause = _PAUSE_S if gets_on else min(2 * pause, _LONGEST_PAUSE_S)
                self._gave_up = not self._may_try_again(error, pause)
            else:
                self._say_trouble(None, again=False)
                self._last_success = time.monotonic()
                return True
        return False

    def _say_trouble(self, error: Exception | None, *, again: bool) -> None:
        if error is None:
            if self._troubled:
                self._say({"trouble": None})
            self._troubled = False
            return
        self._troubled = True
        if unwritable(error, self._home):
            self._say({"unwritable": in_a_line(error)})
        elif not again:
            self._say({"trouble": in_a_line(error)})

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
        patience = 0.0 if unwritable(error, self._home) else PATIENCE_S
        return time.monotonic() - self._last_success < patience

    def _refuse(self, error: Exception, act: Callable[[], None]) -> bool:
        """Puts aside what the store will never take; whether it is worth while to act again."""
        if self._writer is None or not self._writer.waits or act != self._writer.flush:
            self._put_aside(error, {})
            return False
        run, content = self._writer.refuse()
        if content:
            self._put_aside(error, {"run": run, "content": content})
        return True

    def _put_aside(self, error: Exception, what: dict[str, Any]) -> None:
        text = in_a_line(error)
        if what:
            with study_folder.refused(self._spool.parent).open("a", encoding="utf-8") as file:
                file.write(json.dumps(what | {"error": text}) + "\n")
        self._say({"refused": text})
