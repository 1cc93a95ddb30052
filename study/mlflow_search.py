"""Asks MLflow for the trials of a study: filters, order and pages are the server's work."""

from collections.abc import Iterator, Sequence
from typing import Final

from mlflow import MlflowClient

from study import layout
from study.query import STARTED, STATES, Query
from study.stored_run import StoredRun

PAGE: Final = 1000
"""Runs a request. MLflow makes a run in about a millisecond and sends all that it has, so larger pages
save nothing, and a server takes seconds over each (`benchmarks/answers.py`)."""

_FIRST_PAGE: Final = 20  # at least: the rest of a request costs as much as so many runs


def search(
    client: MlflowClient, experiment_id: str, query: Query, searched: Sequence[str]
) -> Iterator[StoredRun]:
    """The runs of a query, page by page as they are taken; `searched` are the study's families.

    A run that starts meanwhile moves no other to another page, unless the order is by a metric.
    """
    size = PAGE if query.limit is None else min(PAGE, max(_FIRST_PAGE, 2 * query.limit))
    token = None
    while True:
        page = client.search_runs(
            [experiment_id],
            filter_string=filter_string(query, searched),
            order_by=order_by(query),
            max_results=size,
            page_token=token,
        )
        for run in page:
            data = run.data
            yield StoredRun(run.info.run_id, run.info.start_time, data.tags, data.metrics)
        token = page.token
        if not token:
            return


def filter_string(query: Query, searched: Sequence[str]) -> str:
    """The filter as MLflow writes it.

    It has no `or` and no `in` for tags and parameters, so of several values the others are excluded.
    """
    clauses = [f"tags.`{layout.ROLE_TAG}` = 'trial'"] if not query.states else []
    clauses += _one_of(f"tags.`{layout.STATE_TAG}`", query.states, STATES)
    clauses += _one_of("params.family", query.families, searched)
    clauses += [f"tags.{layout.FRONT_TAG} = 'true'"] if query.on_front else []
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
