"""The measurements that claims are judged by: chosen on validation, then looked up on test."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final

from paper.intervals import Sample
from study import TrialRecord

Order: TypeAlias = tuple[tuple[str, int], ...]
"""Metrics by which trials are ordered, the first decides first; 1 where less is better, else -1."""

MOST_ACCURATE: Final[Order] = (("val_accuracy", -1), ("trainable_parameters", 1))
LOWEST_LOSS: Final[Order] = (("val_loss", 1), ("trainable_parameters", 1))
SMALLEST: Final[Order] = (("trainable_parameters", 1), ("val_accuracy", -1))


class UndecidableError(Exception):
    """There is nothing to judge a claim by; the message says what is missing."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFilter:
    """Which trials: of one of the families, none meaning any, with these settings, not too large."""

    families: tuple[str, ...] = ()
    where: Mapping[str, Any]
    max_parameters: int | None = None

    def passes(self, record: TrialRecord) -> bool:
        """Whether a trial is one of them."""
        settings = record.architecture | record.training
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
class Measurements:
    """The complete trials that keep the constraints, and what retraining says of them.

    By the id of a trial's run `retrained` has the retraining to believe, and `studies` the study that it
    is of.
    """

    records: Sequence[TrialRecord]
    retrained: Mapping[str, TrialRecord]
    studies: Mapping[str, str]

    @classmethod
    def pooled(cls, parts: Sequence["Measurements"]) -> "Measurements":
        """The measurements of several studies of one store."""
        return cls(
            records=[record for part in parts for record in part.records],
            retrained={run: record for part in parts for run, record in part.retrained.items()},
            studies={run: name for part in parts for run, name in part.studies.items()},
        )

    def study_of(self, record: TrialRecord) -> str:
        """The name of the study that a trial is of."""
        return self.studies[record.run_id]

    def named(self, record: TrialRecord) -> str:
        """The trial in words, such as `trial 7`, with its study if there are several."""
        several = len(set(self.studies.values())) > 1
        return f"trial {record.trial}" + (f" of {self.study_of(record)}" if several else "")

    def trials(self, wanted: TrialFilter, *, by: Order = MOST_ACCURATE) -> list[TrialRecord]:
        """The trials that are wanted and have the value of the order, the best of validation first.

        Raises UndecidableError if there is none.
        """
        metric = by[0][0]
        found = [
            record for record in self.records if wanted.passes(record) and _has(record, metric)
        ]
        if not found:
            raise UndecidableError(f"no trial of {wanted}")
        return arranged(found, by)

    def best(self, wanted: TrialFilter) -> TrialRecord:
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
        mean, sem = record.value(metric), record.value(f"{metric}_sem")
        return None if mean is None or not math.isfinite(mean) else (mean, sem)


def _has(record: TrialRecord, metric: str) -> bool:
    value = record.value(metric)
    return value is not None and math.isfinite(value)


def arranged(records: Iterable[TrialRecord], order: Order) -> list[TrialRecord]:
    """The records in an order; those without a value come last, of equal ones the lower number first."""

    def key(record: TrialRecord) -> list[float]:
        values = [(record.value(metric), sign) for metric, sign in order]
        return [
            *(math.inf if value is None else sign * value for value, sign in values),
            record.trial,
        ]

    return sorted(records, key=key)


def seeds_of(record: TrialRecord, sample: Sample, measurements: Measurements) -> str:
    """A trial, its network, and the number and the source of its seeds."""
    source = "retraining" if sample.retrained else "search"
    seeds = f"{sample.seeds} {source} {'seed' if sample.seeds == 1 else 'seeds'}"
    return f"{measurements.named(record)} ({record.label()}), {seeds}"
