"""Asks an SQLite store of MLflow's for the trials of a study, past MLflow.

MLflow makes objects of all that a run has, a millisecond a run, and has SQLite order by a metric in
quadratic time; of 10,000 trials both take many seconds. Here SQLite finds the trials, and gives of each
what a record needs. The tables are MLflow's own (`mlflow.store.tracking.dbmodels`); a test holds that
both ways answer the same. Other stores are asked by `mlflow_search` alone.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlParam, SqlRun, SqlTag
from sqlalchemy import Engine, NullPool, Select, create_engine, exists, false, nulls_last, select
from sqlalchemy.sql import ColumnElement

from study.results.query import STARTED, Bound, Order, Query
from study.results.record import METRICS, TAGS, StoredRun
from study.tracking.tags import FRONT_TAG, ROLE_TAG, STATE_TAG

_PATIENCE_S: Final = 20  # as MLflow's, while another process writes
_CHUNK: Final = 1000  # runs read at once; SQLite takes at most 32,766 values a statement

# MLflow's tables say nothing of their types.
_RUNS: Final[Any] = SqlRun
_TAGS: Final[Any] = SqlTag
_PARAMS: Final[Any] = SqlParam
_METRICS: Final[Any] = SqlLatestMetric

Found = tuple[str, int]
"""A run's id, and when it was started."""


def search(
    database: Path,
    experiment_id: str,
    query: Query,
    *,
    tags: Sequence[str] = TAGS,
    metrics: Sequence[str] = METRICS,
) -> Iterator[StoredRun]:
    """The runs of a query with these tags and metrics, read as they are taken.

    Which runs pass, and in which order, is settled at the start.
    """
    engine = create_engine(
        f"sqlite:///{database}", poolclass=NullPool, connect_args={"timeout": _PATIENCE_S}
    )
    found = _find(engine, int(experiment_id), query)
    size = _CHUNK if query.limit is None else min(_CHUNK, query.limit)
    start = 0
    while start < len(found):
        yield from _read(engine, found[start : start + size], tags, metrics)
        start += size
        size = _CHUNK


def _find(engine: Engine, experiment_id: int, query: Query) -> list[Found]:
    conditions: list[ColumnElement[bool]] = [
        _RUNS.experiment_id == experiment_id,
        _RUNS.lifecycle_stage == "active",
        _has(_TAGS, ROLE_TAG, ["trial"]),
    ]
    if query.states:
        conditions.append(_has(_TAGS, STATE_TAG, query.states))
    if query.on_front:
        conditions.append(_has(_TAGS, FRONT_TAG, ["true"]))
    if query.families:
        conditions.append(_has(_PARAMS, "family", query.families))
    conditions += [_keeps(bound) for bound in query.bounds]
    statement: Select[Any] = (
        select(_RUNS.run_uuid, _RUNS.start_time)
        .where(*conditions)
        .order_by(*map(_ordered, query.order), _RUNS.start_time, _RUNS.run_uuid)
    )
    with engine.connect() as connection:
        return [(run_id, started) for run_id, started in connection.execute(statement)]


def _read(
    engine: Engine, found: Sequence[Found], tags: Sequence[str], metrics: Sequence[str]
) -> Iterator[StoredRun]:
    ids = [run_id for run_id, _ in found]
    tags_of: defaultdict[str, dict[str, str]] = defaultdict(dict)
    metrics_of: defaultdict[str, dict[str, float]] = defaultdict(dict)
    # Tags first: a trial that is complete by then has all its metrics.
    with engine.connect() as connection:
        for run_id, key, text in connection.execute(
            select(_TAGS.run_uuid, _TAGS.key, _TAGS.value).where(
                _TAGS.run_uuid.in_(ids), _TAGS.key.in_(tags)
            )
        ):
            tags_of[run_id][key] = text
        for run_id, key, number, is_nan in connection.execute(
            select(
                _METRICS.run_uuid,
                _METRICS.key,
                _METRICS.value,
                _METRICS.is_nan,
            ).where(_METRICS.run_uuid.in_(ids), _METRICS.key.in_(metrics))
        ):
            metrics_of[run_id][key] = math.nan if is_nan else number
    return iter(
        [
            StoredRun(run_id, started, tags_of[run_id], metrics_of[run_id])
            for run_id, started in found
        ]
    )


def _has(table: Any, key: str, values: Sequence[str]) -> ColumnElement[bool]:  # noqa: ANN401  # see above
    return exists().where(
        table.run_uuid == _RUNS.run_uuid, table.key == key, table.value.in_(values)
    )


def _keeps(bound: Bound) -> ColumnElement[bool]:
    value = _METRICS.value
    return exists().where(
        _METRICS.run_uuid == _RUNS.run_uuid,
        _METRICS.key == bound.metric,
        _METRICS.is_nan == false(),
        value <= bound.value if bound.sign == "<=" else value >= bound.value,
    )


def _ordered(order: Order) -> Any:  # noqa: ANN401  # as above
    if order.metric == STARTED:
        return _RUNS.start_time.desc() if order.descending else _RUNS.start_time
    value = (
        select(_METRICS.value)
        .where(
            _METRICS.run_uuid == _RUNS.run_uuid,
            _METRICS.key == order.metric,
            _METRICS.is_nan == false(),
        )
        .scalar_subquery()
    )
    return nulls_last(value.desc() if order.descending else value.asc())
