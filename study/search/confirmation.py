"""Confirmation: the trials on the front, trained with further seeds when the search has ended.

Its results are stored with the search, as attributes of the study: Optuna takes no more of a trial that
has ended.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, final

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from study.search.pareto import Point, on_front
from study.search.pooling import CONFIRMED, REPLICATES, confirmed_name, pooled
from study.search.storage import SearchStorage
from study.search.stored_trial import continued_by, metrics_of
from study.spec.constraint import all_kept, violations
from study.spec.study_spec import StudySpec

_CONFIRMED: Final = "confirmed/"  # and the number of the trial


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The end of the confirmation of a trial.

    `metrics` are means over its seeds with `..._sem`, by the names of the search; empty if it failed,
    for the `reason`.
    """

    replicates: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str | None = None

    @classmethod
    def of(cls, replicates: int, metrics: Mapping[str, float]) -> "Confirmation":
        """The confirmation with the last metrics of a training."""
        names = (f"{metric}{ending}" for metric in CONFIRMED for ending in ("", "_sem"))
        kept = {name: metrics[name] for name in names if name in metrics}
        return cls(replicates=replicates, metrics=kept)

    def named(self) -> dict[str, float]:
        """The metrics by the names of `confirmed_name`; empty if it failed."""
        if not self.metrics:
            return {}
        own = {confirmed_name(name): value for name, value in self.metrics.items()}
        return own | {REPLICATES: self.replicates}

    def pooled_with(self, metrics: Mapping[str, float], replicates: int) -> dict[str, float]:
        """The metrics of the search over so many replicates, pooled with those of this."""
        merged = dict(metrics)
        for name in CONFIRMED:
            if name in metrics and name in self.metrics:
                mean, sem = pooled(
                    (metrics[name], metrics.get(f"{name}_sem", math.nan), replicates),
                    (
                        self.metrics[name],
                        self.metrics.get(f"{name}_sem", math.nan),
                        self.replicates,
                    ),
                )
                merged |= {name: float(mean), f"{name}_sem": float(sem)}
        return merged


def note_confirmation(study: Study, number: int, confirmation: Confirmation) -> None:
    """Stores the confirmation of a trial."""
    study.set_user_attr(f"{_CONFIRMED}{number}", asdict(confirmation))


def confirmations_of(study: Study) -> dict[int, Confirmation]:
    """The stored confirmations by the number of the trial."""
    return {
        int(name.removeprefix(_CONFIRMED)): Confirmation(**table)
        for name, table in study.user_attrs.items()
        if name.startswith(_CONFIRMED)
    }


def unconfirmed(spec: StudySpec, storage: SearchStorage, front: Iterable[int]) -> list[int]:
    """The trials of the search's front that are left to confirm, in order."""
    if not spec.budget.confirm:
        return []
    known = confirmations_of(storage.study)
    return sorted(
        number
        for number in front
        if number not in known or known[number].replicates < spec.budget.confirm
    )


def confirmed_front(
    spec: StudySpec, trials: Sequence[FrozenTrial], confirmations: Mapping[int, Confirmation]
) -> dict[int, Point]:
    """The front by pooled values: of the confirmed trials, and of those on the search's own front.

    `trials` are all, by number. Those that a complete one continues are left out. Other trials are no
    candidates: their values are as optimistic as those of the confirmed were.
    Without confirmations this is the front of the search.
    """
    searched: dict[int, Point] = {}
    points: dict[int, Point] = {}
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    replaced = {before for trial in complete for before in continued_by(trial, trials)}
    for trial in complete:
        if trial.number in replaced:
            continue
        metrics = dict(zip(spec.objectives, trial.values, strict=True)) | metrics_of(trial)
        if trial.number in confirmations:
            metrics = confirmations[trial.number].pooled_with(metrics, spec.replicates)
        if all_kept(violations(spec.constraints, metrics)):
            searched[trial.number] = trial.values
            points[trial.number] = [metrics[name] for name in spec.objectives]
    confirmed = {
        number for number, one in confirmations.items() if one.metrics and number in points
    }
    candidates = confirmed | set(_front(searched, spec))
    return _front({number: points[number] for number in sorted(candidates)}, spec)


def _front(points: Mapping[int, Point], spec: StudySpec) -> dict[int, Point]:
    flags = on_front(list(points.values()), spec.objectives)
    return {number: points[number] for number, keep in zip(points, flags, strict=True) if keep}
