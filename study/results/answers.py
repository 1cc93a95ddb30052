"""Queries of studies in MLflow, without a driver or Ray.

They read the table of trials stored by the sender of a study, at most ten seconds old while it runs;
with `fresh` they read the runs themselves, which takes seconds for thousands of trials.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import pandas as pd

from study.errors import NotFoundError, SpecError, nearest
from study.home import AnyHome, Home
from study.keywords import checked_keywords
from study.results.query import (
    COMPLETE,
    MOST_ACCURATE,
    SMALLEST,
    Filters,
    Order,
    Query,
    best_first,
)
from study.results.reader import Curve, read_curves, read_study, study_experiments
from study.results.record import TrialRecord, to_frame
from study.results.stored_study import StoredStudy
from study.search.budget import trials_allowed
from study.search.pareto import hypervolume
from study.search.pareto import knee as knee_of
from study.spec.study_spec import StudySpec

EPOCH_METRICS: Final = ("val_accuracy", "val_loss", "train_loss")
"""The metrics that have a learning curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyStatus:
    """The status of a study. `run_status` is MLflow's status of the parent run.

    `trials` is the number of ended trials, `budget` its limit, or None if another limit ends the study.
    `epochs` is the total over all trials.
    """

    name: str
    dataset: str
    run_status: str
    trials: int
    budget: int | None
    epochs: int
    states: dict[str, int]
    front: int
    hypervolume: float
    best: TrialRecord | None
    parent_run_id: str
    tracking_uri: str

    def to_dict(self) -> dict[str, Any]:
        """The status as JSON types."""
        return asdict(self)


@checked_keywords
def list_studies(
    *, home: AnyHome = None, tracking_uri: str | None = None, fresh: bool = False
) -> list[StudyStatus]:
    """The status of every study in the store, by name; empty if there is no store yet.

    Studies whose first records are incomplete are left out.
    """
    place = Home.find(home, tracking_uri)
    statuses = []
    for name in study_experiments(place):
        try:
            statuses.append(status(name, home=place, fresh=fresh))
        except NotFoundError:
            continue
    return statuses


@checked_keywords
def status(
    name: str, *, home: AnyHome = None, tracking_uri: str | None = None, fresh: bool = False
) -> StudyStatus:
    """The status of a study. Raises NotFoundError if there is no such study."""
    stored = read_study(name, Home.find(home, tracking_uri), fresh=fresh)
    return status_of(stored)


def status_of(stored: StoredStudy) -> StudyStatus:
    """The status of a stored study."""
    spec, tally = stored.spec, stored.tally()
    points = [record.point(spec.objectives) for record in stored.front()]
    return StudyStatus(
        name=spec.name,
        dataset=spec.dataset.name,
        run_status=stored.parent.info.status,
        trials=sum(tally.states.get(state, 0) for state in ("COMPLETE", "PRUNED", "FAIL")),
        budget=trials_allowed(spec),
        epochs=tally.epochs,
        states=dict(tally.states),
        front=len(points),
        hypervolume=hypervolume([point for point in points if point], spec.objectives),
        best=stored.best,
        parent_run_id=stored.parent.info.run_id,
        tracking_uri=stored.home.shown_uri,
    )


@checked_keywords
def study_spec(name: str, *, home: AnyHome = None, tracking_uri: str | None = None) -> StudySpec:
    """The spec of a study. Raises NotFoundError if there is no such study."""
    return read_study(name, Home.find(home, tracking_uri)).spec


