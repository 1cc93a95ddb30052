"""Shows a training epoch by epoch: a line that changes on a terminal, some lines elsewhere."""

import time
from typing import Final, final

from rich.console import Console
from rich.status import Status

from study.training.train import EpochMetrics

_LINE_EVERY_S: Final = 2.0


@final
class EpochProgress:
    """A context whose object is called after each epoch, with how many there will be at most."""

    def __init__(self, console: Console, *, validates: bool) -> None:
        self._console = console
        self._validates = validates
        self._status: Status | None = None
        self._seconds = 0.0
        self._shown_at = time.monotonic()
        self._unshown: str | None = None

    def __enter__(self) -> "EpochProgress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()
        elif self._unshown is not None:
            self._print(self._unshown)  # the last epoch of a training that ended early

    def __call__(self, epoch: EpochMetrics, epochs: int) -> None:
        self._seconds += epoch.seconds
        line = self._line(epoch, epochs)
        if self._console.is_terminal:
            if self._status is None:
                self._status = self._console.status(line)
                self._status.start()
            self._status.update(line)
        elif time.monotonic() - self._shown_at > _LINE_EVERY_S or epoch.epoch == epochs:
            self._print(line)
        else:
            self._unshown = line

    def _print(self, line: str) -> None:
        self._shown_at = time.monotonic()
        self._unshown = None
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _line(self, epoch: EpochMetrics, epochs: int) -> str:
        parts = [f"epoch {epoch.epoch}/{epochs}", f"train loss {epoch.train_loss.mean:.4f}"]
        if self._validates:
            parts.append(f"val accuracy {100 * epoch.kept_accuracy.mean:.2f} %")
        left = round(self._seconds / epoch.epoch * (epochs - epoch.epoch))
        parts.append(f"{left // 60}:{left % 60:02d} left")
        return " | ".join(parts)
