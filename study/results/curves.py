"""Learning curves: the values of a metric by epoch, read from MLflow."""

import math
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import pandas as pd
from mlflow.entities import Metric

from study.errors import SpecError, StudyError, nearest
from study.home import AnyHome, AnyStore, Home
from study.keywords import checked_keywords
from study.results.reader import read_study
from study.results.record import TrialRecord
from study.results.retrained_run import retrained_records
from study.tracking.artifacts import artifacts_in, current_location, download
from study.tracking.seed_curves import EPOCH_METRICS, FILE, HEADER, parse_curves
from study.tracking.store import client, translated

_REQUESTS_AT_ONCE: Final = 8  # a server answers each in some milliseconds, most of it waiting


@checked_keywords
def curves(  # noqa: PLR0913  # each option has a name of its own
    name: str,
    trials: int | Sequence[int] | None = None,
    *,
    metric: str | Sequence[str] = "val_accuracy",
    seeds: bool = False,
    retrained: bool = False,
    home: AnyHome = None,
    tracking_uri: AnyStore = None,
    fresh: bool = False,
) -> pd.DataFrame:
    """The learning curves of a metric, with one row for each trial and epoch; both are the index.

    `metric` is val_accuracy, val_loss or train_loss, or several of them. The column has its mean over
    the replicates, `..._sem` the standard error (NaN for one replicate). With `seeds`, there is a row
    for each trial, seed and epoch, with the value of that replicate, NaN once it has stopped; running
    trials have none yet. `trials` are by default all; each takes MLflow some milliseconds. With
    `retrained`, the curves are those of the last retraining, by default of each trial that was
    retrained. `fresh` is as in `study.records`. Raises NotFoundError if there is no such study or trial,
    or it was not retrained, SpecError for a metric without a curve, StudyError for an unreadable file.
    """
    metrics = [metric] if isinstance(metric, str) else list(metric)
    if not metrics:
        raise SpecError(f"`metric` must be one or several of {', '.join(EPOCH_METRICS)}, got none")
    for one in metrics:
        if one not in EPOCH_METRICS:
            raise SpecError(f"unknown metric of epochs {one!r}; {nearest(one, EPOCH_METRICS)}")
    place = Home.find(home, tracking_uri)
    stored = read_study(name, place, fresh=fresh)
    chosen = retrained_records(stored, trials) if retrained else stored.chosen(trials)
    if seeds:
        return _by_seed(place, chosen, metrics)
    return pd.concat([_means(place, chosen, one) for one in metrics], axis=1)


def _means(home: Home, records: Sequence[TrialRecord], metric: str) -> pd.DataFrame:
    """The curves of the mean over replicates, with standard errors."""
    run_ids = [record.run_id for record in records]
    means = read_curves(home, run_ids, f"epoch/{metric}")
    errors = read_curves(home, run_ids, f"epoch/{metric}_sem")
    rows = []
    for record in records:
        sems = errors[record.run_id].by_step() if record.run_id in errors else {}
        if record.run_id in means:
            curve = means[record.run_id].by_step()
            rows += [
                (record.trial, epoch, value, sems.get(epoch)) for epoch, value in curve.items()
            ]
    frame = pd.DataFrame(rows, columns=["trial", "epoch", metric, f"{metric}_sem"])
    types = {"trial": "int64", "epoch": "int64", metric: "float64", f"{metric}_sem": "float64"}
    return frame.astype(types).set_index(["trial", "epoch"])


def _by_seed(home: Home, records: Sequence[TrialRecord], metrics: list[str]) -> pd.DataFrame:
    """The curves of each replicate, from the files of the runs."""
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        frames = list(pool.map(lambda record: _curves_of(home, record), records))
    found = [
        frame.assign(trial=record.trial)
        for record, frame in zip(records, frames, strict=True)
        if frame is not None
    ]
    frame = pd.concat(found) if found else parse_curves(HEADER).assign(trial=0)
    return frame.set_index(["trial", "seed", "epoch"])[metrics].sort_index()


def _curves_of(home: Home, record: TrialRecord) -> pd.DataFrame | None:
    """The file of a run, as a table; None if it has none."""
    with translated(home), tempfile.TemporaryDirectory() as folder:
        run = client(home).get_run(record.run_id)
        location = current_location(str(run.info.artifact_uri), home)
        if all(one.path != FILE for one in artifacts_in(location, "", home)):
            return None
        text = download(location, FILE, Path(folder), home).read_text(encoding="utf-8")
    try:
        return parse_curves(text)
    except ValueError as error:
        raise StudyError(
            f"{FILE} of the MLflow run {record.run_id} of trial {record.trial} must hold learning "
            f"curves, but cannot be read: {error}"
        ) from error


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
