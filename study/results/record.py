"""The record of a trial, with the same fields in Python, tables and files."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, final

import pandas as pd

from models.architecture import Architecture
from study.results.format import count, percent
from study.results.html_tables import html_facts, html_table
from study.search.difference import is_real
from study.search.pareto import Point
from study.search.pooling import CONFIRMED, confirmed_name, pooled
from study.search.promotion import replaced
from study.spec.metrics import Direction
from study.training.settings import TrainingSettings

# The training settings without `epochs`, which in a record is the number of trained epochs.
_TRAINING: Final = [field.name for field in fields(TrainingSettings) if field.name != "epochs"]


SEED_METRICS: Final = ("val_accuracy", "val_loss", "test_accuracy", "test_loss")
"""The metrics of a replicate, of its kept weights."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """A trial. Counts are of one replicate, accuracies shares in 0..1, losses nats.

    Values are means over replicates, `..._sem` their standard errors (None for one replicate), of the
    kept weights. Values that were not measured, or not yet, are None. `state` is RUNNING,
    COMPLETE, PRUNED (stopped early), FAIL or INTERRUPTED; `reason` is why a trial failed, `notice` an
    event during training, `continues` the ended trial from whose checkpoint it was trained on, if there
    is one. `by_seed` has the values of each replicate by its seed.
    `diagnostics` are those of its study by name (docs/diagnostics.md), with their `..._sem`. `feasible`:
    whether a complete trial satisfies the constraints, None for other trials.
    `dendritic`: whether each soma has at least two branches of its own, each with a nonlinearity
    (`Architecture.is_dendritic`); None if the architecture is unreadable.
    `confirmed_...` are the values over the further seeds of its confirmation, if there was one (key
    `budget.confirm`); `feasible` and `on_front` are by the values of `pooled`.
    """

    trial: int
    run_id: str
    state: str
    reason: str | None
    notice: str | None
    feasible: bool | None
    family: str
    architecture: dict[str, Any]
    training: dict[str, Any]
    replicates: int
    trainable_parameters: int | None
    macs: int | None
    wiring_bits: int | None
    stored_bytes: int | None
    val_accuracy: float | None
    val_accuracy_sem: float | None
    val_loss: float | None
    val_loss_sem: float | None
    test_accuracy: float | None
    test_accuracy_sem: float | None
    test_loss: float | None
    test_loss_sem: float | None
    epochs: int
    seconds: float | None
    on_front: bool = False
    dendritic: bool | None = None
    continues: int | None = None
    by_seed: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    confirmed_replicates: int | None = None
    confirmed_val_accuracy: float | None = None
    confirmed_val_accuracy_sem: float | None = None
    confirmed_val_loss: float | None = None
    confirmed_val_loss_sem: float | None = None
    confirmed_test_accuracy: float | None = None
    confirmed_test_accuracy_sem: float | None = None
    confirmed_test_loss: float | None = None
    confirmed_test_loss_sem: float | None = None

    def __repr__(self) -> str:
        """The trial in a line; `to_dict` has all of it."""
        accuracy = "" if self.val_accuracy is None else f", val_accuracy={self.val_accuracy:.4f}"
        return (
            f"TrialRecord(trial={self.trial}, {self.state}, {self.label()}, "
            f"trainable_parameters={self.trainable_parameters}{accuracy})"
        )

    def cells(self) -> dict[str, str]:
        """The texts of a table: counts, and percentages with their standard errors."""
        return {
            "trial": str(self.trial),
            "state": self.state.lower(),
            "network": self.label(),
            "dendritic": "yes" if self.dendritic else "",
            "parameters": count(self.trainable_parameters),
            "MACs": count(self.macs),
            "wiring bits": count(self.wiring_bits),
            "bytes": count(self.stored_bytes),
            "validation %": percent(self.val_accuracy, self.val_accuracy_sem),
            "test %": percent(self.test_accuracy, self.test_accuracy_sem),
            "epochs": str(self.epochs),
            "learning rate": f"{self.training['learning_rate']:.1e}",
            "on the front": "yes" if self.on_front else "",
        }

    def _repr_html_(self) -> str:
        table = html_facts(
            self.cells() | {"reason": self.reason or "", "notice": self.notice or ""}
        )
        names = [name for name in SEED_METRICS if any(name in one for one in self.by_seed.values())]
        columns = {"seed": [str(seed) for seed in self.by_seed]} | {
            name: [_measured(one.get(name)) for one in self.by_seed.values()] for name in names
        }
        return table + (html_table(columns, "replicates") if names else "")

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON types."""
        return asdict(self)

    def label(self) -> str:
        """The label of the network, as `dann-lrf D4 S128 K16`; only the family if it is unreadable."""
        try:
            return Architecture(**self.architecture).label()
        except (TypeError, ValueError):
            return self.family

    def value(self, name: str) -> float | None:
        """The value of a metric or a diagnostic; None if it was not measured."""
        value: float | None = getattr(self, name, None)
        return self.diagnostics.get(name) if value is None else value

    def pooled(self, name: str) -> tuple[float | None, float | None]:
        """The value of a metric by which trials are selected, and its standard error.

        Over the replicates of the search and of the confirmation, if there was one
        (`study.search.pooling`).
        """
        value, error = self.value(name), self.value(f"{name}_sem")
        own = self.value(confirmed_name(name)) if name in CONFIRMED else None
        if value is None or own is None or self.confirmed_replicates is None:
            return value, error
        own_error = self.value(confirmed_name(f"{name}_sem"))
        mean, sem = pooled(
            (value, error or 0.0, self.replicates),
            (own, own_error or 0.0, self.confirmed_replicates),
        )
        return float(mean), None if math.isnan(sem) else float(sem)

    @property
    def confirmed_percent(self) -> str:
        """The validation accuracy with further seeds alone, in percent; empty without any."""
        return percent(self.confirmed_val_accuracy, self.confirmed_val_accuracy_sem)

    def is_as_accurate_as(self, best: "TrialRecord") -> bool:
        """Whether the validation accuracy is not really lower (`study.search.difference`)."""
        (highest, error), (accuracy, own_error) = (
            one.pooled("val_accuracy") for one in (best, self)
        )
        lag = (highest or 0.0) - (accuracy or 0.0)
        return lag <= 0 or not is_real(lag, error or 0.0, own_error or 0.0)

    def point(self, objectives: Mapping[str, Direction]) -> Point | None:
        """The pooled values of the objectives.

        None unless the trial is complete and feasible and has all.
        """
        measured = [self.pooled(name)[0] for name in objectives]
        values = [value for value in measured if value is not None and math.isfinite(value)]
        if self.state != "COMPLETE" or not self.feasible or len(values) < len(measured):
            return None
        return values


