"""One trial as it is read back: the same fields in Python, in tables and in JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from study.metrics import Direction
from study.pareto import Point


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """A trial. Counts are of one replicate, accuracies shares in 0..1, losses nats.

    Values are means over replicates, `..._sem` their standard errors (None for one replicate);
    they belong to the kept weights. What was not measured (yet) is None. `state` is RUNNING,
    COMPLETE, PRUNED (stopped early), INFEASIBLE (it broke a constraint before training), FAIL or
    INTERRUPTED; `reason` says why a trial failed or is infeasible, `notice` what happened on the way.
    `feasible` says whether a trial that was judged keeps the constraints, None of others.
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

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON types."""
        return asdict(self)

    def point(self, objectives: Mapping[str, Direction]) -> Point | None:
        """The values of the objectives; None unless the trial is complete, feasible and has them."""
        values = [getattr(self, name) for name in objectives]
        if (
            self.state != "COMPLETE"
            or not self.feasible
            or any(value is None or not math.isfinite(value) for value in values)
        ):
            return None
        return values


def to_frame(records: Sequence[TrialRecord]) -> pd.DataFrame:
    """A table of one row a trial; architecture and training settings are columns of their own."""
    rows = []
    for record in records:
        row = record.to_dict()
        row |= row.pop("architecture") | row.pop("training") | {"epochs": record.epochs}
        rows.append(row)
    frame = pd.DataFrame(rows)
    if frame.empty:
        return frame
    counts = ["trainable_parameters", "macs", "synapses"]
    return frame.astype(dict.fromkeys(counts, "Int64")).set_index("trial", drop=False)
