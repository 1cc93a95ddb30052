"""The measurements that claims are judged by: chosen on validation, then looked up on test."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final, final

from models.architecture import Architecture
from paper.intervals import Sample
from study.results.query import MOST_ACCURATE, Order
from study.results.record import TrialRecord, arranged
from study.training.settings import TrainingSettings

_DEFAULTS: Final[dict[str, Any]] = {
    field.name: field.default
    for settings in (Architecture, TrainingSettings)
    for field in fields(settings)
    if field.default is not MISSING
}
"""What a trial had that was recorded before there was the setting."""


class UndecidableError(Exception):
    """There is nothing to judge a claim by; the message says what is missing."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which trials: of one of the families, none meaning any, with these settings, not too large."""

    families: tuple[str, ...] = ()
    where: Mapping[str, Any]
    max_parameters: int | None = None

    def passes(self, record: TrialRecord) -> bool:
        """Whether a trial is one of them."""
        settings = _DEFAULTS | record.architecture | record.training
        size = record.trainable_parameters
        return (
            (not self.families or record.family in self.families)
            and all(settings.get(name) == value for name, value in self.where.items())
            and (self.max_parameters is None or (size is not None and size <= self.max_parameters))
        )

    def __str__(self) -> str:
        """As in `no trial of ...`."""
        text = " or ".join(self.families) or "any family"
        if self.max_parameters is not None:
            text += f" with at most {self.max_parameters:,} parameters"
        return text + where_words(self.where)


def where_words(where: Mapping[str, Any]) -> str:
    """The settings as the end of a sentence."""
    return (
        f" where {' and '.join(f'{name} = {value}' for name, value in where.items())}"
        if where
        else ""
    )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The complete trials that keep the constraints, and what retraining says of them.

    By the id of a trial's run `retrained` has the retraining to believe, and `studies` the study that it
    is of; `metrics_of` gives all metrics of a run, for those that a record does not hold.
    """

    records: Sequence[TrialRecord]
    retrained: Mapping[str, TrialRecord]
    metrics_of: Callable[[str], Mapping[str, float]]
    studies: Mapping[str, str]

    @classmethod
    def pooled(cls, parts: Sequence["Evidence"]) -> "Evidence":
        """The evidence of several studies of one store."""
        return cls(
            records=[record for part in parts for record in part.records],
            retrained={run: record for part in parts for run, record in part.retrained.items()},
            metrics_of=parts[0].metrics_of,
            studies={run: name for part in parts for run, name in part.studies.items()},
        )

    def study_of(self, record: TrialRecord) -> str:
        """The name of the study that a trial is of."""
        return self.studies[record.run_id]

    def named(self, record: TrialRecord) -> str:
        """The trial in words, such as `trial 7`, with its study if there are several."""
        several = len(set(self.studies.values())) > 1
        return f"trial {record.trial}" + (f" of {self.study_of(record)}" if several else "")

    def trials(self, wanted: Wanted, *, by: Sequence[Order] = MOST_ACCURATE) -> list[TrialRecord]:
        """The trials that are wanted and have the value of the order, the best of validation first.

        Raises UndecidableError if there is none.
        """
        metric = by[0].metric
        found = [
            record
            for record in self.records
            if wanted.passes(record) and _is_number(getattr(record, metric))
        ]
        if not found:
            raise UndecidableError(f"no trial of {wanted}")
        return arranged(found, by)

    def best(self, wanted: Wanted) -> TrialRecord:
        """The trial of the best mean validation accuracy; of equal ones the smallest."""
        return self.trials(wanted)[0]

    def sample(self, record: TrialRecord, metric: str) -> Sample:
        """A metric of a trial: of its retraining if there is one, else of its own replicates.

        Raises UndecidableError if it was not measured.
        """
        confirmed = self.retrained.get(record.run_id)
        if confirmed is not None and (found := self._measured(confirmed, metric)) is not None:
            return Sample(mean=found[0], sem=found[1], seeds=confirmed.replicates, retrained=True)
        return self.searched(record, metric)

    def searched(self, record: TrialRecord, metric: str) -> Sample:
        """A metric of a trial over its own replicates. Raises UndecidableError as `sample`."""
        found = self._measured(record, metric)
        if found is None:
            raise UndecidableError(f"{self.named(record)} ({record.family}) has no {metric}")
        return Sample(mean=found[0], sem=found[1], seeds=record.replicates)

    def _measured(self, record: TrialRecord, metric: str) -> tuple[float, float | None] | None:
        """The mean and its standard error."""
        if hasattr(record, metric):
            mean, sem = getattr(record, metric), getattr(record, f"{metric}_sem", None)
        else:
            metrics = self.metrics_of(record.run_id)
            mean, sem = metrics.get(metric), metrics.get(f"{metric}_sem")
        return (mean, sem) if _is_number(mean) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def seeds_of(record: TrialRecord, sample: Sample, evidence: Evidence) -> str:
    """A trial, its network, and how many seeds speak for it."""
    label = Architecture(**record.architecture).label()
    seeds = "1 seed" if sample.seeds == 1 else f"{sample.seeds} seeds"
    whose = "of its retraining" if sample.retrained else "of the search"
    return f"{evidence.named(record)} ({label}), {seeds} {whose}"
