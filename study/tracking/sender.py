"""Sends the spool of a study to the tracking store, which may be slow, absent or full.

It runs in a process started by the driver (`study.runner.sender_process`), or in `study.runner.sync`.
"""

import fcntl
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any, Final, Protocol, final

from mlflow.environment_variables import MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from study.home import Home
from study.spec.study_spec import StudySpec
from study.study_folder import StudyFolder
from study.tracking.events import FrontChanged, TrialConfirmed, TrialEnded, from_json
from study.tracking.retry import PAUSE_S, Notify, Retry
from study.tracking.spool import unsent, waiting, write_position
from study.tracking.store import in_a_line
from study.tracking.writer import MlflowWriter

_AT_ONCE: Final = 500  # lines
_REFRESH_EVERY_S: Final = 8.0  # keeps the stored table at most ten seconds old
_SHARE_OF_TIME: Final = 5  # refreshes take at most one part in this many: records come first


class Publish(Protocol):
    """Updates the page of a study in MLflow; the report only if `final`."""

    def __call__(self, name: str, home: Home, *, final: bool) -> None: ...


@contextmanager
def system_metrics(run_id: str | None, home: Home) -> Iterator[None]:
    """Records the load of this machine on the parent run, if enabled in MLflow.

    See https://mlflow.org/docs/latest/ml/tracking/system-metrics.
    """
    enabled = MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get()  # type: ignore[no-untyped-call]  # MLflow's
    if run_id is None or not enabled:
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
    """Sends the spool in the folder of a study.

    `ending` waits for up to the given seconds and returns whether no more events will come. `notify`
    takes messages: `{"runs": {...}}` by trial, `{"states": {...}}` once all events of earlier drivers
    are sent, `{"sent": n}` events, `{"trouble": text}` for a temporary error and None after it,
    `{"unwritable": text}` for a full disk, `{"refused": text}` for what the store rejected permanently,
    with `"goes_on": True` if that were single records, and `{"unshown": text}` if the report failed.
    `publish` updates the page in MLflow.
    """

    def __init__(
        self,
        folder: StudyFolder,
        home: Home,
        notify: Notify,
        ending: Callable[[float], bool],
        publish: Publish,
    ) -> None:
        self._folder = folder
        self._spec = StudySpec.from_stored(self._folder.spec)
        self._spool = self._folder.spool
        self._home = home
        self._notify = notify
        self._publish = publish
        self._writer: MlflowWriter | None = None
        self._retry = Retry(home, notify, ending, lambda: self._writer.sent if self._writer else 0)
        self._reported: dict[int, str] = {}
        self._moved = False
        self._refresh_at = time.monotonic() + _REFRESH_EVERY_S

    def run(self) -> int:
        """Sends until no more events come; returns the number of unsent events."""
        self._spool.mkdir(exist_ok=True)
        with (self._spool / "sender.lock").open("w") as lock:
            # The sender of an earlier driver may still run.
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._retry.wait(0.0)
            self._attempt(self._open)
            self._drain()
            if self._writer is not None:
                self._resume(self._writer)
            self._send_on()
            left = waiting(self._spool)
            if not left and self._writer is not None:
                self._settle(self._writer)
        if not left and self._writer is not None:
            # Without the lock, so that the next driver can start another sender during these seconds.
            self._show(self._writer, final=True)
        return left

    def _open(self) -> None:
        self._writer = MlflowWriter(self._spec, self._home, self._folder)

    def _resume(self, writer: MlflowWriter) -> None:
        """Reports the runs and states, once all events of earlier drivers are sent."""
        if not self._retry.over and not writer.running:
            # An earlier sender ended the study after this driver had started.
            writer.reopen()
            self._attempt(writer.flush)
        self._report_runs(writer)
        self._notify({"states": writer.states})

    def _send_on(self) -> None:
        """Sends events as they arrive, until the end."""
        parent = None if self._writer is None else self._writer.parent
        with system_metrics(parent, self._home):
            while not self._retry.over:
                # Events of this pause are sent together.
                self._retry.wait(PAUSE_S)
                self._drain(refresh=True)
        # Events between the last read and the end.
        self._drain()

    def _drain(self, *, refresh: bool = False) -> None:
        """Sends all unsent events, unless the time limit is reached."""
        while self._writer is not None:
            if refresh and time.monotonic() > self._refresh_at:
                self._refresh(self._writer)
            lines = list(islice(unsent(self._spool), _AT_ONCE))
            if not lines:
                return
            for line, _ in lines:
                self._apply(self._writer, line)
            if not self._attempt(self._writer.flush):
                return
            write_position(self._spool, lines[-1][1])
            self._notify({"sent": len(lines)})
            self._report_runs(self._writer)

    def _apply(self, writer: MlflowWriter, line: str) -> None:
        try:
            event = from_json(line)
        except ValueError as error:
            self._set_aside(error, {"line": line})
            return
        writer.apply(event)
        self._moved |= isinstance(event, FrontChanged | TrialEnded | TrialConfirmed)

    def _settle(self, writer: MlflowWriter) -> None:
        """Ends a study whose driver was killed, deletes duplicate runs, and stores the table."""
        if writer.running:
            writer.interrupt()
            self._attempt(writer.flush)
        self._attempt(writer.tidy)
        if not self._attempt(writer.store_table):
            with suppress(Exception):
                writer.withdraw_table()

    def _report_runs(self, writer: MlflowWriter) -> None:
        news = {
            number: run_id
            for number, run_id in writer.run_ids.items()
            if number >= 0 and self._reported.get(number) != run_id
        }
        if news:
            self._reported |= news
            self._notify({"runs": news})

    def _refresh(self, writer: MlflowWriter) -> None:
        """Updates the table, and the page in MLflow if the front has changed; sets the time of the next.

        This is tried once, as no record depends on it. A table that cannot be updated is withdrawn.
        """
        start = time.monotonic()
        try:
            writer.store_table()
        except Exception:  # noqa: BLE001  # as above
            with suppress(Exception):
                writer.withdraw_table()
        if self._moved:
            self._show(writer, final=False)
        took = time.monotonic() - start
        self._refresh_at = start + max(_REFRESH_EVERY_S, _SHARE_OF_TIME * took)

    def _show(self, writer: MlflowWriter, *, final: bool) -> None:
        """Updates the page in MLflow: description, front, and at the end the report. Tried once."""
        if writer.parent is None:
            return
        try:
            self._moved = not self._publish_alone(final=final)
        except Exception as error:  # noqa: BLE001  # as above
            self._moved = False
            if final:
                self._notify({"unshown": in_a_line(error)})

    def _publish_alone(self, *, final: bool) -> bool:
        """Publishes under a lock, for which only the final call waits; returns whether it got the lock.

        MLflow fails if two senders set the same tag at once.
        """
        with (self._spool / "show.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if final else fcntl.LOCK_NB))
            except BlockingIOError:
                return False
            self._publish(self._spec.name, self._home, final=final)
        return True

    def _attempt(self, act: Callable[[], None]) -> bool:
        return self._retry.attempt(act, lambda error: self._refuse(error, act))

    def _refuse(self, error: Exception, act: Callable[[], None]) -> bool:
        """Sets the refused part aside; returns whether to repeat `act`."""
        if self._writer is None or not self._writer.waits or act != self._writer.flush:
            self._set_aside(error, {})
            return False
        run, content = self._writer.refuse()
        if content:
            self._set_aside(error, {"run": run, "content": content})
        return True

    def _set_aside(self, error: Exception, record: dict[str, Any]) -> None:
        """Reports a permanent error, and appends the record, unless empty, to the file `refused`."""
        text = in_a_line(error)
        if record:
            with self._folder.refused.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record | {"error": text}) + "\n")
        self._notify({"refused": text, "goes_on": bool(record)})
