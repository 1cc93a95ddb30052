"""Shows a running study: a live table on a terminal, a page in a notebook, plain lines elsewhere."""

import time
from typing import Final, final

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from study.runner.notebook_view import NotebookView
from study.runner.scoreboard import Scoreboard

_LINE_EVERY_S: Final = 1.0
_REFRESHED_PER_S: Final = 4  # of a live table
_QUIET_FOR_S: Final = 30.0


@final
class Progress:
    """A context in which `update` shows the scoreboard, a few times a second at most."""

    def __init__(self, scoreboard: Scoreboard, console: Console) -> None:
        self._scoreboard = scoreboard
        self._console = console
        self._live: Live | None = None
        self._view = NotebookView(scoreboard) if console.is_jupyter else None
        self._shown_at = time.monotonic()
        self._shown: str | None = None

    def __enter__(self) -> "Progress":
        if self._view is not None:
            self._view.show(_left(self._scoreboard))
        elif self._console.is_terminal:
            self._live = Live(
                self._table(), console=self._console, refresh_per_second=_REFRESHED_PER_S
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._view is not None:
            self._view.show("ended")
        elif self._live is not None:
            self._live.update(self._table())
            self._live.stop()
        elif self._scoreboard.last not in ("", self._shown):
            self._line()

    def update(self) -> None:
        """Shows the scoreboard, if it is due."""
        quiet = time.monotonic() - self._shown_at
        if self._live is not None:
            if quiet >= 1 / _REFRESHED_PER_S:
                self._live.update(self._table())
                self._shown_at = time.monotonic()
            return
        if self._view is not None:
            if quiet >= _LINE_EVERY_S:
                self._view.show(_left(self._scoreboard))
                self._shown_at = time.monotonic()
            return
        first = self._shown is None and bool(self._scoreboard.running)
        news = self._scoreboard.last != (self._shown or "")
        if first or (news and quiet >= _LINE_EVERY_S) or quiet >= _QUIET_FOR_S:
            self._line()

    def notify(self, text: str) -> None:
        """Prints a line above the table."""
        if self._view is not None:
            self._view.add(text)
            self._view.show(_left(self._scoreboard))
            return
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _line(self) -> None:
        board = self._scoreboard
        parts = [
            f"{board.progress.replace(' of ', '/')} trials",
            f"{len(board.running)} running{_epochs(board)}",
        ]
        if board.states["PRUNED"]:
            parts.append(f"{board.states['PRUNED']} stopped early")
        if board.states["FAIL"]:
            parts.append(board.failed)
        parts.append(f"front {len(board.front.points)}, hypervolume {board.front.hypervolume:.4f}")
        best = board.best()
        if best is not None:
            parts.append(f"best {best[0]:,.6g}")
        parts.append(_left(board))
        if board.last:
            parts.append(board.last)
        self.notify(" | ".join(parts))
        self._shown_at = time.monotonic()
        self._shown = board.last

    def _table(self) -> Table:
        board = self._scoreboard
        objective = next(iter(board.spec.objectives))
        table = Table(title=f"study {board.spec.name}", show_header=False, title_justify="left")
        states = ", ".join(f"{count} {state}" for state, count in sorted(board.states.items()))
        table.add_row("trials", f"{board.progress} ({states or 'none yet'})")
        if board.states["FAIL"]:
            table.add_row("failed", Text(board.failed))
        for number in sorted(board.running):
            epoch = board.running[number]
            reached = f", epoch {epoch} of {board.spec.budget.epochs}" if epoch else ""
            table.add_row("running", f"trial {number} {board.label(number)}{reached}")
        best = board.best()
        table.add_row(
            f"best {objective}", "none yet" if best is None else f"{best[0]:,.6g} ({best[1]})"
        )
        table.add_row(
            "front", f"{len(board.front.points)} trials, hypervolume {board.front.hypervolume:.4f}"
        )
        table.add_row("time left", _left(board))
        table.add_row("last", board.last or "none yet")
        return table


def _epochs(board: Scoreboard) -> str:
    """The epochs of running trials, such as ` (epochs 3 to 5 of 20)`; empty before the first."""
    low, high = (one(board.running.values(), default=0) for one in (min, max))
    if not high:
        return ""
    reached = f"epoch {high}" if low == high else f"epochs {low} to {high}"
    return f" ({reached} of {board.spec.budget.epochs})"


def _left(board: Scoreboard) -> str:
    seconds = board.seconds_left()
    if seconds is None:
        return "time left unknown"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{'at most ' if board.is_by_epochs else ''}{minutes}:{seconds:02d} left"