@checked_keywords
def records(  # noqa: PLR0913  # each option has a name of its own
    name: str,
    *,
    states: Sequence[str] = (),
    order: Sequence[str] = (),
    limit: int | None = None,
    family: str | Sequence[str] | None = None,
    min_parameters: int | None = None,
    max_parameters: int | None = None,
    min_macs: int | None = None,
    max_macs: int | None = None,
    min_accuracy: float | None = None,
    min_epochs: int | None = None,
    max_epochs: int | None = None,
    home: AnyHome = None,
    tracking_uri: str | None = None,
    fresh: bool = False,
) -> list[TrialRecord]:
    """The trials of a study that pass the filters, by number; by default all.

    `states` restricts the states. `order` has entries METRIC, METRIC:asc or METRIC:desc in decreasing
    priority, with the metrics in `study.results.query.ORDERS`. The filters are those of
    `study.results.query.Filters`. Raises NotFoundError if there is no such study, SpecError for an
    invalid state, family, order or bound.
    """
    filters = Filters(
        family=family,
        min_parameters=min_parameters,
        max_parameters=max_parameters,
        min_macs=min_macs,
        max_macs=max_macs,
        min_accuracy=min_accuracy,
        min_epochs=min_epochs,
        max_epochs=max_epochs,
    )
    query = Query(
        states=tuple(states),
        bounds=filters.bounds(),
        order=tuple(map(Order.parse, order)),
        limit=limit,
    )
    stored, query = _read(name, Home.find(home, tracking_uri), query, filters, fresh=fresh)
    return stored.select(query)


@checked_keywords
def trials(  # noqa: PLR0913  # each option has a name of its own
    name: str,
    *,
    states: Sequence[str] = (),
    order: Sequence[str] = (),
    limit: int | None = None,
    family: str | Sequence[str] | None = None,
    min_parameters: int | None = None,
    max_parameters: int | None = None,
    min_macs: int | None = None,
    max_macs: int | None = None,
    min_accuracy: float | None = None,
    min_epochs: int | None = None,
    max_epochs: int | None = None,
    home: AnyHome = None,
    tracking_uri: str | None = None,
    fresh: bool = False,
) -> pd.DataFrame:
    """The trials of `records` as a table with one row for each; the index is the number of the trial."""
    return to_frame(
        records(
            name,
            states=states,
            order=order,
            limit=limit,
            family=family,
            min_parameters=min_parameters,
            max_parameters=max_parameters,
            min_macs=min_macs,
            max_macs=max_macs,
            min_accuracy=min_accuracy,
            min_epochs=min_epochs,
            max_epochs=max_epochs,
            home=home,
            tracking_uri=tracking_uri,
            fresh=fresh,
        )
    )


