"""Tables of trials, studies and jobs for a terminal."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

import numpy as np
import pandas as pd
from rich import box
from rich.markup import escape
from rich.table import Table

from models.counting import SEED_BITS
from study.cluster.study_job import StudyJob
from study.results.comparison import ComparedStudy, Comparison
from study.results.format import count, estimate, number, percent
from study.results.record import TrialRecord
from study.results.study_status import StudyStatus

Row = TypeVar("Row")

_HEIGHTS: Final = "▁▂▃▄▅▆▇█"
_SHOWN: Final = {
    *("trial", "epochs", "val_accuracy", "test_accuracy"),
    *("trainable_parameters", "wiring_bits", "stored_bytes"),
}
"""The metrics that have a column in each table of trials."""

_NOTABLE: Final = ("FAIL", "PRUNED", "RUNNING", "INTERRUPTED")
"""States that are shown even if all trials have them."""


def trial_table(
    records: Sequence[TrialRecord],
    title: str,
    *,
    metrics: Iterable[str] = (),
    studies: Sequence[str] | None = None,
) -> Table:
    """A row for each trial; accuracies in percent with standard errors.

    `metrics` are metrics to show besides, such as the objectives; those with a column of their own
    appear once. The columns state, dendritic, epochs and front appear if they differ between the
    trials, the column study if `studies` has the study of each trial, and `wiring bits` if a wiring
    takes more than a seed.
    Of confirmed trials the validation accuracy with further seeds is beside that of the search, and of
    trials that continue another one its number.
    """
    columns: dict[str, Callable[[TrialRecord], str]] = {
        "trial": lambda record: str(record.trial),
        "state": lambda record: record.state,
        "architecture": lambda record: record.label(),
        "dendritic": lambda record: "yes" if record.dendritic else "no",
        "parameters": lambda record: count(record.trainable_parameters),
        "wiring bits": lambda record: count(record.wiring_bits),
        "bytes": lambda record: count(record.stored_bytes),
        "val %": lambda record: percent(record.val_accuracy, record.val_accuracy_sem),
        "confirmed %": lambda record: record.confirmed_percent,
        "test %": lambda record: percent(record.test_accuracy, record.test_accuracy_sem),
        **{name: partial(_metric, name) for name in dict.fromkeys(metrics) if name not in _SHOWN},
        "epochs": lambda record: str(record.epochs),
        "continues": lambda record: "" if record.continues is None else str(record.continues),
        "front": lambda record: "*" if record.on_front else "",
    }
    cells = {} if studies is None else {"study": list(studies)}
    cells |= _cells(records, columns)
    if not any((record.wiring_bits or 0) > SEED_BITS for record in records):
        del cells["wiring bits"]
    if not any(cells["confirmed %"]):
        del cells["confirmed %"]
    if not any(cells["continues"]):
        del cells["continues"]
    for heading in ("state", "dendritic", "epochs", "front"):
        if len(set(cells[heading])) == 1 and cells["trial"] and cells[heading][0] not in _NOTABLE:
            del cells[heading]
    return plain_table(title, cells, left=("study", "state", "architecture", "dendritic", "front"))


def _metric(name: str, record: TrialRecord) -> str:
    """The value of a metric with its standard error, if any."""
    value, error = record.value(name), record.value(f"{name}_sem")
    if value is None or error is not None:
        return estimate(value, error)
    return number(value)


def _cells(
    rows: Sequence[Row], columns: Mapping[str, Callable[[Row], str]]
) -> dict[str, list[str]]:
    """The texts of each column."""
    return {heading: [show(row) for row in rows] for heading, show in columns.items()}


def plain_table(title: str, cells: Mapping[str, Sequence[str]], left: Sequence[str]) -> Table:
    """A table with a column for each heading; those in `left` are left-aligned."""
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for heading in cells:
        table.add_column(heading, justify="left" if heading in left else "right", no_wrap=True)
    for row in zip(*cells.values(), strict=True):
        table.add_row(*row)
    return table


def curve_table(curves: pd.DataFrame, title: str) -> Table:
    """A row for each trial of `study.curves`, or each of its seeds, with the shape of its curve."""
    metric = str(curves.columns[0])
    low, high = curves[metric].min(), curves[metric].max()
    keys = [str(name) for name in curves.index.names if name != "epoch"]
    cells: dict[str, list[str]] = {name: [] for name in (*keys, "epochs", "last", "curve")}
    for key, curve in curves.dropna(subset=[metric]).reset_index("epoch").groupby(keys):
        values = curve[metric]
        for name, value in zip(keys, key, strict=True):
            cells[name].append(str(value))
        cells["epochs"].append(str(curve["epoch"].iloc[-1]))
        cells["last"].append(f"{values.iloc[-1]:.4g}")
        cells["curve"].append(sparkline(values.tolist(), low, high))
    return plain_table(title, cells, left=("curve",))


def seed_table(values: pd.DataFrame, title: str) -> Table:
    """A row for each trial and seed of `study.seeds`."""
    cells: dict[str, list[str]] = {
        "trial": [str(trial) for trial, _ in values.index],
        "seed": [str(seed) for _, seed in values.index],
    }
    for metric, column in values.items():
        part, kind = str(metric).split("_")
        scale, heading = (100, f"{part} %") if kind == "accuracy" else (1, f"{part} {kind}")
        digits = 2 if kind == "accuracy" else 4
        cells[heading] = [
            "" if np.isnan(value) else f"{scale * value:.{digits}f}" for value in column
        ]
    return plain_table(title, cells, left=())


def sparkline(values: Sequence[float], low: float, high: float) -> str:
    """A character for each value, or for each of 40 among more; its height is that from low to high."""
    chosen = [
        values[place] for place in np.linspace(0, len(values) - 1, min(len(values), 40)).astype(int)
    ]
    top = len(_HEIGHTS) - 1
    return "".join(_HEIGHTS[round(top * (value - low) / ((high - low) or 1))] for value in chosen)


def job_table(jobs: Sequence[StudyJob]) -> Table:
    """A row for each job of a cluster. Fits 80 columns for short names of studies."""
    columns: dict[str, Callable[[StudyJob], str]] = {
        "study": lambda job: job.study,
        "status": lambda job: job.status,
        "submitted (UTC)": lambda job: _minute(job.submitted),
        "ended": lambda job: _minute(job.ended),
        "job": lambda job: job.job,
    }
    return plain_table("jobs", _cells(jobs, columns), left=tuple(columns))


def _minute(time: str | None) -> str:
    """The day and the minute of an ISO time."""
    return "" if time is None else time[:16].replace("T", " ")


def comparison_table(comparison: Comparison) -> Table:
    """A row for each compared study. Fits 80 columns for short names of studies."""
    accuracy = comparison.accuracy
    at = "" if accuracy is None else f"\nat {100 * accuracy:.2f} %"
    columns: dict[str, Callable[[ComparedStudy], str]] = {
        "study": lambda one: one.status.name,
        "trials": lambda one: str(one.status.trials),
        "epochs": lambda one: f"{one.status.epochs:,}",
        "hypervolume": lambda one: f"{one.status.hypervolume:.4f}",
        "front": lambda one: str(one.status.front),
        "joint": lambda one: "" if one.joint is None else str(one.joint),
        "best val %": lambda one: _best(one.status.best),
        "confirmed %": lambda one: _confirmed(one.status.best),
        f"parameters{at}": lambda one: (
            "" if one.smallest is None else count(one.smallest.trainable_parameters)
        ),
    }
    if not any(_confirmed(one.status.best) for one in comparison.studies):
        del columns["confirmed %"]
    if any(one.joint is None for one in comparison.studies):
        del columns["hypervolume"], columns["joint"]
    return plain_table("compared studies", _cells(comparison.studies, columns), left=("study",))


def _best(best: TrialRecord | None) -> str:
    return "" if best is None else percent(best.val_accuracy, best.val_accuracy_sem)


def _confirmed(best: TrialRecord | None) -> str:
    return "" if best is None else best.confirmed_percent


def study_table(studies: Sequence[StudyStatus]) -> Table:
    """A row for each study."""
    columns: dict[str, Callable[[StudyStatus], str]] = {
        "study": lambda study: study.name,
        "data": lambda study: study.dataset,
        "trials": _of,
        "run": lambda study: _run(study.run_status),
        "front": lambda study: str(study.front),
        "hypervolume": lambda study: f"{study.hypervolume:.4f}",
        "best val %": lambda study: _best(study.best),
    }
    return plain_table("studies", _cells(studies, columns), left=("study", "data", "run"))


def fact_table(title: str, facts: Mapping[str, str]) -> Table:
    """A row for each fact with its name."""
    table = Table(title=title, show_header=False, title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in facts.items():
        table.add_row(name, escape(text))
    return table


def status_table(status: StudyStatus) -> Table:
    """The status of a study."""
    states = ", ".join(f"{count} {state}" for state, count in sorted(status.states.items()))
    confirmed = f", {status.confirmed} confirmed with further seeds" if status.confirmed else ""
    facts = {
        "data": status.dataset,
        "run": _run(status.run_status),
        "trials": f"{_of(status)} ({states or 'none yet'}), {status.epochs:,} epochs",
        "front": f"{status.front} trials, hypervolume {status.hypervolume:.4f}{confirmed}",
    }
    best = status.best
    if best is not None:
        accuracy = percent(best.val_accuracy, best.val_accuracy_sem)
        if best.confirmed_val_accuracy is not None:
            own = percent(best.confirmed_val_accuracy, best.confirmed_val_accuracy_sem)
            accuracy = f"{accuracy} % in the search, {own}"
        facts["best"] = f"trial {best.trial} {best.label()}, val accuracy {accuracy} %"
    facts |= {"records": status.tracking_uri, "MLflow run": status.parent_run_id}
    return fact_table(f"study {status.name}", facts)


def _of(study: StudyStatus) -> str:
    return f"{study.trials}" if study.budget is None else f"{study.trials} of {study.budget}"


def _run(status: str) -> str:
    """The status of a run in plain words; MLflow has KILLED for what a user stopped."""
    return {"KILLED": "stopped"}.get(status, status.lower())
