"""Answers questions about studies from what MLflow holds; needs no driver and no Ray."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from models.architecture import FAMILIES
from study.errors import NotFoundError, SpecError
from study.home import Home
from study.pareto import hypervolume
from study.reader import read_study, study_experiments
from study.record import TrialRecord, to_frame
from study.spec import StudySpec
from study.spec_file import nearest
from study.spending import trials_allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyStatus:
    """How a study stands. `run_status` is MLflow's status of the parent run.

    `trials` counts those that ended, without infeasible ones; `budget` how many may end, None if
    another limit ends the study.
    """

    name: str
    dataset: str
    run_status: str
    trials: int
    budget: int | None
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
    """The status of every study in the store, by name; none if there is no store yet.

    A study that is being made at this moment is left out.
    """
    home = home or Home.find()
    found = []
    for name in study_experiments(home):
        try:
            found.append(status(name, home))
        except NotFoundError:
            continue
    return found


def status(name: str, home: Home | None = None) -> StudyStatus:
    """How a study stands. Raises NotFoundError if there is no such study."""
    home = home or Home.find()
    stored = read_study(name, home)
    spec, found = stored.spec, stored.records
    points = [record.point(spec.objectives) for record in found if record.on_front]
    return StudyStatus(
        name=name,
        dataset=spec.dataset.name,
        run_status=stored.parent.info.status,
        trials=sum(record.state in ("COMPLETE", "PRUNED", "FAIL") for record in found),
        budget=trials_allowed(spec),
        states=dict(Counter(record.state for record in found)),
        front=len(points),
        hypervolume=hypervolume([point for point in points if point], spec.objectives),
        best=next(iter(best_first(found)), None),
        parent_run_id=stored.parent.info.run_id,
        tracking_uri=home.tracking_uri,
    )


def study_spec(name: str, home: Home | None = None) -> StudySpec:
    """The spec of a study. Raises NotFoundError if there is no such study."""
    return read_study(name, home or Home.find()).spec


def records(name: str, home: Home | None = None) -> list[TrialRecord]:
    """Every trial of a study, by number. Raises NotFoundError if there is no such study."""
    return read_study(name, home or Home.find()).records


def trials(name: str, home: Home | None = None) -> pd.DataFrame:
    """Every trial of a study, one row each, by number."""
    return to_frame(records(name, home))


def front(name: str, home: Home | None = None) -> list[TrialRecord]:
    """The trials on the front, the fewest parameters first."""
    found = [record for record in records(name, home) if record.on_front]
    return sorted(found, key=lambda record: record.trainable_parameters or 0)


def pareto_front(name: str, home: Home | None = None) -> pd.DataFrame:
    """The trials on the front, one row each, the fewest parameters first."""
    return to_frame(front(name, home))


def best_configs(  # noqa: PLR0913  # each filter has a name of its own
    name: str,
    *,
    max_parameters: int | None = None,
    min_accuracy: float | None = None,
    family: str | None = None,
    limit: int | None = None,
    home: Home | None = None,
) -> list[TrialRecord]:
    """The complete, feasible trials that pass the filters, best validation accuracy first.

    Bounds include their value. Of equally accurate trials the smaller comes first. An empty list if
    none passes. Raises SpecError for a family that is not searched, or an accuracy beyond 0..1.
    """
    if family is not None and family not in FAMILIES:
        raise SpecError(f"unknown family {family!r}; {nearest(family, FAMILIES)}")
    if min_accuracy is not None and not 0 <= min_accuracy <= 1:
        raise SpecError(f"`0 <= min_accuracy <= 1` must hold, got min_accuracy={min_accuracy}")
    stored = read_study(name, home or Home.find())
    if family is not None and family not in stored.spec.families:
        searched = ", ".join(stored.spec.families)
        raise SpecError(
            f"`family` must be one that the study searches ({searched}), got {family!r}"
        )
    found = [
        record
        for record in best_first(stored.records)
        if (max_parameters is None or (record.trainable_parameters or 0) <= max_parameters)
        and (min_accuracy is None or (record.val_accuracy or 0.0) >= min_accuracy)
        and (family is None or record.family == family)
    ]
    return found[:limit]


def best_first(found: list[TrialRecord]) -> list[TrialRecord]:
    """The complete ones that keep the constraints: best validation accuracy first, then smallest."""
    complete = [record for record in found if record.state == "COMPLETE" and record.feasible]
    return sorted(
        complete,
        key=lambda record: (-(record.val_accuracy or 0.0), record.trainable_parameters or 0),
    )
