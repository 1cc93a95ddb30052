"""Which network represents a family: raced on validation, by the seeds of search and race together.

A role says whose place is filled: a family of a study, perhaps with settings and a bound on its size.
Test images have no part in it; they are withheld from search and race.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from study import TrialRecord

Setting = bool | int | float | str

MOST_ACCURATE: Final = "val_accuracy"


class Role(BaseModel):
    """A network that a claim is about: the best of a family of a study, by validation.

    `where` are settings that it must have; `max_parameters` and `min_parameters` bound its size. `by` is
    the metric that chooses: the accuracy, or the loss. Of a role that is not `raced`, the networks have
    the split of the search, as those of studies without a race.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    study: str
    family: str
    where: dict[str, Setting] = Field(default={})
    min_parameters: Annotated[int, Field(ge=0)] = 0
    max_parameters: Annotated[int, Field(ge=1)] | None = None
    by: Literal["val_accuracy", "val_loss"] = "val_accuracy"
    raced: bool = True

    def fits(self, record: TrialRecord) -> bool:
        """Whether a trial of the study is complete and may fill the place."""
        settings = record.architecture | record.training
        size = record.trainable_parameters
        return (
            record.state == "COMPLETE"
            and record.feasible is not False
            and record.family == self.family
            and all(settings.get(name) == value for name, value in self.where.items())
            and size is not None
            and self.min_parameters <= size
            and (self.max_parameters is None or size <= self.max_parameters)
        )

    def ordered(self, records: Iterable[TrialRecord]) -> list[TrialRecord]:
        """The trials that fit, the best first; of equal ones the smaller."""
        sign = -1 if self.by == MOST_ACCURATE else 1
        return sorted(
            filter(self.fits, records),
            key=lambda one: (sign * _value(one, self.by), one.trainable_parameters, one.trial),
        )

    def __str__(self) -> str:
        """In words, such as `dann-lrf of table1-dann-lrf, at most 10,000 parameters`."""
        text = f"{self.family} of {self.study}"
        text += "".join(f", {name} = {value}" for name, value in self.where.items())
        if self.max_parameters is not None:
            text += f", at most {self.max_parameters:,} parameters"
        return text + (", by loss" if self.by != MOST_ACCURATE else "")


def candidates(
    roles: Iterable[Role], records: Sequence[TrialRecord], each: int
) -> list[TrialRecord]:
    """The trials that are raced: the `each` best of every role, each once, by number."""
    raced = {one.trial: one for role in roles if role.raced for one in role.ordered(records)[:each]}
    return [raced[number] for number in sorted(raced)]


class Choice(BaseModel):
    """The trial that fills a role: its number in the search `study`, and in the race if there was one.

    `pooled` is its validation value over the seeds of both, `configurations` how many were searched.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Role
    study: str
    trial: int
    raced: int | None
    pooled: float
    configurations: int


def choose(
    role: Role, study: str, search: Sequence[TrialRecord], race: Mapping[int, TrialRecord] | None
) -> Choice | None:
    """The best of the role's candidates in the search `study` by the pooled value; None if none fits.

    `race` has the trials of the race by the number of the search's trial. Where there was one, only the
    raced can be chosen: the value of another rests on the seeds that made it look good.
    """
    fitting = role.ordered(search)
    race = race if race is not None and role.raced else {}
    raced = [one for one in fitting if one.trial in race]
    if not fitting or (race and not raced):
        return None
    sign = -1 if role.by == MOST_ACCURATE else 1
    best = min(
        raced or fitting,
        key=lambda one: (
            sign * _pooled(role, one, race.get(one.trial)),
            one.trainable_parameters,
            one.trial,
        ),
    )
    other = race.get(best.trial)
    return Choice(
        role=role,
        study=study,
        trial=best.trial,
        raced=None if other is None else other.trial,
        pooled=_pooled(role, best, other),
        configurations=len(fitting),
    )


def in_race(
    search: Sequence[TrialRecord], race: Iterable[TrialRecord], varied: Sequence[str]
) -> dict[int, TrialRecord]:
    """The trials of a race by the number of the trial of the search with the same configuration."""

    def key(one: TrialRecord) -> tuple[Any, ...]:
        settings = one.architecture | one.training
        return (one.family, *(settings.get(name) for name in varied))

    numbers = {key(one): one.trial for one in search}
    return {numbers[key(one)]: one for one in race if key(one) in numbers}


def _pooled(role: Role, one: TrialRecord, other: TrialRecord | None) -> float:
    """The mean over all seeds of search and race."""
    parts = [one] if other is None else [one, other]
    seeds = sum(part.replicates for part in parts)
    return sum(part.replicates * _value(part, role.by) for part in parts) / seeds


def _value(record: TrialRecord, metric: str) -> float:
    value: float | None = getattr(record, metric)
    return float("nan") if value is None else value
