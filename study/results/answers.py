"""Queries of studies in MLflow, without a driver or Ray.

They read the table of trials stored by the sender of a study, at most ten seconds old while it runs;
with `fresh` they read the runs themselves, which takes seconds for thousands of trials.
"""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from study.errors import SpecError
from study.home import AnyHome, AnyStore, Home
from study.keywords import checked_keywords
from study.results.html_tables import Listing
from study.results.query import (
    COMPLETE,
    MOST_ACCURATE,
    SMALLEST,
    Filters,
    Order,
    Query,
    best_first,
)
from study.results.reader import read_study
from study.results.record import TrialRecord, to_frame
from study.results.stored_study import StoredStudy
from study.search.pareto import knee as knee_of


@checked_keywords
def records(  # noqa: PLR0913  # each option has a name of its own
    name: str,
    *,
    states: str | Sequence[str] = (),
    order: str | Sequence[str] = (),
    limit: int | None = None,
    family: str | Sequence[str] | None = None,
    dendritic: bool | None = None,
    min_parameters: int | None = None,
    max_parameters: int | None = None,
    min_macs: int | None = None,
    max_macs: int | None = None,
    min_accuracy: float | None = None,
    min_epochs: int | None = None,
    max_epochs: int | None = None,
    home: AnyHome = None,
    tracking_uri: AnyStore = None,
    fresh: bool = False,
) -> Listing[TrialRecord]:
    """The trials of a study that pass the filters, by number; by default all.

    `states` restricts the states. `order` has one or several entries METRIC, METRIC:asc or METRIC:desc
    in decreasing priority, with any metric, `epochs` or `trial`. The filters keep trials of these
    families, dendritic networks or controls, and trials within the bounds. Raises NotFoundError if there
    is no such study, SpecError for an invalid state, family, order or bound.
    """
    filters = Filters(
        family=family,
        dendritic=dendritic,
        min_parameters=min_parameters,
        max_parameters=max_parameters,
        min_macs=min_macs,
        max_macs=max_macs,
        min_accuracy=min_accuracy,
        min_epochs=min_epochs,
        max_epochs=max_epochs,
    )
    query = Query(
        states=_several(states),
        bounds=filters.bounds(),
        order=tuple(map(Order.parse, _several(order))),
        limit=limit,
    )
    stored, query = _read(name, Home.find(home, tracking_uri), query, filters, fresh=fresh)
    return Listing(stored.select(query))


