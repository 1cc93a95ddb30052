"""A stored study, with its trials in one table."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import pyarrow as pa
from mlflow.entities import Run
from numpy.typing import NDArray

from study.errors import NotFoundError, StudyError
from study.home import Home
from study.results.query import SMALLEST, Query, best_first
from study.results.record import TrialRecord, by_seed
from study.results.trial_columns import TrialColumns
from study.search.pooling import REPLICATES
from study.spec.study_spec import StudySpec
from study.tracking.artifacts import current_location, download
from study.tracking.store import all_runs, client, in_a_line, translated
from study.tracking.tags import (
    CLASSES_TAG,
    DATA_TAG,
    ROLE_TAG,
    TABLE_TAG,
    WITHOUT_TEST_TAG,
)
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
    """The numbers of trials by state, and the total of their epochs.

    `continued` are those that other trials continue.
    """

    states: Mapping[str, int]
    epochs: int
    continued: int


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
    def data_without_test(self) -> str | None:
        """The SHA-256 of the same arrays without test images, None if it was not stored."""
        data: str | None = self.parent.data.tags.get(WITHOUT_TEST_TAG)
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
        return self._records(self._columns.places(query))

    def trial(self, number: int | None) -> TrialRecord:
        """The trial of this number, by default the best. Raises NotFoundError if there is none."""
        name = self.spec.name
        if number is None:
            if self.best is None:
                broken = (
                    " that satisfies the constraints" if self.tally().states.get("COMPLETE") else ""
                )
                raise NotFoundError(f"study {name!r} has no complete trial{broken} yet")
            return self.best
        numbers = self._columns.values("trial")
        records = self._records(np.flatnonzero(numbers == number))
        if not records:
            have = f"trials 0 to {numbers.max():.0f}" if len(numbers) else "no trials"
            raise NotFoundError(f"study {name!r} has {have}, got trial {number}")
        return records[0]

    def chosen(self, trials: int | Sequence[int] | None) -> list[TrialRecord]:
        """The trials of these numbers, or of one, by default all. Raises NotFoundError."""
        if trials is None:
            return self.records
        numbers = [trials] if isinstance(trials, int | np.integer) else list(trials)
        places = {number: place for place, number in enumerate(self._columns.values("trial"))}
        for number in numbers:
            if number not in places:
                self.trial(number)  # raises, with the trials that there are
        return self._records(np.array([places[number] for number in numbers], np.intp))

    @cached_property
    def best(self) -> TrialRecord | None:
        """The trial on the front that is best in the first objective, the smallest among equals.

        None if no complete trial satisfies the constraints; a confirmed trial if the front has one. This
        defines "the best trial" everywhere.
        """
        places = self._columns.ordered(
            np.flatnonzero(self._columns.on_front),
            best_first(self.spec.objectives),
            confirmed_first=True,
        )
        return next(iter(self._records(places[:1])), None)

    def front(self, *, confident: bool = False) -> list[TrialRecord]:
        """The complete, feasible trials that no other dominates, in order of parameters.

        With `confident`, those that no other dominates by more than the standard errors
        (`study.search.pareto.confident_front`).
        """
        flags = self._columns.on_confident_front() if confident else self._columns.on_front
        return self._records(self._columns.ordered(np.flatnonzero(flags), SMALLEST))

    def tally(self) -> Tally:
        """Counts all trials and epochs."""
        epochs = self._columns.own_epochs
        return Tally(
            states=Counter(self._table.column("state").to_pylist()),
            epochs=int(epochs[np.isfinite(epochs)].sum()),
            continued=len(self._columns.continued),
        )

    @cached_property
    def _columns(self) -> TrialColumns:
        return TrialColumns(self._table, self.spec)

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

    def _records(self, places: NDArray[np.intp]) -> list[TrialRecord]:
        records = []
        for place, row in zip(places, self._table.take(places).to_pylist(), strict=True):
            with self._readable(row["run_id"]):
                complete = row["state"] == "COMPLETE"
                record = _record(
                    row,
                    self.spec,
                    feasible=bool(self._columns.feasible[place]) if complete else None,
                    on_front=bool(self._columns.on_front[place]),
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
        dendritic=row["dendritic"],
        architecture=config["architecture"],
        training=config["training"],
        replicates=len(config["seeds"]),
        epochs=counts.pop("epochs") or 0,
        on_front=on_front,
        continues=row["continues"],
        by_seed=by_seed(config["seeds"], row["replicates"]),
        diagnostics=diagnostics,
        **counts,
        **{name: row[name] for name in _MEASURED},
    )