def _measured(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def by_seed(seeds: Sequence[int], replicates: str | None) -> dict[int, dict[str, float]]:
    """The metrics of each replicate by its seed, from the text of a run (`REPLICATES_TAG`).

    Empty without a text. Raises ValueError, TypeError or AttributeError if it has no value for each
    replicate.
    """
    if replicates is None:
        return {}
    table: dict[int, dict[str, float]] = {seed: {} for seed in seeds}
    for name, values in json.loads(replicates).items():
        for seed, value in zip(seeds, values, strict=True):
            table[seed][name] = float(value)
    return table


def without_continued(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials without those that others continue, whose curves are the beginnings of theirs."""
    continued = {record.continues for record in records}
    return [record for record in records if record.trial not in continued]


def without_replaced(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials without those that complete ones continue, whose networks are the same, trained on."""
    continues = {one.trial: one.continues for one in records if one.continues is not None}
    old = replaced(continues, [one.trial for one in records if one.state == "COMPLETE"])
    return [record for record in records if record.trial not in old]


def to_frame(records: Sequence[TrialRecord]) -> pd.DataFrame:
    """A table with one row for each trial, and a column for each size, option and training setting."""
    if not records:
        return pd.DataFrame(columns=_columns()).set_index("trial")
    rows = []
    for record in records:
        row = record.to_dict()
        row |= row.pop("architecture") | row.pop("training") | {"epochs": record.epochs}
        row |= row.pop("diagnostics")
        del row["by_seed"]
        rows.append(row)
    counts = ["trainable_parameters", "macs", "wiring_bits", "stored_bytes", "synapses"]
    counts.append("continues")
    frame = pd.DataFrame(rows).astype(dict.fromkeys(counts, "Int64"))
    return frame.set_index("trial")


def _columns() -> list[str]:
    """The columns of a table without rows."""
    own = [field.name for field in fields(TrialRecord)]
    architecture = [field.name for field in fields(Architecture)]
    apart = ("architecture", "training", "diagnostics", "by_seed")
    kept = [name for name in own if name not in apart]
    return list(dict.fromkeys([*kept, *architecture, *_TRAINING]))
