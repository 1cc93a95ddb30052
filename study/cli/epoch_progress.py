"""The progress of a training by epoch, updated in place on a terminal."""

import time
from collections.abc import Mapping
from typing import Final, final

from rich.console import Console
from rich.status import Status

_LINE_EVERY_S: Final = 2.0


@final
class EpochProgress:
    """A context and a callback for the metrics of an epoch and the maximum number of epochs."""

    def __init__(self, console: Console, *, validates: bool) -> None:
        self._console = console
        self._validates = validates
        self._status: Status | None = None
        self._shown_at = time.monotonic()
        self._unshown: str | None = None

    def __enter__(self) -> "EpochProgress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()
        elif self._unshown is not None:
            self._print(self._unshown)  # the last epoch of a training that ended early

    def __call__(self, metrics: Mapping[str, float], epochs: int) -> None:
        line = self._line(metrics, epochs)
        if self._console.is_terminal:
            if self._status is None:
                self._status = self._console.status(line)
                self._status.start()
            self._status.update(line)
        elif time.monotonic() - self._shown_at > _LINE_EVERY_S or metrics["epochs"] == epochs:
            self._print(line)
        else:
            self._unshown = line

    def _print(self, line: str) -> None:
        self._shown_at = time.monotonic()
        self._unshown = None
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _line(self, metrics: Mapping[str, float], epochs: int) -> str:
        epoch, loss = int(metrics["epochs"]), metrics["epoch/train_loss"]
        parts = [f"epoch {epoch}/{epochs}", f"train loss {loss:.4f}"]
        if self._validates:
            parts.append(f"val accuracy {100 * metrics['val_accuracy']:.2f} %")
        left = round(metrics["seconds"] / epoch * (epochs - epoch))
        parts.append(f"{left // 60}:{left % 60:02d} left")
        return " | ".join(parts)
