"""Reads from MLflow what `mlflow_writer` wrote; the one place where its errors are translated."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run
from mlflow.exceptions import MlflowException

from study import layout
from study.constraint import all_kept, violations
from study.errors import BadInputError, NotFoundError, TrackingError
from study.home import Home
from study.pareto import on_front
from study.record import TrialRecord
from study.spec import StudySpec


@dataclass(frozen=True, slots=True)
class StoredStudy:
    """A study as it is stored: the parent run, its spec, and every trial by number."""

    parent: Run
    spec: StudySpec
    records: list[TrialRecord]


@contextmanager
def translated(home: Home) -> Iterator[None]:
    """Turns MLflow's errors into TrackingError."""
    try:
        yield
    except MlflowException as error:
        raise TrackingError(
            f"the tracking store {home.tracking_uri} must answer: {error}"
        ) from error


def client(home: Home) -> MlflowClient:
    """The store of a home."""
    return MlflowClient(tracking_uri=home.tracking_uri)


def all_runs(store: MlflowClient, experiment_id: str) -> list[Run]:
    """Every run of an experiment, page by page."""
    runs: list[Run] = []
    token = None
    while True:
        page = store.search_runs([experiment_id], page_token=token)
        runs.extend(page)
        token = page.token
        if not token:
            return runs


def study_experiments(home: Home) -> dict[str, Experiment]:
    """The name of every study of this layout, sorted, and its experiment."""
    if home.database is not None and not home.database.exists():
        return {}
    with translated(home):
        found = client(home).search_experiments(
            filter_string=f"tags.`{layout.LAYOUT_TAG}` = '{layout.LAYOUT}'"
        )
    return {one.name: one for one in sorted(found, key=lambda experiment: experiment.name)}


def read_study(name: str, home: Home) -> StoredStudy:
    """The study of a name. Raises NotFoundError if there is none, or it has only just been made."""
    experiment = _experiment(name, home)
    stored = None if experiment is None else experiment.tags.get(layout.LAYOUT_TAG)
    if stored not in (None, layout.LAYOUT):
        raise BadInputError(
            f"the study {name!r} in {home.tracking_uri} must be of layout {layout.LAYOUT}, got "
            f"{stored}: it was written by another version, which can read it"
        )
    if experiment is None or stored is None:
        known = ", ".join(study_experiments(home)) or "none yet"
        raise NotFoundError(f"no study {name!r} in {home.tracking_uri}; it has: {known}")
    with translated(home):
        runs = all_runs(client(home), experiment.experiment_id)
    parent = _parent(runs)
    if parent is None:
        raise NotFoundError(f"the study {name!r} in {home.tracking_uri} has only just been made")
    spec = StudySpec.from_dict(json.loads(parent.data.tags[layout.SPEC_TAG]))
    found = [_record(run, spec) for run in runs if run.data.tags.get(layout.ROLE_TAG) == "trial"]
    found.sort(key=lambda record: record.trial)
    return StoredStudy(parent, spec, _with_front(found, spec))


def read_parent(name: str, home: Home) -> Run:
    """The parent run of a study. Raises NotFoundError like `read_study`."""
    return read_study(name, home).parent


def check_free(name: str, home: Home, identity: str | None) -> None:
    """Raises BadInputError if the name is taken in the store by something else than the study.

    `identity` is that of the study in the home, None if it has none of the name yet.
    """
    if home.database is not None and not home.database.exists():
        return
    experiment = _experiment(name, home)
    if experiment is None:
        return
    stage, kind = experiment.lifecycle_stage, experiment.tags.get(layout.LAYOUT_TAG)
    if kind != layout.LAYOUT or stage != "active":
        raise BadInputError(
            f"the MLflow experiment {name!r} at {home.tracking_uri} must be a study of layout "
            f"{layout.LAYOUT} and not deleted, got layout {kind or 'none'}, {stage}; "
            f"give the study another name"
        )
    with translated(home):
        parent = _parent(all_runs(client(home), experiment.experiment_id))
    if parent is not None and parent.data.tags.get(layout.IDENTITY_TAG) != identity:
        raise BadInputError(
            f"the study {name!r} at {home.tracking_uri} was run from another home than "
            f"{home.folder}, which does not have its search; go on from its own home "
            f"(--home DIR), or give this study another name"
        )


def _experiment(name: str, home: Home) -> Experiment | None:
    if home.database is not None and not home.database.exists():
        return None
    with translated(home):
        return client(home).get_experiment_by_name(name)


def _parent(runs: list[Run]) -> Run | None:
    return next((run for run in runs if run.data.tags.get(layout.ROLE_TAG) == "study"), None)


def _with_front(found: list[TrialRecord], spec: StudySpec) -> list[TrialRecord]:
    points = {record.trial: record.point(spec.objectives) for record in found}
    complete = {number: point for number, point in points.items() if point is not None}
    flags = on_front(list(complete.values()), spec.objectives)
    front = {number for number, keep in zip(complete, flags, strict=True) if keep}
    return [replace(record, on_front=record.trial in front) for record in found]


def _record(run: Run, spec: StudySpec) -> TrialRecord:
    tags: Mapping[str, str] = run.data.tags
    metrics: Mapping[str, float] = run.data.metrics
    config = json.loads(tags[layout.CONFIG_TAG])

    def count(name: str) -> int | None:
        return int(metrics[name]) if name in metrics else None

    return TrialRecord(
        trial=int(tags[layout.NUMBER_TAG]),
        run_id=run.info.run_id,
        state=tags[layout.STATE_TAG],
        reason=tags.get(layout.REASON_TAG),
        notice=tags.get(layout.NOTICE_TAG),
        feasible=_feasible(tags[layout.STATE_TAG], metrics, spec),
        family=config["architecture"]["family"],
        architecture=config["architecture"],
        training=config["training"],
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
    )


def _feasible(state: str, metrics: Mapping[str, float], spec: StudySpec) -> bool | None:
    if state == "COMPLETE":
        return all_kept(violations(spec.constraints, metrics))
    return False if state == "INFEASIBLE" else None
