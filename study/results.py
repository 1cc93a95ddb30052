"""Reads studies back from MLflow and answers questions about them; needs no driver and no Ray."""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Experiment, Run
from mlflow.exceptions import MlflowException

from study import layout
from study.errors import BadInputError, NotFoundError, TrackingError
from study.home import Home
from study.pareto import hypervolume, on_front
from study.record import TrialRecord, to_frame
from study.spec import StudySpec

if TYPE_CHECKING:
    from models.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyStatus:
    """How a study stands. `run_status` is MLflow's status of the parent run."""

    name: str
    dataset: str
    run_status: str
    trials: int
    budget: int
    states: dict[str, int]
    front: int
    hypervolume: float
    best: TrialRecord | None
    parent_run_id: str
    tracking_uri: str

    def to_dict(self) -> dict[str, Any]:
        """The status as JSON types."""
        return asdict(self)


def list_studies(home: Home | None = None) -> list[StudyStatus]:
    """The status of every study in the store, by name; none if there is no store yet."""
    home = home or Home.find()
    if home.database is not None and not home.database.exists():
        return []
    experiments = _client(home).search_experiments(
        filter_string=f"tags.`{layout.LAYOUT_TAG}` != ''"
    )
    return [status(name, home) for name in sorted(experiment.name for experiment in experiments)]


def status(name: str, home: Home | None = None) -> StudyStatus:
    """How a study stands. Raises NotFoundError if there is no such study."""
    home = home or Home.find()
    parent, records = _read(name, home)
    spec = _spec(parent)
    front_points = [record.point(spec.objectives) for record in records if record.on_front]
    return StudyStatus(
        name=name,
        dataset=spec.dataset.name,
        run_status=parent.info.status,
        trials=sum(record.state in ("COMPLETE", "PRUNED", "FAIL") for record in records),
        budget=spec.budget.trials,
        states=dict(Counter(record.state for record in records)),
        front=len(front_points),
        hypervolume=hypervolume([point for point in front_points if point], spec.objectives),
        best=next(iter(_best_first(records)), None),
        parent_run_id=parent.info.run_id,
        tracking_uri=home.tracking_uri,
    )


def study_spec(name: str, home: Home | None = None) -> StudySpec:
    """The spec of a study. Raises NotFoundError if there is no such study."""
    parent, _ = _read(name, home or Home.find())
    return _spec(parent)


def records(name: str, home: Home | None = None) -> list[TrialRecord]:
    """Every trial of a study, by number. Raises NotFoundError if there is no such study."""
    _, found = _read(name, home or Home.find())
    return found


def trials(name: str, home: Home | None = None) -> pd.DataFrame:
    """Every trial of a study, one row each, by number."""
    return to_frame(records(name, home))


def pareto_front(name: str, home: Home | None = None) -> pd.DataFrame:
    """The trials on the front, one row each, the fewest parameters first."""
    return to_frame(front(name, home))


