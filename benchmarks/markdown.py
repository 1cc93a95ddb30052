"""Tables of Markdown, as pages show them beside committed results."""

from collections.abc import Iterable


def row(cells: Iterable[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"


def table(head: str, rows: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a table below this row of heads."""
    return [head, "|---" * (head.count("|") - 1) + "|", *map(row, rows)]
