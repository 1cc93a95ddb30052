"""A study as it is stored, and its trials, of which only what is asked for is read."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import final

from mlflow import MlflowClient
from mlflow.entities import Run

from study.errors import StudyError
from study.home import Home
from study.results import mlflow_search, sqlite_search
from study.results.query import Query
from study.results.record import METRICS, TAGS, StoredRun, TrialRecord
from study.search.pareto import on_front
from study.spec.constraint import all_kept, violations
from study.spec.dimensions import bounds
from study.spec.metrics import recorded_names
from study.spec.study_spec import StudySpec
from study.tracking.store import translated
from study.tracking.tags import CONFIG_TAG, NOTICE_TAG, NUMBER_TAG, REASON_TAG, STATE_TAG
from study.training.settings import with_defaults


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many trials are in each state, and how many epochs all of them trained."""

    states: Mapping[str, int]
    epochs: int


@final
@dataclass(frozen=True, kw_only=True)
class StoredStudy:
    """A study in its store: the parent run and the spec. Its trials are read when they are asked for.

    A study that is running may be asked; each answer is of the moment. Of a trial with two runs, as a
    lost answer of the server can leave, the older counts.
    """

    home: Home
    parent: Run
    spec: StudySpec

    @cached_property
    def records(self) -> list[TrialRecord]:
        """Every trial by number, as they were when this was first asked."""
        return self.select(Query())

    def select(self, query: Query) -> list[TrialRecord]:
        """The trials of a query; without an order by number. Raises StudyError if one is unreadable.

        Which are on the front is computed from all trials where all are asked for, else from those
        that the writer marked.
        """
        found = self._found(query)
        front = _front_of(found if query == Query() else self._marked(), self.spec)
        found = [replace(record, on_front=record.run_id in front) for record in found]
        return found if query.order else sorted(found, key=lambda record: record.trial)

    def front(self) -> list[TrialRecord]:
        """The trials on the front, by number: those that no other of the marked ones dominates."""
        found = self._marked()
        front = _front_of(found, self.spec)
        return [replace(record, on_front=True) for record in found if record.run_id in front]

    def tally(self) -> Tally:
        """Counts all trials; reads no more of each than that takes."""
        tags = (NUMBER_TAG, STATE_TAG)
        counted: dict[str, tuple[str, int]] = {}
        with translated(self.home):
            for run in self._search(Query(), tags, ("epochs",)):
                with self._readable(run):
                    spent = run.tags[STATE_TAG], int(run.metrics.get("epochs", 0))
                    counted.setdefault(run.tags[NUMBER_TAG], spent)
        states = Counter(state for state, _ in counted.values())
        return Tally(states=states, epochs=sum(epochs for _, epochs in counted.values()))

    def _marked(self) -> list[TrialRecord]:
        found = self._found(Query(states=("COMPLETE",), on_front=True))
        return sorted(found, key=lambda record: record.trial)

    def _found(self, query: Query) -> list[TrialRecord]:
        found: dict[int, tuple[int, TrialRecord]] = {}
        with translated(self.home):
            for run in self._search(query):
                with self._readable(run):
                    record = _record(run, self.spec)
                if query.feasible and not record.feasible:
                    continue
                known = found.get(record.trial)
                if known is None or run.started < known[0]:
                    found[record.trial] = (run.started, record)
                if len(found) == query.limit:
                    break
        return [record for _, record in found.values()]

    def _search(
        self,
        query: Query,
        tags: tuple[str, ...] = TAGS,
        metrics: tuple[str, ...] | None = None,
    ) -> Iterator[StoredRun]:
        metrics = (*METRICS, *_diagnostics(self.spec)) if metrics is None else metrics
        experiment, database = self.parent.info.experiment_id, self.home.database
        if database is not None:
            return sqlite_search.search(database, experiment, query, tags=tags, metrics=metrics)
        store = MlflowClient(tracking_uri=self.home.tracking_uri)
        return mlflow_search.search(store, experiment, query, self.spec.families)

    @contextmanager
    def _readable(self, run: StoredRun) -> Iterator[None]:
        try:
            yield
        except (KeyError, ValueError, TypeError) as error:
            raise StudyError(
                f"the MLflow run {run.run_id} of study {self.spec.name!r} in "
                f"{self.home.shown_uri} must hold a trial as this version writes it, but "
                f"cannot be read: {type(error).__name__} {error}"
            ) from error


def _front_of(found: list[TrialRecord], spec: StudySpec) -> set[str]:
    """The ids of the runs on the front."""
    points = {record.run_id: record.point(spec.objectives) for record in found}
    complete = {run_id: point for run_id, point in points.items() if point is not None}
    flags = on_front(list(complete.values()), spec.objectives)
    return {run_id for run_id, keep in zip(complete, flags, strict=True) if keep}


def _record(run: StoredRun, spec: StudySpec) -> TrialRecord:
    tags: Mapping[str, str] = run.tags
    metrics: Mapping[str, float] = run.metrics
    config = json.loads(tags[CONFIG_TAG])

    def count(name: str) -> int | None:
        return int(metrics[name]) if name in metrics else None

    return TrialRecord(
        trial=int(tags[NUMBER_TAG]),
        run_id=run.run_id,
        state=tags[STATE_TAG],
        reason=tags.get(REASON_TAG),
        notice=tags.get(NOTICE_TAG),
        feasible=_feasible(tags[STATE_TAG], metrics, spec),
        family=config["architecture"]["family"],
        architecture=config["architecture"],
        training=with_defaults(config["training"]),
        replicates=len(config["seeds"]),
        trainable_parameters=count("trainable_parameters"),
        macs=count("macs"),
        val_accuracy=metrics.get("val_accuracy"),
        val_accuracy_sem=metrics.get("val_accuracy_sem"),
        val_loss=metrics.get("val_loss"),
        val_loss_sem=metrics.get("val_loss_sem"),
        test_accuracy=metrics.get("test_accuracy"),
        test_accuracy_sem=metrics.get("test_accuracy_sem"),
        test_loss=metrics.get("test_loss"),
        test_loss_sem=metrics.get("test_loss_sem"),
        epochs=count("epochs") or 0,
        seconds=metrics.get("seconds"),
        diagnostics={name: metrics[name] for name in _diagnostics(spec) if name in metrics},
    )


def _diagnostics(spec: StudySpec) -> tuple[str, ...]:
    """The names of all diagnostics that a trial of the study can have."""
    return _names(spec.diagnostics, int(bounds(spec.space.layers)[1]))


@cache  # asked for each trial
def _names(groups: tuple[str, ...], layers: int) -> tuple[str, ...]:
    return tuple(recorded_names(groups, layers=layers))


def _feasible(state: str, metrics: Mapping[str, float], spec: StudySpec) -> bool | None:
    if state == "COMPLETE":
        return all_kept(violations(spec.constraints, metrics))
    return False if state == "INFEASIBLE" else None
