"""Reads the curves of trials and of the study from MLflow."""

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, final

from mlflow.entities import Metric

from study.home import Home
from study.results.reader import client, translated

_REQUESTS_AT_ONCE: Final = 8  # a server answers each in some milliseconds, most of it waiting


@final
@dataclass(frozen=True, slots=True)
class Curve:
    """Finite values of a metric by step, in order, and when each was written (ms since 1970)."""

    steps: list[int]
    values: list[float]
    times: list[int]

    def at(self, step: int) -> float | None:
        """The value at a step, None if there is none."""
        return dict(zip(self.steps, self.values, strict=True)).get(step)


def read_curves(home: Home, run_ids: Iterable[str], metric: str) -> dict[str, Curve]:
    """The curve of one metric of each run that has one. Raises TrackingError."""
    store = client(home)

    def read(run_id: str) -> tuple[str, Curve]:
        return run_id, _curve(store.get_metric_history(run_id, metric))

    with translated(home), ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        found = list(pool.map(read, dict.fromkeys(run_ids)))
    return {run_id: curve for run_id, curve in found if curve.steps}


def _curve(history: Iterable[Metric]) -> Curve:
    """Of a step that was written twice, as after an interruption, the later value counts."""
    points = sorted(history, key=lambda point: point.timestamp)
    last = {point.step: point for point in points if math.isfinite(point.value)}
    ordered = [last[step] for step in sorted(last)]
    return Curve(
        [point.step for point in ordered],
        [point.value for point in ordered],
        [point.timestamp for point in ordered],
    )