@checked_keywords
def trials(  # noqa: PLR0913  # each option has a name of its own
    name: str,
    *,
    states: str | Sequence[str] = (),
    order: str | Sequence[str] = (),
    limit: int | None = None,
    family: str | Sequence[str] | None = None,
    dendritic: bool | None = None,
    min_parameters: int | None = None,
    max_parameters: int | None = None,
    min_macs: int | None = None,
    max_macs: int | None = None,
    min_accuracy: float | None = None,
    min_epochs: int | None = None,
    max_epochs: int | None = None,
    home: AnyHome = None,
    tracking_uri: AnyStore = None,
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
            dendritic=dendritic,
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
def front(
    name: str,
    *,
    confident: bool = False,
    home: AnyHome = None,
    tracking_uri: AnyStore = None,
    fresh: bool = False,
) -> Listing[TrialRecord]:
    """The trials on the front, in order of parameters.

    With `confident`, a trial is dominated only if the differences exceed the standard errors, so that
    all trials that may be on the front remain.
    """
    stored = read_study(name, Home.find(home, tracking_uri), fresh=fresh)
    return Listing(stored.front(confident=confident))


@checked_keywords
def pareto_front(
    name: str,
    *,
    confident: bool = False,
    home: AnyHome = None,
    tracking_uri: AnyStore = None,
    fresh: bool = False,
) -> pd.DataFrame:
    """The trials on the Pareto front, one row each, by parameters.

    With `confident`, one trial dominates another only by differences beyond their standard errors.
    """
    return to_frame(
        front(name, confident=confident, home=home, tracking_uri=tracking_uri, fresh=fresh)
    )


@checked_keywords
def knee(
    name: str, *, home: AnyHome = None, tracking_uri: AnyStore = None, fresh: bool = False
) -> TrialRecord | None:
    """The trial at the knee of the front, farthest from the line between its ends; None for no front."""
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
    order: str | Sequence[str] = (),
    limit: int | None = None,
    family: str | Sequence[str] | None = None,
    dendritic: bool | None = None,
    min_parameters: int | None = None,
    max_parameters: int | None = None,
    min_macs: int | None = None,
    max_macs: int | None = None,
    min_accuracy: float | None = None,
    min_epochs: int | None = None,
    max_epochs: int | None = None,
    home: AnyHome = None,
    tracking_uri: AnyStore = None,
    fresh: bool = False,
) -> Listing[TrialRecord]:
    """The complete, feasible trials that pass the filters, the best in the first objective first.

    Where trials were confirmed with further seeds, they come first, by their pooled values. Among equal
    trials the smaller comes first. `smallest` sorts by parameters; `order` and the filters are as in
    `records`. `confident` keeps only trials whose accuracy is within the standard error of
    its difference from the highest one. The list is empty if none passes. Raises SpecError for invalid
    filters.
    """
    if smallest and order:
        raise SpecError(
            f"`smallest` is an order, so no other may be given, got {', '.join(_several(order))}"
        )
    filters = Filters(
        family=family,
        dendritic=dendritic,
        min_parameters=min_parameters,
        max_parameters=max_parameters,
        min_macs=min_macs,
        max_macs=max_macs,
        min_accuracy=min_accuracy,
        min_epochs=min_epochs,
        max_epochs=max_epochs,
    )
    orders = SMALLEST if smallest else tuple(map(Order.parse, _several(order)))
    query = replace(
        COMPLETE,
        bounds=filters.bounds(),
        order=orders,
        limit=limit,
        confirmed_first=not order,
    )
    stored, query = _read(name, Home.find(home, tracking_uri), query, filters, fresh=fresh)
    query = replace(query, order=query.order or best_first(stored.spec.objectives))
    if not confident:
        return Listing(stored.select(query))
    best = stored.select(replace(query, order=MOST_ACCURATE, limit=1))
    candidates = stored.select(replace(query, limit=None))
    return Listing([one for one in candidates if one.is_as_accurate_as(best[0])][:limit])


@checked_keywords
def smallest(  # noqa: PLR0913  # each option has a name of its own
    name: str,
    *,
    family: str | Sequence[str] | None = None,
    dendritic: bool | None = None,
    min_parameters: int | None = None,
    max_parameters: int | None = None,
    min_macs: int | None = None,
    max_macs: int | None = None,
    min_accuracy: float | None = None,
    min_epochs: int | None = None,
    max_epochs: int | None = None,
    home: AnyHome = None,
    tracking_uri: AnyStore = None,
    fresh: bool = False,
) -> TrialRecord | None:
    """The complete, feasible trial with the fewest parameters that passes the filters, or None.

    `smallest("digits", min_accuracy=0.95)` is the smallest network of at least that accuracy. If trials
    that pass were confirmed, it is the smallest of those: the accuracies of others are optimistic.
    """
    found = best_configs(
        name,
        smallest=True,
        limit=1,
        family=family,
        dendritic=dendritic,
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


def _several(texts: str | Sequence[str]) -> tuple[str, ...]:
    """One text, or several."""
    return (texts,) if isinstance(texts, str) else tuple(texts)


def _read(
    name: str, home: Home, query: Query, filters: Filters, *, fresh: bool
) -> tuple[StoredStudy, Query]:
    filters.check_families()
    stored = read_study(name, home, fresh=fresh)
    families = filters.families(stored.spec.families)
    return stored, replace(query, families=families, dendritic=filters.dendritic)