@checked_keywords
def curves(
    name: str,
    trials: Sequence[int] | None = None,
    *,
    metric: str = "val_accuracy",
    home: AnyHome = None,
    tracking_uri: str | None = None,
) -> pd.DataFrame:
    """The learning curves of a metric, with one row for each trial and epoch; both are the index.

    `metric` is one of `EPOCH_METRICS`; the column has its mean over the replicates, `..._sem` the
    standard error (NaN for one replicate). `trials` are by default all. Raises NotFoundError if there
    is no such study or trial, SpecError for a metric without a curve.
    """
    if metric not in EPOCH_METRICS:
        raise SpecError(f"unknown metric of epochs {metric!r}; {nearest(metric, EPOCH_METRICS)}")
    place = Home.find(home, tracking_uri)
    stored = read_study(name, place)
    chosen = stored.records if trials is None else [stored.trial(number) for number in trials]
    run_ids = [record.run_id for record in chosen]
    means = read_curves(place, run_ids, f"epoch/{metric}")
    errors = read_curves(place, run_ids, f"epoch/{metric}_sem")
    none = Curve([], [], [])
    rows = [
        (record.trial, epoch, value, errors.get(record.run_id, none).at(epoch))
        for record in chosen
        for epoch, value in zip(*means.get(record.run_id, none).points(), strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["trial", "epoch", metric, f"{metric}_sem"])
    types = {"trial": "int64", "epoch": "int64", metric: "float64", f"{metric}_sem": "float64"}
    return frame.astype(types).set_index(["trial", "epoch"])


@checked_keywords
def front(
    name: str,
    *,
    confident: bool = False,
    home: AnyHome = None,
    tracking_uri: str | None = None,
    fresh: bool = False,
) -> list[TrialRecord]:
    """The trials on the front, in order of parameters.

    With `confident`, a trial is dominated only if the differences exceed the standard errors
    (`study.search.pareto.confident_front`), so that all trials that may be on the front remain.
    """
    return read_study(name, Home.find(home, tracking_uri), fresh=fresh).front(confident=confident)


@checked_keywords
def pareto_front(
    name: str,
    *,
    confident: bool = False,
    home: AnyHome = None,
    tracking_uri: str | None = None,
    fresh: bool = False,
) -> pd.DataFrame:
    """The trials of `front` as a table with one row for each."""
    return to_frame(
        front(name, confident=confident, home=home, tracking_uri=tracking_uri, fresh=fresh)
    )


@checked_keywords
def knee(
    name: str, *, home: AnyHome = None, tracking_uri: str | None = None, fresh: bool = False
) -> TrialRecord | None:
    """The trial at the knee of the front (`study.search.pareto.knee`); None for an empty front."""
    stored = read_study(name, Home.find(home, tracking_uri), fresh=fresh)
    front = stored.front()
    if not front:
        return None
    points = [record.point(stored.spec.objectives) or () for record in front]
    return front[knee_of(points, stored.spec.objectives)]


@checked_keywords
def best_configs(  # noqa: PLR0913  # each option has a name of its own
    name: str,
    *,
    smallest: bool = False,
    confident: bool = False,
    order: Sequence[str] = (),
    limit: int | None = None,
    family: str | Sequence[str] | None = None,
    min_parameters: int | None = None,
    max_parameters: int | None = None,
    min_macs: int | None = None,
    max_macs: int | None = None,
    min_accuracy: float | None = None,
    min_epochs: int | None = None,
    max_epochs: int | None = None,
    home: AnyHome = None,
    tracking_uri: str | None = None,
    fresh: bool = False,
) -> list[TrialRecord]:
    """The complete, feasible trials that pass the filters, the best in the first objective first.

    Among equal trials the smaller comes first. `smallest` sorts by parameters; `order` and the filters
    are as in `records`. `confident` keeps only trials whose accuracy is within the standard error of
    its difference from the highest one. The list is empty if none passes. Raises SpecError for invalid
    filters.
    """
    if smallest and order:
        raise SpecError(f"`smallest` is an order, so no other may be given, got {', '.join(order)}")
    filters = Filters(
        family=family,
        min_parameters=min_parameters,
        max_parameters=max_parameters,
        min_macs=min_macs,
        max_macs=max_macs,
        min_accuracy=min_accuracy,
        min_epochs=min_epochs,
        max_epochs=max_epochs,
    )
    orders = SMALLEST if smallest else tuple(map(Order.parse, order))
    query = replace(COMPLETE, bounds=filters.bounds(), order=orders, limit=limit)
    stored, query = _read(name, Home.find(home, tracking_uri), query, filters, fresh=fresh)
    query = replace(query, order=query.order or best_first(stored.spec.objectives))
    if not confident:
        return stored.select(query)
    best = stored.select(replace(query, order=MOST_ACCURATE, limit=1))
    candidates = stored.select(replace(query, limit=None))
    return [record for record in candidates if record.is_as_accurate_as(best[0])][:limit]


@checked_keywords
def smallest(  # noqa: PLR0913  # each option has a name of its own
    name: str,
    *,
    family: str | Sequence[str] | None = None,
    min_parameters: int | None = None,
    max_parameters: int | None = None,
    min_macs: int | None = None,
    max_macs: int | None = None,
    min_accuracy: float | None = None,
    min_epochs: int | None = None,
    max_epochs: int | None = None,
    home: AnyHome = None,
    tracking_uri: str | None = None,
    fresh: bool = False,
) -> TrialRecord | None:
    """The complete, feasible trial with the fewest parameters that passes the filters, or None.

    `smallest("digits", min_accuracy=0.95)` is the smallest network of at least that accuracy.
    """
    found = best_configs(
        name,
        smallest=True,
        limit=1,
        family=family,
        min_parameters=min_parameters,
        max_parameters=max_parameters,
        min_macs=min_macs,
        max_macs=max_macs,
        min_accuracy=min_accuracy,
        min_epochs=min_epochs,
        max_epochs=max_epochs,
        home=home,
        tracking_uri=tracking_uri,
        fresh=fresh,
    )
    return next(iter(found), None)


def _read(
    name: str, home: Home, query: Query, filters: Filters, *, fresh: bool
) -> tuple[StoredStudy, Query]:
    filters.check_families()
    stored = read_study(name, home, fresh=fresh)
    return stored, replace(query, families=filters.families(stored.spec.families))
