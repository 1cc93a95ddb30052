"""What trials showed after each epoch, and what of it a surrogate learns from when it is very much."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from study.spec.metrics import metric_of

_MOST: Final = 300  # a fit costs their third power
Key = tuple[int, int]  # a trial's number, and the epoch
Metrics = Mapping[str, float]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The metrics of a trial after an epoch."""

    number: int
    epoch: int
    metrics: Metrics

    def error(self, name: str) -> float:
        """A metric on the scale of `Metric.to_error`."""
        return metric_of(name).to_error(self.metrics[name])

    def noise(self, name: str) -> float:
        """The standard error of `error`; 0 where none was measured."""
        sem, value = self.metrics.get(f"{name}_sem", 0.0), self.metrics[name]
        to_error = metric_of(name).to_error
        return abs(to_error(value + sem) - to_error(value - sem)) / 2


@final
class Observations:
    """All that was seen, in the order in which it came; `epochs` is the full length of a trial."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._seen: dict[Key, Metrics] = {}
        self._last: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def __contains__(self, number: int) -> bool:
        return number in self._last

    def add(self, number: int, metrics: Metrics) -> None:
        """Adds what a trial had reached after an epoch."""
        epoch = int(metrics["epochs"])
        self._seen[number, epoch] = metrics
        self._last[number] = max(epoch, self._last.get(number, 0))

    def complete(self, number: int) -> None:
        """A trial whose replicates had all stopped would have had the same in full."""
        self._seen.setdefault((number, self._epochs), self._seen[number, self._last[number]])

    def final(self, number: int) -> Metrics:
        """The metrics of a complete trial."""
        return self._seen[number, self._epochs]

    def sample(self, front: Collection[int]) -> list[Observation]:
        """At most `_MOST`, in order: everything, or the front, the newest, and an even subset.

        `front` are the numbers of the complete trials on it. Of the others, epochs before the last
        and last epochs have equal parts.
        """
        keys = list(self._seen)
        if len(keys) > _MOST:
            part = _MOST // 3
            on_front = [place for place, key in enumerate(keys) if self._on_front(key, front)]
            kept = set(_even(on_front, part)) | set(range(len(keys) - part, len(keys)))
            others = [place for place in range(len(keys)) if place not in kept]
            partial = [place for place in others if keys[place][1] < self._epochs]
            complete = [place for place in others if keys[place][1] == self._epochs]
            room = _MOST - len(kept)
            of_partial = max(room // 2, room - len(complete))
            chosen = _even(partial, of_partial)
            chosen += _even(complete, room - len(chosen))
            keys = [keys[place] for place in sorted([*kept, *chosen])]
        return [
            Observation(number=number, epoch=epoch, metrics=self._seen[number, epoch])
            for number, epoch in keys
        ]

    def _on_front(self, key: Key, front: Collection[int]) -> bool:
        number, epoch = key
        return epoch == self._epochs and number in front


def newest_and_even(count: int, most: int) -> NDArray[np.int64]:
    """The places, ascending, of at most so many of `count`: half the newest, half an even subset."""
    newest = range(max(0, count - most // 2), count)
    older = _even(range(newest.start), most - len(newest))
    return np.array([*older, *newest], dtype=np.int64)


def _even(places: Sequence[int], most: int) -> list[int]:
    """At most so many of the places, evenly."""
    if len(places) <= most:
        return list(places)
    return [places[index] for index in np.linspace(0, len(places) - 1, most).round().astype(int)]
