"""The front as a table to read and as CSV to copy."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Final

from study.report.trial_text import count, label, percent
from study.results.record import TrialRecord, to_frame

_COLUMNS: Final[dict[str, Callable[[TrialRecord], str]]] = {
    "trial": lambda record: str(record.trial),
    "network": label,
    "parameters": lambda record: count(record.trainable_parameters),
    "MACs": lambda record: count(record.macs),
    "validation %": lambda record: percent(record.val_accuracy, record.val_accuracy_sem),
    "test %": lambda record: percent(record.test_accuracy, record.test_accuracy_sem),
    "learning rate": lambda record: _rate(record.training.get("learning_rate")),
    "batch": lambda record: str(record.training.get("batch_size", "")),
    "seconds": lambda record: "" if record.seconds is None else f"{record.seconds:,.1f}",
}
_LEFT: Final = ("network",)


def by_size(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials on the front, the fewest parameters first."""
    front = [record for record in records if record.on_front]
    return sorted(front, key=lambda record: record.trainable_parameters or 0)


def table_html(front: Sequence[TrialRecord]) -> str:
    """One row a trial, as HTML; every value is escaped."""
    head = "".join(
        f'<th scope="col"{_class(heading)}>{escape(heading)}</th>' for heading in _COLUMNS
    )
    rows = []
    for record in front:
        cells = [
            f'<th scope="row">{escape(show(record))}</th>'
            if heading == "trial"
            else f"<td{_class(heading)}>{escape(show(record))}</td>"
            for heading, show in _COLUMNS.items()
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def table_csv(front: Sequence[TrialRecord]) -> str:
    """The same trials with every field of their records, as `study pareto --csv` prints them."""
    return str(to_frame(front).to_csv(index=False))


def _class(heading: str) -> str:
    return ' class="left"' if heading in _LEFT else ""


def _rate(value: object) -> str:
    return f"{value:.1e}" if isinstance(value, float) else str(value or "")