def front(name: str, home: Home | None = None) -> list[TrialRecord]:
    """The trials on the front, the fewest parameters first."""
    found = [record for record in records(name, home) if record.on_front]
    return sorted(found, key=lambda record: record.trainable_parameters or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which trials to consider: bounds include their value; None does not filter."""

    max_parameters: int | None = None
    min_accuracy: float | None = None
    family: str | None = None

    def admits(self, record: TrialRecord) -> bool:
        """Whether the trial passes."""
        parameters, accuracy = record.trainable_parameters, record.val_accuracy
        return (
            (self.max_parameters is None or (parameters or 0) <= self.max_parameters)
            and (self.min_accuracy is None or (accuracy or 0.0) >= self.min_accuracy)
            and (self.family is None or record.family == self.family)
        )


def best_configs(  # noqa: PLR0913  # each filter has a name of its own
    name: str,
    *,
    max_parameters: int | None = None,
    min_accuracy: float | None = None,
    family: str | None = None,
    limit: int | None = None,
    home: Home | None = None,
) -> list[TrialRecord]:
    """The complete trials that pass the filters, best validation accuracy first.

    Of equally accurate trials the smaller comes first. An empty list if none passes.
    """
    wanted = Filter(max_parameters=max_parameters, min_accuracy=min_accuracy, family=family)
    found = [record for record in _best_first(records(name, home)) if wanted.admits(record)]
    return found[:limit]


def load_model(name: str, trial: int | None = None, home: Home | None = None) -> "Network":
    """The trained network of a trial, on the CPU, in evaluation mode; by default the best trial's.

    All replicates are in it. Raises NotFoundError if there is no such trial, or if its weights were
    not kept, as those of trials that were not on the front when they ended are not.
    """
    from models.storage import load_network  # noqa: PLC0415  # torch loads only when it is needed

    with tempfile.TemporaryDirectory() as folder:
        return load_network(export_model(name, Path(folder) / "model", trial, home))


def export_model(name: str, to: Path, trial: int | None = None, home: Home | None = None) -> Path:
    """Copies a trial's stored network into a folder, which must not exist yet; returns the folder.

    Raises NotFoundError like `load_model`, BadInputError if the folder exists.
    """
    home = home or Home.find()
    found = records(name, home)
    if trial is None:
        chosen = next(iter(_best_first(found)), None)
    else:
        chosen = next((record for record in found if record.trial == trial), None)
    if chosen is None:
        have = f"trials 0 to {found[-1].trial}" if found else "no trials"
        raise NotFoundError(f"study {name!r} has {have}, got trial {trial}")
    client = _client(home)
    if not client.list_artifacts(chosen.run_id, layout.MODEL_FOLDER):
        kept = [str(record.trial) for record in found if record.on_front]
        raise NotFoundError(
            f"the weights of trial {chosen.trial} of study {name!r} were not kept: trials keep "
            f"them that are on the front when they end, such as {', '.join(kept) or 'none yet'}"
        )
    if to.exists():
        raise BadInputError(f"the folder to write must not exist yet, got {to}")
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(client.download_artifacts(chosen.run_id, layout.MODEL_FOLDER, folder), to)
    return to


def _client(home: Home) -> MlflowClient:
    return MlflowClient(tracking_uri=home.tracking_uri)


def _experiment(name: str, home: Home) -> Experiment:
    found = None
    if home.database is None or home.database.exists():
        try:
            found = _client(home).get_experiment_by_name(name)
        except MlflowException as error:
            raise TrackingError(f"{home.tracking_uri} does not answer: {error}") from error
    if found is None or found.tags.get(layout.LAYOUT_TAG) != layout.LAYOUT:
        known = [known.name for known in list_studies(home)]
        raise NotFoundError(
            f"no study {name!r} in {home.tracking_uri}; it has: {', '.join(known) or 'none yet'}"
        )
    return found


def _read(name: str, home: Home) -> tuple[Run, list[TrialRecord]]:
    """The parent run, and the records of all trials with `on_front` set."""
    experiment = _experiment(name, home)
    client = _client(home)
    runs: list[Run] = []
    token = None
    while True:
        page = client.search_runs([experiment.experiment_id], page_token=token)
        runs.extend(page)
        token = page.token
        if not token:
            break
    parents = [run for run in runs if run.data.tags.get(layout.ROLE_TAG) == "study"]
    if not parents:
        raise NotFoundError(f"the study {name!r} in {home.tracking_uri} has only just been made")
    found = [_record(run) for run in runs if run.data.tags.get(layout.ROLE_TAG) == "trial"]
    found.sort(key=lambda record: record.trial)
    return parents[0], _with_front(found, _spec(parents[0]))


def _spec(parent: Run) -> StudySpec:
    return StudySpec.from_dict(json.loads(parent.data.tags[layout.SPEC_TAG]))


def _with_front(found: list[TrialRecord], spec: StudySpec) -> list[TrialRecord]:
    points = {record.trial: record.point(spec.objectives) for record in found}
    complete = {number: point for number, point in points.items() if point is not None}
    flags = on_front(list(complete.values()), spec.objectives)
    front = {number for number, keep in zip(complete, flags, strict=True) if keep}
    return [replace(record, on_front=record.trial in front) for record in found]


def _best_first(found: list[TrialRecord]) -> list[TrialRecord]:
    complete = [record for record in found if record.state == "COMPLETE"]
    return sorted(
        complete,
        key=lambda record: (-(record.val_accuracy or 0.0), record.trainable_parameters or 0),
    )


def _record(run: Run) -> TrialRecord:
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
