"""A stored study, with its trials in one table."""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from mlflow.entities import Run
from numpy.typing import NDArray

from study.errors import NotFoundError, StudyError
from study.home import Home
from study.results.query import SMALLEST, STARTED, Order, Query, best_first
from study.results.record import TrialRecord, by_seed
from study.search.pareto import confident_front, on_front
from study.search.pooling import CONFIRMED, REPLICATES, confirmed_name, pooled
from study.spec.constraint import Constraint, all_kept, violations
from study.spec.study_spec import StudySpec
from study.tracking.artifacts import current_location, download
from study.tracking.store import all_runs, client, in_a_line, translated
from study.tracking.tags import CLASSES_TAG, DATA_TAG, ROLE_TAG, TABLE_TAG
from study.tracking.trial_table import FILE, METRICS, TrialRows, diagnostics_of, read_table

_COUNTS: Final = (
    "trainable_parameters",
    "macs",
    "wiring_bits",
    "stored_bytes",
    "epochs",
    REPLICATES,
)
_MEASURED: Final = tuple(name for name in METRICS if name not in _COUNTS)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The numbers of trials by state, and the total of their epochs."""

    states: Mapping[str, int]
    epochs: int


@final
@dataclass(frozen=True, kw_only=True)
class StoredStudy:
    """A study in its store: the parent run, the spec, and the table of its trials.

    The table is read once, when first needed, so that all results are of the same moment. It is the
    table stored by the sender; if there is none, or with `fresh`, it is built from the runs. All methods
    raise StudyError for an unreadable table or run.
    """

    home: Home
    parent: Run
    spec: StudySpec
    fresh: bool = False

    @property
    def data(self) -> str | None:
        """The SHA-256 of the arrays of the data set, None if it was not stored."""
        data: str | None = self.parent.data.tags.get(DATA_TAG)
        return data

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes in order of their labels; empty if none are stored."""
        try:
            names = json.loads(self.parent.data.tags.get(CLASSES_TAG, "[]"))
        except (ValueError, RecursionError):
            return ()
        is_listed = isinstance(names, list) and all(isinstance(one, str) for one in names)
        return tuple(names) if is_listed else ()

    @cached_property
    def records(self) -> list[TrialRecord]:
        """All trials by number."""
        return self.select(Query())

    def select(self, query: Query) -> list[TrialRecord]:
        """The trials of a query, in its order."""
        return self._records(self._places(query))

    def trial(self, number: int | None) -> TrialRecord:
        """The trial of this number, by default the best. Raises NotFoundError if there is none."""
        name = self.spec.name
        if number is None:
            if self.best is None:
                raise NotFoundError(f"study {name!r} has no complete trial yet")
            return self.best
        numbers = self._values("trial")
        records = self._records(np.flatnonzero(numbers == number))
        if not records:
            have = f"trials 0 to {numbers.max():.0f}" if len(numbers) else "no trials"
            raise NotFoundError(f"study {name!r} has {have}, got trial {number}")
        return records[0]

    def chosen(self, trials: int | Sequence[int] | None) -> list[TrialRecord]:
        """The trials of these numbers, or of one, by default all. Raises NotFoundError."""
        if trials is None:
            return self.records
        numbers = [trials] if isinstance(trials, int | np.integer) else trials
        return [self.trial(number) for number in numbers]

    @cached_property
    def best(self) -> TrialRecord | None:
        """The trial on the front that is best in the first objective, the smallest among equals.

        None if no complete trial satisfies the constraints. This defines "the best trial" everywhere.
        """
        places = self._ordered(np.flatnonzero(self._on_front), best_first(self.spec.objectives))
        return next(iter(self._records(places[:1])), None)

    def front(self, *, confident: bool = False) -> list[TrialRecord]:
        """The complete, feasible trials that no other dominates, in order of parameters.

        With `confident`, those that no other dominates by more than the standard errors
        (`study.search.pareto.confident_front`).
        """
        flags = self._on_confident_front() if confident else self._on_front
        return self._records(self._ordered(np.flatnonzero(flags), SMALLEST))

    def tally(self) -> Tally:
        """Counts all trials and epochs."""
        epochs = self._values("epochs")
        return Tally(
            states=Counter(self._table.column("state").to_pylist()),
            epochs=int(epochs[np.isfinite(epochs)].sum()),
        )

    @cached_property
    def _table(self) -> pa.Table:
        if self.fresh or TABLE_TAG not in self.parent.data.tags or not self._gives_artifacts():
            return self._table_of_runs()
        run_id, shown_uri = self.parent.info.run_id, self.home.shown_uri
        location = current_location(str(self.parent.info.artifact_uri), self.home)
        try:
            with tempfile.TemporaryDirectory() as folder, translated(self.home):
                # Always this file: the tag only marks that there is one.
                file = download(location, FILE, Path(folder), self.home)
                return read_table(file, self.spec)
        except (StudyError, OSError, ValueError, pa.ArrowException) as error:
            raise StudyError(
                f"the table of trials of study {self.spec.name!r} in {shown_uri} must be readable "
                f"({FILE} of the MLflow run {run_id}; --fresh reads the runs themselves, `study sync` "
                f"replaces the table): {in_a_line(error)}"
            ) from error

    def _gives_artifacts(self) -> bool:
        """Whether the artifacts can be read; those of a server cannot be, from its database."""
        served = str(self.parent.info.artifact_uri).startswith("mlflow-artifacts:")
        return not served or self.home.is_served

    def _table_of_runs(self) -> pa.Table:
        where, experiment = f"tags.`{ROLE_TAG}` = 'trial'", self.parent.info.experiment_id
        with translated(self.home):
            runs = all_runs(client(self.home), experiment, where)
        rows = TrialRows(self.spec)
        # Of two runs of a trial, which a lost response can cause, the older replaces the newer.
        for run in reversed(runs):
            with self._readable(run.info.run_id):
                rows.take(run)
        with self._readable(self.parent.info.run_id):
            return rows.table()

    def _values(self, name: str) -> NDArray[np.float64]:
        """The values of a metric, NaN if missing."""
        if name not in self._table.column_names:
            return np.full(self._table.num_rows, np.nan)
        return np.asarray(self._table.column(name).to_numpy(), dtype=np.float64)

    def _is_in(self, name: str, texts: tuple[str, ...]) -> NDArray[np.bool_]:
        flags = pc.is_in(self._table.column(name), pa.array(texts, pa.string()))
        return np.asarray(flags.to_numpy(), dtype=np.bool_)

    def _places(self, query: Query) -> NDArray[np.intp]:
        """The rows of a query, in its order."""
        kept = np.ones(self._table.num_rows, dtype=np.bool_)
        if query.states:
            kept &= self._is_in("state", query.states)
        if query.families:
            kept &= self._is_in("family", query.families)
        if query.feasible:
            kept &= self._feasible
        for bound in query.bounds:
            values = self._pooled(bound.metric)
            kept &= values <= bound.value if bound.sign == "<=" else values >= bound.value
        places = np.flatnonzero(kept)
        ordered = self._ordered(places, query.order, confirmed_first=query.confirmed_first)
        return ordered[: query.limit]

    def _ordered(
        self,
        places: NDArray[np.intp],
        order: Sequence[Order],
        *,
        confirmed_first: bool = False,
    ) -> NDArray[np.intp]:
        """The rows in an order, equal ones by number."""
        keys = [self._values("trial")[places]]  # the last key has priority
        for one in reversed(order):
            values = self._pooled("trial" if one.metric == STARTED else one.metric)[places]
            keys.append(-values if one.descending else values)
        if confirmed_first:
            keys.append(np.where(self._confirmed[places], 0.0, 1.0))
        return places[np.lexsort(keys)]

    @cached_property
    def _feasible(self) -> NDArray[np.bool_]:
        """Which trials are complete and satisfy all constraints."""
        kept = self._is_in("state", ("COMPLETE",))
        if self.spec.constraints:
            parsed = map(Constraint.parse, self.spec.constraints)
            names = sorted(frozenset().union(*(one.names for one in parsed)))
            values = np.column_stack([self._pooled(name) for name in names])
            for place in np.flatnonzero(kept):
                # NaN violates a constraint, like a missing value.
                metrics = dict(zip(names, values[place].tolist(), strict=True))
                kept[place] = all_kept(violations(self.spec.constraints, metrics))
        return kept

    @cached_property
    def _on_front(self) -> NDArray[np.bool_]:
        """Which trials are on the front.

        Where some are confirmed, others are candidates only if they are on the search's own front: their
        values are as optimistic as those of the confirmed were.
        """
        judged, values = self._points(self._pooled)
        if self._confirmed.any():
            flags = self._front_of(judged, self._points(self._values)[1])
            judged &= flags | self._confirmed
        return self._front_of(judged, values)

    def _front_of(
        self, judged: NDArray[np.bool_], values: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        flags = np.zeros(len(judged), dtype=np.bool_)
        flags[judged] = on_front(values[judged].tolist(), self.spec.objectives)
        return flags

    def _on_confident_front(self) -> NDArray[np.bool_]:
        """Which trials are on the front within the standard errors."""
        judged, values = self._points(self._pooled)
        errors = np.column_stack([self._pooled(f"{name}_sem") for name in self.spec.objectives])
        errors = np.where(np.isnan(errors), 0.0, errors)  # counts are known exactly
        flags = np.zeros(len(judged), dtype=np.bool_)
        flags[judged] = confident_front(
            values[judged].tolist(), errors[judged].tolist(), self.spec.objectives
        )
        return flags | self._on_front

    def _points(
        self, values_of: Callable[[str], NDArray[np.float64]]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Which trials are complete and feasible with finite objectives, and all objectives."""
        values = np.column_stack([values_of(name) for name in self.spec.objectives])
        return self._feasible & np.isfinite(values).all(axis=1), values

    @cached_property
    def _confirmed(self) -> NDArray[np.bool_]:
        """Which trials are confirmed with further seeds."""
        return np.isfinite(self._values(REPLICATES))

    def _pooled(self, name: str) -> NDArray[np.float64]:
        """The values of a metric or standard error, as `TrialRecord.pooled`."""
        values, metric = self._values(name), name.removesuffix("_sem")
        if metric not in CONFIRMED or not self._confirmed.any():
            return values
        search, own = (
            (self._values(one), np.nan_to_num(self._values(f"{one}_sem")))
            for one in (metric, confirmed_name(metric))
        )
        both = pooled((*search, self.spec.replicates), (*own, self._values(REPLICATES)))
        return np.where(np.isfinite(both[0]), both[metric != name], values)

    def _records(self, places: NDArray[np.intp]) -> list[TrialRecord]:
        records = []
        for place, row in zip(places, self._table.take(places).to_pylist(), strict=True):
            with self._readable(row["run_id"]):
                complete = row["state"] == "COMPLETE"
                record = _record(
                    row,
                    self.spec,
                    feasible=bool(self._feasible[place]) if complete else None,
                    on_front=bool(self._on_front[place]),
                )
                records.append(record)
        return records

    @contextmanager
    def _readable(self, run_id: str) -> Iterator[None]:
        try:
            yield
        except (
            LookupError,
            ValueError,
            TypeError,
            AttributeError,
            ArithmeticError,
            RecursionError,
        ) as error:
            raise StudyError(
                f"the MLflow run {run_id} of study {self.spec.name!r} in "
                f"{self.home.shown_uri} must hold a trial as this version writes it, but "
                f"cannot be read: {type(error).__name__} {error}"
            ) from error


def _record(
    row: Mapping[str, Any], spec: StudySpec, *, feasible: bool | None, on_front: bool
) -> TrialRecord:
    """The record of a row of the table."""
    config = json.loads(row["config"])
    counts = {name: None if row[name] is None else int(row[name]) for name in _COUNTS}
    diagnostics = {name: row[name] for name in diagnostics_of(spec) if row[name] is not None}
    return TrialRecord(
        trial=row["trial"],
        run_id=row["run_id"],
        state=row["state"],
        reason=row["reason"],
        notice=row["notice"],
        feasible=feasible,
        family=config["architecture"]["family"],
        architecture=config["architecture"],
        training=config["training"],
        replicates=len(config["seeds"]),
        epochs=counts.pop("epochs") or 0,
        on_front=on_front,
        by_seed=by_seed(config["seeds"], row["replicates"]),
        diagnostics=diagnostics,
        **counts,
        **{name: row[name] for name in _MEASURED},
    )
