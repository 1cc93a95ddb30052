"""What trials of an Optuna study reported after each epoch, and of which reports a surrogate learns."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar, final

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

EPOCH: Final = "epoch/"
"""And the number of the epoch, from 1: the user attribute with what a trial had reached by then."""
ERRORS: Final = "errors"
"""The user attribute with the standard errors of a trial's final values, one an objective."""

MOST: Final = 300
"""Observations of which a surrogate learns; a fit costs their third power."""

Item = TypeVar("Item")
Output: TypeAlias = int | str  # the place of an objective, or the name of a constraint


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a trial has after an epoch.

    `values` has one number an objective, None where it is not known yet; `errors` their standard errors,
    or nothing; `constraints` are violations by name, as `optuna.Trial.set_constraint`.
    """

    values: Sequence[float | None]
    errors: Sequence[float] = ()
    constraints: Mapping[str, float]

    def to_attribute(self) -> dict[str, Any]:
        """The value of the user attribute `epoch/N`."""
        return {
            "values": list(self.values),
            "errors": list(self.errors),
            "constraints": dict(self.constraints),
        }


def reports_of(trial: FrozenTrial) -> dict[int, Report]:
    """The reports of a trial by epoch, from its attributes `epoch/N` and its intermediate values.

    Step 0 of the intermediate values, which Optuna has for single objectives alone, is epoch 1.
    """
    reports = {
        step + 1: Report(values=[value], constraints={})
        for step, value in trial.intermediate_values.items()
    }
    for name, table in trial.user_attrs.items():
        if name.startswith(EPOCH):
            reports[int(name.removeprefix(EPOCH))] = Report(
                values=table["values"],
                errors=table.get("errors", ()),
                constraints=table.get("constraints", {}),
            )
    return reports


def final_report(trial: FrozenTrial) -> Report:
    """The report of a complete trial: its values and constraints, with its attribute `errors`."""
    return Report(
        values=trial.values or (),
        errors=trial.user_attrs.get(ERRORS, ()),
        constraints=trial.constraints,
    )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The outputs of a trial after an epoch, each with its standard error; None after the last epoch."""

    number: int
    epoch: int | None
    outputs: Mapping[Output, tuple[float, float]]


@final
class Observations:
    """All observations, in the order in which they came.

    `epochs` is the full length of a trial; None for the most epochs that were reported.
    """

    def __init__(self, epochs: int | None) -> None:
        self._epochs = epochs
        self._longest = 1
        self._seen: dict[tuple[int, int | None], Observation] = {}
        self._numbers: set[int] = set()

    def __len__(self) -> int:
        return len(self._seen)

    def __contains__(self, number: int) -> bool:
        return number in self._numbers

    @property
    def last(self) -> int:
        """The last epoch of a trial."""
        return self._epochs or self._longest

    def add(self, observation: Observation) -> None:
        """Adds an observation; the one after the last epoch counts once, also if it was reported."""
        number, epoch = observation.number, observation.epoch
        if epoch is None:
            self._seen.pop((number, self.last), None)
        else:
            self._longest = max(self._longest, epoch)
        self._seen[number, epoch] = observation
        self._numbers.add(number)

    def sample(self, front: Collection[int], most: int = MOST) -> list[Observation]:
        """At most `most`, in order: everything, or the front, the newest, and an even subset.

        `front` are the numbers of the complete trials on it. Of the others, epochs before the last
        and last epochs have equal parts.
        """
        keys, front = list(self._seen), set(front)
        if len(keys) > most:
            part = most // 3
            on_front = [
                place for place, (number, epoch) in enumerate(keys) if not epoch and number in front
            ]
            kept = set(even(on_front, part)) | set(range(len(keys) - part, len(keys)))
            others = [place for place in range(len(keys)) if place not in kept]
            partial = [place for place in others if keys[place][1]]
            complete = [place for place in others if not keys[place][1]]
            room = most - len(kept)
            of_partial = max(room // 2, room - len(complete))
            chosen = even(partial, of_partial)
            chosen += even(complete, room - len(chosen))
            keys = [keys[place] for place in sorted([*kept, *chosen])]
        return [self._seen[key] for key in keys]


def newest_and_even(count: int, most: int) -> NDArray[np.int64]:
    """The places, ascending, of at most so many of `count`: half the newest, half an even subset."""
    newest = range(max(0, count - most // 2), count)
    older = even(range(newest.start), most - len(newest))
    return np.array([*older, *newest], dtype=np.int64)


def even(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of the items, evenly spaced, with the first and the last."""
    if len(items) <= most:
        return list(items)
    return [items[index] for index in np.linspace(0, len(items) - 1, most).round().astype(int)]
