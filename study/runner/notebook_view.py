"""A running study in a notebook: one output of the cell, which is replaced as the study proceeds."""

from collections import deque
from html import escape
from typing import Any, Final, final

from study.results.format import count
from study.results.html_tables import html_facts, html_table
from study.runner.scoreboard import Scoreboard

_MESSAGES: Final = 8  # the last ones, which are shown


@final
class NotebookView:
    """Shows the scoreboard and the last messages in the output of the running cell."""

    def __init__(self, scoreboard: Scoreboard) -> None:
        self._scoreboard = scoreboard
        self._messages: deque[str] = deque(maxlen=_MESSAGES)
        self._output: Any = None

    def add(self, message: str) -> None:
        """Adds a message."""
        self._messages.append(message)

    def show(self, left: str) -> None:
        """Shows the state of the study; `left` is the remaining time as text."""
        from IPython.display import HTML, display  # noqa: PLC0415  # only notebooks have it

        page = HTML(as_html(self._scoreboard, list(self._messages), left))
        if self._output is None:
            self._output = display(page, display_id=True)
        else:
            self._output.update(page)


def as_html(board: Scoreboard, messages: list[str], left: str) -> str:
    """The state of a study with its front, best first in the first objective, and messages."""
    states = ", ".join(
        f"{number} {state.lower()}" for state, number in sorted(board.states.items())
    )
    running = ", ".join(
        f"{number} {board.label(number)}" + (f" (epoch {epoch})" if epoch else "")
        for number, epoch in sorted(board.running.items())
    )
    bar = ""
    if board.trials is not None:
        bar = f'<progress max="{board.trials}" value="{board.ended}"></progress>'
    facts = {
        "trials": f"{board.progress} ({states or 'none yet'})",
        "failed": board.failed if board.states["FAIL"] else "",
        "running": running,
        "time": left,
        "hypervolume": f"{board.front.hypervolume:.4f}",
    }
    lines = "\n".join(map(escape, messages))
    return (
        f"<b>study {escape(board.spec.name)}</b> {bar}{html_facts(facts)}{_front(board)}"
        f"<pre>{lines}</pre>"
    )


def _front(board: Scoreboard) -> str:
    first, goal = next(iter(board.spec.objectives.items()))
    points = sorted(
        board.front.points.items(), key=lambda item: item[1][0], reverse=goal == "maximize"
    )
    if not points:
        return ""
    columns = {
        "trial": [str(number) for number, _ in points],
        "network": [board.label(number) for number, _ in points],
    }
    for place, name in enumerate(board.spec.objectives):
        columns[name] = [f"{point[place]:,.6g}" for _, point in points]
    for name, heading in (("wiring_bits", "wiring bits"), ("stored_bytes", "bytes")):
        if name not in board.spec.objectives:
            columns[heading] = [count(board.size(number, name)) for number, _ in points]
    return html_table(columns, f"front, best {first} first")
