"""Learning curves: the values of a metric by epoch, read from MLflow."""

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, final

import pandas as pd
from mlflow.entities import Metric

from study.errors import SpecError, nearest
from study.home import AnyHome, Home
from study.keywords import checked_keywords
from study.results.reader import read_study
from study.tracking.store import client, translated

_REQUESTS_AT_ONCE: Final = 8  # a server answers each in some milliseconds, most of it waiting

EPOCH_METRICS: Final = ("val_accuracy", "val_loss", "train_loss")
"""The metrics that have a learning curve."""


@checked_keywords
def curves(
    name: str,
    trials: int | Sequence[int] | None = None,
    *,
    metric: str = "val_accuracy",
    home: AnyHome = None,
    tracking_uri: str | None = None,
) -> pd.DataFrame:
    """The learning curves of a metric, with one row for each trial and epoch; both are the index.

    `metric` is one of `EPOCH_METRICS`; the column has its mean over the replicates, `..._sem` the
    standard error (NaN for one replicate). `trials` are by default all; each takes MLflow some
    milliseconds. Raises NotFoundError if there
    is no such study or trial, SpecError for a metric without a curve.
    """
    if metric not in EPOCH_METRICS:
        raise SpecError(f"unknown metric of epochs {metric!r}; {nearest(metric, EPOCH_METRICS)}")
    place = Home.find(home, tracking_uri)
    stored = read_study(name, place)
    chosen = stored.chosen(trials)
    run_ids = [record.run_id for record in chosen]
    means = read_curves(place, run_ids, f"epoch/{metric}")
    errors = read_curves(place, run_ids, f"epoch/{metric}_sem")
    rows = []
    for record in chosen:
        sems = errors[record.run_id].by_step() if record.run_id in errors else {}
        if record.run_id in means:
            curve = means[record.run_id].by_step()
            rows += [
                (record.trial, epoch, value, sems.get(epoch)) for epoch, value in curve.items()
            ]
    frame = pd.DataFrame(rows, columns=["trial", "epoch", metric, f"{metric}_sem"])
    types = {"trial": "int64", "epoch": "int64", metric: "float64", f"{metric}_sem": "float64"}
    return frame.astype(types).set_index(["trial", "epoch"])


@final
@dataclass(frozen=True, slots=True)
class Curve:
    """The finite values of a metric in order of steps, with timestamps (ms since 1970)."""

    steps: list[int]
    values: list[float]
    times: list[int]

    def by_step(self) -> dict[int, float]:
        """The value of each step."""
        return dict(zip(self.steps, self.values, strict=True))

    def at(self, step: int) -> float | None:
        """The value at a step, None if there is none."""
        return self.by_step().get(step)


def read_curves(home: Home, run_ids: Iterable[str], metric: str) -> dict[str, Curve]:
    """Reads the curves of a metric, by run, of the runs that have it. Raises TrackingError."""
    store = client(home)

    def read(run_id: str) -> tuple[str, Curve]:
        return run_id, _curve(store.get_metric_history(run_id, metric))

    with translated(home), ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        curves = list(pool.map(read, dict.fromkeys(run_ids)))
    return {run_id: curve for run_id, curve in curves if curve.steps}


def _curve(history: Iterable[Metric]) -> Curve:
    """The curve of a history; of steps written twice, as after an interruption, the later values."""
    points = sorted(history, key=lambda point: point.timestamp)
    last = {point.step: point for point in points if math.isfinite(point.value)}
    ordered = [last[step] for step in sorted(last)]
    return Curve(
        [point.step for point in ordered],
        [point.value for point in ordered],
        [point.timestamp for point in ordered],
    )
