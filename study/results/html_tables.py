"""Results as HTML tables for notebooks; all text is escaped."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final, Protocol, TypeVar, final

_SHOWN: Final = 100  # rows of a table
_LEFT: Final = ("network", "state", "study", "data", "file", "run")
_STYLE: Final = 'style="text-align: {}; white-space: nowrap"'


class Shown(Protocol):
    """An object with texts for the columns of a table."""

    def cells(self) -> dict[str, str]:
        """The texts by the heading of their column."""


Item = TypeVar("Item", bound=Shown)


@final
class Listing(list[Item]):
    """A list with a line for each item when printed, and a row of a table in notebooks."""

    def __repr__(self) -> str:
        """An item in a line, as many as a notebook shows."""
        lines = [repr(item) for item in self[:_SHOWN]]
        rest = [f"... {len(self) - _SHOWN:,} more"] if len(self) > _SHOWN else []
        return "[" + ",\n ".join(lines + rest) + "]"

    def _repr_html_(self) -> str:
        rows = [item.cells() for item in self[:_SHOWN]]
        filled = [name for name in (rows[0] if rows else ()) if any(row[name] for row in rows)]
        columns = {name: [row[name] for row in rows] for name in filled}
        more = "" if len(self) <= _SHOWN else f"<p>the first {_SHOWN} of {len(self):,}</p>"
        return html_table(columns) + more


def html_table(columns: Mapping[str, Sequence[str]], title: str = "") -> str:
    """A table with these columns of texts."""
    if not columns:
        return "<p>none</p>"
    head = "".join(_cell("th", name, name) for name in columns)
    rows = "".join(
        f"<tr>{''.join(_cell('td', name, text) for name, text in zip(columns, row, strict=True))}</tr>"
        for row in zip(*columns.values(), strict=True)
    )
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def html_facts(facts: Mapping[str, str]) -> str:
    """A table with a row for each fact; empty ones are left out."""
    rows = "".join(
        f"<tr>{_cell('th', 'network', name)}{_cell('td', 'network', text)}</tr>"
        for name, text in facts.items()
        if text
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _cell(kind: str, column: str, text: str) -> str:
    style = _STYLE.format("left" if column in _LEFT else "right")
    return f"<{kind} {style}>{escape(text)}</{kind}>"
