"""The status of studies: their budget, the states of their trials, and their best."""

import warnings
from dataclasses import asdict, dataclass
from typing import Any

from study.errors import BadInputError, NotFoundError, StudyError, TrackingError
from study.home import AnyHome, AnyStore, Home
from study.keywords import checked_keywords
from study.results.format import count, percent
from study.results.html_tables import Listing, html_facts
from study.results.reader import read_study, study_experiments
from study.results.record import TrialRecord
from study.results.stored_study import StoredStudy
from study.search.budget import trials_allowed
from study.search.grid import size_of
from study.search.pareto import hypervolume
from study.spec.study_spec import StudySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyStatus:
    """The status of a study. `run_status` is MLflow's status of the parent run.

    `trials` is the number of ended trials, of which one and the one that continues it count as one;
    `budget` is its limit, or None if another limit ends the study.
    `epochs` is the total over all trials. `confirmed` is how many trials of the front are confirmed with
    further seeds; front, hypervolume and best are by pooled values.
    """

    name: str
    dataset: str
    run_status: str
    trials: int
    budget: int | None
    epochs: int
    states: dict[str, int]
    front: int
    confirmed: int
    hypervolume: float
    best: TrialRecord | None
    parent_run_id: str
    tracking_uri: str

    def __repr__(self) -> str:
        """The status in a line; `to_dict` has all of it."""
        of = "" if self.budget is None else f" of {self.budget}"
        return (
            f"StudyStatus({self.name}: {self.run_status}, {self.trials}{of} trials, front of "
            f"{self.front}, hypervolume={self.hypervolume:.4f})"
        )

    def cells(self) -> dict[str, str]:
        """The texts of a table."""
        best = self.best
        accuracy = "" if best is None else percent(best.val_accuracy, best.val_accuracy_sem)
        return {
            "study": self.name,
            "data": self.dataset,
            "run": {"KILLED": "stopped"}.get(self.run_status, self.run_status.lower()),
            "trials": f"{self.trials}"
            if self.budget is None
            else f"{self.trials} of {self.budget}",
            "epochs": count(self.epochs),
            "front": str(self.front),
            "hypervolume": f"{self.hypervolume:.4f}",
            "best validation %": accuracy,
            "best network": "" if best is None else f"trial {best.trial}: {best.label()}",
        }

    def _repr_html_(self) -> str:
        return html_facts(self.cells())

    def to_dict(self) -> dict[str, Any]:
        """The status as JSON types."""
        return asdict(self)


@checked_keywords
def list_studies(
    *, home: AnyHome = None, tracking_uri: AnyStore = None, fresh: bool = False
) -> Listing[StudyStatus]:
    """The status of every study in the store, by name; empty if there is no store yet.

    Studies whose first records are incomplete are left out, and with a warning those that cannot be
    read, for example because another version wrote them.
    """
    place = Home.find(home, tracking_uri)
    statuses: Listing[StudyStatus] = Listing()
    for name in study_experiments(place):
        try:
            statuses.append(status(name, home=place, fresh=fresh))
        except NotFoundError:
            continue
        except (BadInputError, TrackingError):  # of the store, not of one study
            raise
        except StudyError as error:
            warnings.warn(f"{name} is left out: {error}", stacklevel=2)
    return statuses


@checked_keywords
def status(
    name: str, *, home: AnyHome = None, tracking_uri: AnyStore = None, fresh: bool = False
) -> StudyStatus:
    """The status of a study. Raises NotFoundError if there is no such study."""
    stored = read_study(name, Home.find(home, tracking_uri), fresh=fresh)
    return status_of(stored)


def status_of(stored: StoredStudy) -> StudyStatus:
    """The status of a stored study."""
    spec, tally = stored.spec, stored.tally()
    ended = sum(tally.states.get(state, 0) for state in ("COMPLETE", "PRUNED", "FAIL"))
    front = stored.front()
    points = [record.point(spec.objectives) for record in front]
    return StudyStatus(
        name=spec.name,
        dataset=spec.dataset.label,
        run_status=stored.parent.info.status,
        trials=ended - tally.continued,
        budget=trials_allowed(spec, size_of(spec) if spec.sampler == "grid" else None),
        epochs=tally.epochs,
        states=dict(tally.states),
        front=len(points),
        confirmed=sum(record.confirmed_replicates is not None for record in front),
        hypervolume=hypervolume([point for point in points if point], spec.objectives),
        best=stored.best,
        parent_run_id=stored.parent.info.run_id,
        tracking_uri=stored.home.shown_uri,
    )


@checked_keywords
def study_spec(name: str, *, home: AnyHome = None, tracking_uri: AnyStore = None) -> StudySpec:
    """The spec of a study. Raises NotFoundError if there is no such study."""
    return read_study(name, Home.find(home, tracking_uri)).spec
