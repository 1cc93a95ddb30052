"""Comparison of studies: the cost and the best trials of each, and their joint front."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import pandas as pd

from study.errors import BadInputError
from study.home import AnyHome, AnyStore, Home
from study.keywords import checked_keywords
from study.results.query import COMPLETE, MOST_ACCURATE, SMALLEST, Bound, Filters
from study.results.reader import read_study
from study.results.record import TrialRecord, to_frame
from study.results.stored_study import StoredStudy
from study.results.study_status import StudyStatus, status_of
from study.search.pareto import on_front
from study.spec.study_spec import StudySpec


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedStudy:
    """A study in a comparison.

    `smallest` is its smallest trial of at least the common accuracy, if any, as `study.smallest` chooses
    it; `joint` is the number of its trials on the joint front, None without one.
    """

    status: StudyStatus
    smallest: TrialRecord | None
    joint: int | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A comparison of studies.

    `accuracy` is the validation accuracy at which the smallest trials are compared, None if a study has
    no complete trial. `front` is the joint front, each trial with its study, in order of parameters; it
    is empty if the objectives differ, as then hypervolumes are not comparable either. `differences`
    states every reason why the comparison is unfair.
    """

    studies: tuple[ComparedStudy, ...]
    accuracy: float | None
    front: tuple[tuple[str, TrialRecord], ...]
    differences: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """A table with one row for each study."""
        return pd.DataFrame([_row(one) for one in self.studies]).set_index("study")

    def front_frame(self) -> pd.DataFrame:
        """The joint front as a table like that of `study.trials`; the index is study and trial."""
        frame = to_frame([record for _, record in self.front]).reset_index()
        frame.insert(0, "study", [name for name, _ in self.front])
        return frame.set_index(["study", "trial"])

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON types."""
        return {
            "studies": [
                one.status.to_dict()
                | {"smallest": one.smallest and one.smallest.to_dict(), "joint_front": one.joint}
                for one in self.studies
            ],
            "accuracy": self.accuracy,
            "front": [{"study": name} | record.to_dict() for name, record in self.front],
            "differences": list(self.differences),
        }


@checked_keywords
def compare(
    names: Sequence[str],
    *,
    min_accuracy: float | None = None,
    home: AnyHome = None,
    tracking_uri: AnyStore = None,
    fresh: bool = False,
) -> Comparison:
    """Compares two or more studies.

    The smallest trials have at least `min_accuracy`, by default the best accuracy that all studies
    reach; `fresh` is as in `study.records`. Raises BadInputError for fewer than two studies,
    NotFoundError for an unknown one.
    """
    names = [names] if isinstance(names, str) else list(dict.fromkeys(names))
    if len(names) < 2:  # noqa: PLR2004  # at least two
        raise BadInputError(f"a comparison needs two or more studies, got {', '.join(names)}")
    bounds = Filters(min_accuracy=min_accuracy).bounds()
    place = Home.find(home, tracking_uri)
    stored = [read_study(name, place, fresh=fresh) for name in names]
    fronts = {one.spec.name: one.front() for one in stored}
    statuses = [status_of(one) for one in stored]
    accuracy = bounds[0].value if bounds else _reached_by_all(stored)
    objectives = stored[0].spec.objectives
    comparable = all(one.spec.objectives == objectives for one in stored)
    joint = _joint_front(fronts, objectives) if comparable else []
    share = Counter(name for name, _ in joint)
    studies = [
        ComparedStudy(
            status=status,
            smallest=_smallest(one, accuracy),
            joint=share[status.name] if comparable else None,
        )
        for one, status in zip(stored, statuses, strict=True)
    ]
    return Comparison(
        studies=tuple(studies),
        accuracy=accuracy,
        front=tuple(joint),
        differences=_differences([one.spec for one in stored])
        + _other_arrays(stored)
        + _other_confirmation(fronts),
    )


def _reached_by_all(stored: Sequence[StoredStudy]) -> float | None:
    most_accurate = replace(COMPLETE, order=MOST_ACCURATE, limit=1)
    best = [
        record.pooled("val_accuracy")[0] for one in stored for record in one.select(most_accurate)
    ]
    reached = [value for value in best if value is not None]
    return min(reached) if len(reached) == len(stored) else None


def _joint_front(
    fronts: Mapping[str, Sequence[TrialRecord]], objectives: Mapping[str, Any]
) -> list[tuple[str, TrialRecord]]:
    trials = [(name, record) for name, front in fronts.items() for record in front]
    # As in each front: by parameters, then by accuracy.
    trials.sort(key=lambda one: (one[1].trainable_parameters or 0, -(one[1].val_accuracy or 0.0)))
    flags = on_front([record.point(objectives) or () for _, record in trials], objectives)
    return [trial for trial, keep in zip(trials, flags, strict=True) if keep]


def _smallest(stored: StoredStudy, accuracy: float | None) -> TrialRecord | None:
    if accuracy is None:
        return None
    bound = Bound("val_accuracy", ">=", accuracy)
    return next(
        iter(stored.select(replace(COMPLETE, bounds=(bound,), order=SMALLEST, limit=1))), None
    )


def _differences(specs: Sequence[StudySpec]) -> tuple[str, ...]:
    """The differences between specs that make a comparison unfair."""

    def objectives(spec: StudySpec) -> str:
        return ", ".join(f"{name} {way}" for name, way in sorted(spec.objectives.items()))

    def images(spec: StudySpec) -> str:
        data = spec.dataset
        parts = [data.name if data.path is None else f"{data.name} {data.path}"]
        parts += ["grey"] if data.grey else []
        parts += [] if data.resize is None else [f"resized to {' x '.join(map(str, data.resize))}"]
        return ", ".join(parts)

    def split(spec: StudySpec) -> str:
        sizes = spec.dataset.train_size or "all else", spec.dataset.validation_size or "a tenth"
        return f"train {sizes[0]}, validation {sizes[1]}, seed {spec.seed}"

    kinds = {
        "the objectives differ, so hypervolumes are not comparable and there is no joint front": (
            objectives
        ),
        "the data sets differ, so accuracies are not comparable": images,
        "the splits differ, so accuracies are of different validation images": split,
    }
    return tuple(
        f"{rule}: {'; '.join(f'{spec.name}: {words(spec)}' for spec in specs)}"
        for rule, words in kinds.items()
        if len({words(spec) for spec in specs}) > 1
    )


def _other_arrays(stored: Sequence[StoredStudy]) -> tuple[str, ...]:
    """The difference of arrays between studies of the same data set and split: a file was changed."""
    chosen = ("name", "path", "resize", "grey", "train_size", "validation_size")
    named = {(*(getattr(one.spec.dataset, key) for key in chosen), one.spec.seed) for one in stored}
    if len(named) > 1:
        return ()
    # Where only some studies withhold the test images, the others' arrays have them in addition.
    alike = len({one.spec.dataset.withhold_test for one in stored}) == 1
    hashed = {one.spec.name: one.data if alike else one.data_without_test for one in stored}
    known = {name: data for name, data in hashed.items() if data is not None}
    if len(set(known.values())) < 2:  # noqa: PLR2004  # all equal
        return ()
    hashes = "; ".join(f"{name}: SHA-256 {data}" for name, data in known.items())
    return (f"the arrays of the data set differ, so accuracies are not comparable: {hashes}",)


def _other_confirmation(fronts: Mapping[str, Sequence[TrialRecord]]) -> tuple[str, ...]:
    """The difference between studies whose fronts are confirmed and others."""
    seeds = {
        name: min((record.confirmed_replicates or 0 for record in front), default=0)
        for name, front in fronts.items()
    }
    if not any(seeds.values()) or all(seeds.values()):
        return ()
    words = "; ".join(f"{name}: {count or 'no'} further seeds" for name, count in seeds.items())
    return (f"only some fronts are confirmed, so the others are more optimistic: {words}",)


def _row(one: ComparedStudy) -> dict[str, Any]:
    status, best, smallest = one.status, one.status.best, one.smallest
    return {
        "study": status.name,
        "dataset": status.dataset,
        "run_status": status.run_status,
        "trials": status.trials,
        "epochs": status.epochs,
        "hypervolume": status.hypervolume,
        "front": status.front,
        "joint_front": one.joint,
        "best_trial": best and best.trial,
        "best_val_accuracy": best and best.val_accuracy,
        "best_val_accuracy_sem": best and best.val_accuracy_sem,
        "best_confirmed_val_accuracy": best and best.confirmed_val_accuracy,
        "best_confirmed_val_accuracy_sem": best and best.confirmed_val_accuracy_sem,
        "smallest_trial": smallest and smallest.trial,
        "smallest_parameters": smallest and smallest.trainable_parameters,
    }
