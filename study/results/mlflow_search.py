"""Asks MLflow for the trials of a study: filters, order and pages are the server's work."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from mlflow import MlflowClient
from mlflow.entities import Run

from study.results.query import STARTED, STATES, Bound, Order, Query
from study.results.record import StoredRun
from study.tracking import tags

PAGE: Final = 1000
"""Runs a request. MLflow makes a run in about a millisecond and sends all that it has, so larger pages
save nothing, and a server takes seconds over each (`benchmarks/answers.py`)."""

_FIRST_PAGE: Final = 20  # at least: the rest of a request costs as much as so many runs
_SAMPLE: Final = 100  # runs that tell where the first of an order lie


def search(
    client: MlflowClient, experiment_id: str, query: Query, searched: Sequence[str]
) -> Iterator[StoredRun]:
    """The runs of a query, page by page as they are taken; `searched` are the study's families.

    A run that starts meanwhile moves no other to another page, unless the order is by a metric.
    """

    def pages(query: Query, size: int) -> Iterator[StoredRun]:
        filters, token = filter_string(query, searched), None
        while True:
            page = client.search_runs(
                [experiment_id],
                filters,
                max_results=size,
                order_by=order_by(query),
                page_token=token,
            )
            yield from map(_stored, page)
            token = page.token
            if not token:
                return

    size = PAGE if query.limit is None else min(PAGE, max(_FIRST_PAGE, 2 * query.limit))
    seen = set()
    if _few_by_a_metric(query):
        newest = replace(query, order=(Order(STARTED, descending=True),))
        bound = _bound_of_first(query, list(islice(pages(newest, _SAMPLE), _SAMPLE)))
        bounds = query.bounds if bound is None else (*query.bounds, bound)
        for run in pages(replace(query, bounds=bounds), size):
            seen.add(run.run_id)
            yield run
        if bound is None:
            return
    yield from (run for run in pages(query, size) if run.run_id not in seen)


def _few_by_a_metric(query: Query) -> bool:
    by_metric = bool(query.order) and query.order[0].metric != STARTED
    return by_metric and query.limit is not None and query.limit <= _SAMPLE // 2


def _bound_of_first(query: Query, sample: Sequence[StoredRun]) -> Bound | None:
    """A bound on the metric that is ordered by, which the first runs of a query keep, and few others.

    Ordered by a metric, a request to a server on SQLite takes time in proportion to the runs that pass
    times all runs, so it is asked for few. What a tenth of a sample keeps, at least as many runs keep
    as are wanted; and they all come before the others. None where that saves nothing.
    """
    if len(sample) < _SAMPLE:
        return None
    first, wanted = query.order[0], max(query.limit or 1, _SAMPLE // 10)
    values = [run.metrics.get(first.metric, math.nan) for run in sample]
    known = sorted((value for value in values if not math.isnan(value)), reverse=first.descending)
    if len(known) < wanted:
        return None
    return Bound(first.metric, ">=" if first.descending else "<=", known[wanted - 1])


def _stored(run: Run) -> StoredRun:
    return StoredRun(run.info.run_id, run.info.start_time, run.data.tags, run.data.metrics)


def filter_string(query: Query, searched: Sequence[str]) -> str:
    """The filter as MLflow writes it.

    It has no `or` and no `in` for tags and parameters, so of several values the others are excluded.
    """
    clauses = [f"tags.`{tags.ROLE_TAG}` = 'trial'"]
    clauses += _one_of(f"tags.`{tags.STATE_TAG}`", query.states, STATES)
    clauses += _one_of("params.family", query.families, searched)
    clauses += [f"tags.{tags.FRONT_TAG} = 'true'"] if query.on_front else []
    clauses += [f"metrics.{bound.metric} {bound.sign} {bound.value!r}" for bound in query.bounds]
    return " and ".join(clauses)


def order_by(query: Query) -> list[str]:
    """The order as MLflow writes it."""
    orders = [(_column(order.metric), order.descending) for order in query.order]
    if STARTED not in {order.metric for order in query.order}:
        orders.append((_column(STARTED), False))
    return [f"{column} {'DESC' if descending else 'ASC'}" for column, descending in orders]


def _column(metric: str) -> str:
    return "attributes.start_time" if metric == STARTED else f"metrics.{metric}"


def _one_of(key: str, wanted: Sequence[str], known: Sequence[str]) -> list[str]:
    if not wanted:
        return []
    if len(wanted) == 1:
        return [f"{key} = '{wanted[0]}'"]
    return [f"{key} != '{other}'" for other in known if other not in wanted]
