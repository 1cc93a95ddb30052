"""How a trial is put into words: its label, and what is said where the pointer rests on it."""

from html import escape
from typing import Final

from models.architecture import FAMILIES, Architecture
from study.results.record import TrialRecord
from study.training.settings import DEFAULTS

_SETTINGS: Final = ("learning_rate", "batch_size", "schedule")
_SELDOM: Final = ("patience", "noise", "batch_order")  # said where they are not the default
_OPTIONS: Final = ("layers", "leaky_slope", "dropout", "initialization")


def label(record: TrialRecord) -> str:
    """The network in short, as `dann-lrf D4 S128 K16`; the family alone if it cannot be read."""
    try:
        return Architecture(**record.architecture).label()
    except (TypeError, ValueError):
        return record.family


def count(number: float | None) -> str:
    """A whole number with separators, empty if there is none."""
    return "" if number is None else f"{number:,.0f}"


def percent(share: float | None, sem: float | None = None) -> str:
    """A share in percent, with its standard error if there is one; empty if there is none."""
    if share is None:
        return ""
    return f"{100 * share:.2f}" + ("" if sem is None else f" ± {100 * sem:.2f}")


def hover(record: TrialRecord) -> str:
    """A trial in lines for a hover label: what it reached, and its configuration. Escaped."""
    lines = [f"trial {record.trial}: {label(record)}", _state(record)]
    if record.val_accuracy is not None:
        lines.append(f"validation {percent(record.val_accuracy, record.val_accuracy_sem)} %")
    if record.test_accuracy is not None:
        lines.append(f"test {percent(record.test_accuracy, record.test_accuracy_sem)} %")
    if record.trainable_parameters is not None:
        macs = "" if record.macs is None else f", {count(record.macs)} MACs"
        lines.append(f"{count(record.trainable_parameters)} parameters{macs}")
    family = FAMILIES.get(record.family)
    options = _OPTIONS if family is None else _OPTIONS + family.options
    settings = _SETTINGS + tuple(
        name for name in _SELDOM if record.training.get(name) != DEFAULTS[name]
    )
    for names, table in ((settings, record.training), (options, record.architecture)):
        known = [f"{name} {_plain(table[name])}" for name in names if table.get(name) is not None]
        # Two a line, for a label must fit on a telephone.
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
        return "breaks a constraint"
    return words.get(record.state, record.state.lower())


def _plain(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
