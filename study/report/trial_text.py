"""Trials as text: hover labels, and the front as the cells of a table and as CSV."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Final

from models.architecture import FAMILIES
from study.results.format import count, percent
from study.results.record import TrialRecord, to_frame
from study.training.settings import DEFAULTS, RECIPES

_SETTINGS: Final = ("learning_rate", "batch_size", "schedule")
_SELDOM: Final = (
    "patience",
    "noise",
    "batch_order",
    *RECIPES,
    "teacher",
)  # shown unless they have the default
_OPTIONS: Final = ("layers", "leaky_slope", "dropout", "initialization")


def hover(record: TrialRecord) -> str:
    """The results and the configuration of a trial for a hover label, as escaped HTML."""
    lines = [f"trial {record.trial}: {record.label()}", _state(record)]
    if record.continues is not None:
        lines.append(f"continues trial {record.continues}")
    if record.val_accuracy is not None:
        lines.append(f"validation {percent(record.val_accuracy, record.val_accuracy_sem)} %")
    if record.confirmed_val_accuracy is not None:
        lines.append(
            f"confirmed {record.confirmed_percent} % ({record.confirmed_replicates} further seeds)"
        )
    if record.test_accuracy is not None:
        lines.append(f"test {percent(record.test_accuracy, record.test_accuracy_sem)} %")
    if record.trainable_parameters is not None:
        macs = "" if record.macs is None else f", {count(record.macs)} MACs"
        lines.append(f"{count(record.trainable_parameters)} parameters{macs}")
    family = FAMILIES.get(record.family)
    options = _OPTIONS if family is None else _OPTIONS + family.options
    settings = _SETTINGS + tuple(
        name for name in _SELDOM if record.training.get(name, DEFAULTS[name]) != DEFAULTS[name]
    )
    for names, table in ((settings, record.training), (options, record.architecture)):
        known = [f"{name} {_plain(table[name])}" for name in names if table.get(name) is not None]
        # Two per line, to fit on a phone.
        lines += [", ".join(known[place : place + 2]) for place in range(0, len(known), 2)]
    first, *others = (escape(line) for line in lines if line)
    return "<br>".join([f"<b>{first}</b>", *others])


def _state(record: TrialRecord) -> str:
    words = {
        "COMPLETE": "on the front" if record.on_front else "",
        "PRUNED": f"stopped early after epoch {record.epochs}",
        "RUNNING": f"running, epoch {record.epochs}",
        "INTERRUPTED": f"interrupted after epoch {record.epochs}",
        "FAIL": f"failed after epoch {record.epochs}",
    }
    if record.state == "COMPLETE" and record.feasible is False:
        return "violates a constraint"
    return words.get(record.state, record.state.lower())


def _plain(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


_COLUMNS: Final[dict[str, Callable[[TrialRecord], str]]] = {
    "trial": lambda record: str(record.trial),
    "network": lambda record: record.label(),
    "dendritic": lambda record: "yes" if record.dendritic else "no",
    "parameters": lambda record: count(record.trainable_parameters),
    "MACs": lambda record: count(record.macs),
    "wiring bits": lambda record: count(record.wiring_bits),
    "bytes": lambda record: count(record.stored_bytes),
    "validation %": lambda record: percent(record.val_accuracy, record.val_accuracy_sem),
    "confirmed %": lambda record: record.confirmed_percent,
    "test %": lambda record: percent(record.test_accuracy, record.test_accuracy_sem),
    "learning rate": lambda record: _rate(record.training.get("learning_rate")),
    "batch": lambda record: str(record.training.get("batch_size", "")),
    "seconds": lambda record: "" if record.seconds is None else f"{record.seconds:,.1f}",
}


def front_cells(front: Sequence[TrialRecord]) -> dict[str, list[str]]:
    """The texts of a table with a row for each trial, by column.

    Confirmed values appear if there are any, the column dendritic if the trials differ in it.
    """
    columns = dict(_COLUMNS)
    if not any(record.confirmed_replicates for record in front):
        del columns["confirmed %"]
    if len({record.dendritic for record in front}) < 2:  # noqa: PLR2004  # all are, or none is
        del columns["dendritic"]
    return {heading: [show(record) for record in front] for heading, show in columns.items()}


def table_csv(front: Sequence[TrialRecord]) -> str:
    """The trials with all fields of their records, as printed by `study pareto --csv`."""
    return str(to_frame(front).to_csv())


def _rate(value: object) -> str:
    return f"{value:.1e}" if isinstance(value, float) else str(value or "")
