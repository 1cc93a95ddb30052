"""Chooses what to try next by expected hypervolume improvement: the sampler `ehvi`.

Made for what is searched here: sizes are known before training and counted exactly, accuracies are
learned from every epoch of every trial, those included that were stopped early or still run.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, final

import moocore
import numpy as np
from numpy.typing import NDArray

from study.search.acquisition import Improvement, normals, reference_of
from study.search.observations import Observations
from study.search.surrogate import Encoding, SuccessModel, Surrogate
from study.spec.constraint import KNOWN_BEFORE_TRAINING, Constraint
from study.spec.metrics import METRICS, metric_of
from study.spec.study_spec import StudySpec

Array = NDArray[np.float64]
Params = Mapping[str, Any]
Counted = Callable[[Params], Mapping[str, float]]

_NEAR: Final = 4  # so many candidates are looked at again for each that is chosen
_ONE_BY_ONE: Final = 16  # beyond these, the expectation before any was chosen decides
_LIKELY: Final = 0.5  # what is less likely to succeed is proposed only for want of anything else
_LEAST_COMPLETE: Final = 4  # trials, before there is a front to improve


@final
class ExpectedImprovement:
    """Knows what trials were seen, and ranks candidates by what they can be expected to add.

    `counted` gives the sizes of a configuration's network.
    """

    def __init__(self, spec: StudySpec, counted: Counted) -> None:
        self._objectives = spec.objectives
        self._constraints = [Constraint.parse(text) for text in spec.constraints]
        wanted = {*spec.objectives, *(name for one in self._constraints for name in one.names)}
        learned = wanted - KNOWN_BEFORE_TRAINING
        known = [name for name in METRICS if name in learned]
        self._learned = [*known, *sorted(learned - METRICS.keys())]
        stated = {name: self._cost(name, value) for name, value in spec.references.items()}
        self._stated = np.array([stated.get(name, math.nan) for name in spec.objectives])
        self._counted = counted
        self._encoding = Encoding(spec)
        self._epochs = spec.budget.epochs
        self._surrogates = {name: Surrogate() for name in self._learned}
        self._params: dict[int, Params] = {}
        self._rows: dict[int, Array] = {}
        self._costs: dict[int, list[float]] = {}
        self._observations = Observations(self._epochs)
        self._running: set[int] = set()
        self._complete: list[int] = []
        self._feasible: list[int] = []
        self._success = SuccessModel()
        self._failed: dict[int, bool] = {}  # of the trials that ended; those never trained are none

    def add(self, number: int, params: Params) -> None:
        """Adds a trial that runs until `tell` is called."""
        self._params[number] = params
        self._rows[number] = self._encoding.rows([params], [self._counted(params)])[0]
        self._running.add(number)

    def report(self, number: int, metrics: Mapping[str, float]) -> None:
        """Adds what a trial had reached after an epoch."""
        if all(name in metrics for name in self._learned):
            self._observations.add(number, metrics)

    def tell(
        self, number: int, *, complete: bool = False, feasible: bool = True, failed: bool = False
    ) -> None:
        """Ends a trial; `complete` after its last epoch, `feasible` if it keeps the constraints.

        `failed` if it raised, diverged, or ran out of memory. What a complete trial had when all its
        replicates had stopped it would have had at the full number of epochs as well: the weights
        that are kept did not change any more.
        """
        self._running.discard(number)
        if failed or number in self._observations:
            self._failed[number] = failed
        if complete and number in self._observations:
            self._observations.complete(number)
            metrics = self._observations.final(number)
            self._costs[number] = [self._cost(name, metrics[name]) for name in self._objectives]
            self._complete.append(number)
            if feasible:
                self._feasible.append(number)

    @property
    def ready(self) -> bool:
        """Whether enough is known to rank anything."""
        return len(self._complete) >= _LEAST_COMPLETE

    def front(self) -> list[Params]:
        """The configurations of the complete trials that no other dominates."""
        return [self._params[number] for number in self._on_front()]

    def rank(self, candidates: Sequence[Params], count: int, drawn: int) -> list[int]:
        """The best `count` candidates, the best first; each takes those before it for granted.

        The first `drawn` ones are drawn evenly from the space.
        """
        counts = [self._counted(params) for params in candidates]
        rows = self._encoding.rows(candidates, counts)
        self._fit()
        typical, _ = self._predicted(rows[:drawn], counts[:drawn])
        points, learned = self._points(), self._is_learned()
        reference = reference_of(points, typical, learned, self._stated)
        improvement = Improvement(points, reference)
        pending = sorted(self._running)
        if pending:
            known = [self._counted(self._params[number]) for number in pending]
            running = np.array([self._rows[number] for number in pending])
            for surrogate in self._surrogates.values():
                surrogate.believe(running)
            for costs in self._predicted(running, known)[0]:
                improvement.believe(costs)
        costs, deviations = self._predicted(rows, counts)
        samples = normals(max(1, len(self._learned)))[:, self._columns()]
        feasible = self._probability_feasible(rows, counts)
        feasible = feasible * self._probability_of_success(rows)
        gains = improvement.expected(costs, deviations, samples) * feasible
        if not gains.any():  # nothing reaches the reference: what comes closest to it
            gains = feasible / (1 + improvement.shortfall(costs, deviations))
        gains_at_first = gains
        chosen = [int(np.argmax(gains))]
        near = np.argsort(-gains, kind="stable")[: _NEAR * min(count, _ONE_BY_ONE)]
        while len(chosen) < min(count, _ONE_BY_ONE, len(candidates)):
            improvement.believe(costs[chosen[-1]])
            gains = improvement.expected(costs[near], deviations[near], samples) * feasible[near]
            gains[np.isin(near, chosen)] = -1.0
            chosen.append(int(near[np.argmax(gains)]))
        order = np.argsort(-gains_at_first, kind="stable").tolist()
        others = [index for index in order if index not in chosen]
        return chosen + others[: count - len(chosen)]

    def _fit(self) -> None:
        found = self._observations.sample(self._on_front())
        rows = np.array(
            [self._encoding.at_epoch(self._rows[one.number], one.epoch) for one in found]
        )
        for name, surrogate in self._surrogates.items():
            errors = np.array([one.error(name) for one in found])
            noise = np.array([one.noise(name) for one in found])
            surrogate.fit(rows, errors, noise, len(self._observations))

    def _points(self) -> Array:
        """The costs that the trials of the front have by what is known now, (n, objectives).

        Of what is learned these are the predictions: a value that was measured is as lucky as high.
        """
        points = self._measured()
        rows = np.array([self._rows[number] for number in self._ranked()])
        for column, name in enumerate(self._objectives):
            if name in self._surrogates:
                points[:, column] = self._sign(name) * self._surrogates[name].means(rows)
        return points

    def _measured(self) -> Array:
        """The costs that were measured of the trials that make the front, (n, objectives)."""
        return np.array([self._costs[number] for number in self._ranked()])

    def _on_front(self) -> list[int]:
        """The complete trials that no other dominates."""
        if not self._complete:
            return []
        flags = moocore.is_nondominated(self._measured())
        return [number for number, keep in zip(self._ranked(), flags, strict=True) if keep]

    def _ranked(self) -> list[int]:
        """The complete trials that keep the constraints; all of them as long as none does."""
        return self._feasible or self._complete

    def _predicted(self, rows: Array, counts: Sequence[Mapping[str, float]]) -> tuple[Array, Array]:
        """The costs that are expected at the last epoch, and their deviations, (n, objectives)."""
        costs = np.zeros((len(rows), len(self._objectives)))
        deviations = np.zeros_like(costs)
        for column, name in enumerate(self._objectives):
            if name in self._surrogates:
                errors, deviations[:, column] = self._surrogates[name].predict(rows)
                costs[:, column] = self._sign(name) * errors
            else:
                costs[:, column] = [self._cost(name, sizes[name]) for sizes in counts]
        return costs, deviations

    def _probability_feasible(self, rows: Array, counts: Sequence[Mapping[str, float]]) -> Array:
        """The share of what may come out, (n,), in which every constraint is kept."""
        if not self._constraints:
            return np.ones(len(rows))
        predicted = {name: one.predict(rows) for name, one in self._surrogates.items()}
        samples = normals(max(1, len(self._learned)))
        kept = np.zeros(len(rows))
        for index, sizes in enumerate(counts):
            for sample in samples:
                metrics = dict(sizes)
                for column, (name, (means, deviations)) in enumerate(predicted.items()):
                    error = means[index] + deviations[index] * sample[column]
                    metrics[name] = metric_of(name).from_error(float(error))
                kept[index] += all(one.violation(metrics) <= 0 for one in self._constraints)
        return kept / len(samples)

    def _probability_of_success(self, rows: Array) -> Array:
        """The probability (n,) that a trial does not fail; 1 as long as none has.

        0 where it is below one half, unless it is so everywhere: close to what fails there is always
        something left to be won.
        """
        ended = list(self._failed)
        if not any(self._failed.values()):
            return np.ones(len(rows))
        known = np.array([self._rows[number] for number in ended])
        self._success.fit(known, np.array([not self._failed[number] for number in ended]))
        probabilities = self._success.probability(rows)
        likely = probabilities >= _LIKELY
        return np.where(likely, probabilities, 0.0) if likely.any() else probabilities

    def _cost(self, name: str, value: float) -> float:
        return self._sign(name) * metric_of(name).to_error(value)

    def _sign(self, name: str) -> int:
        return 1 if self._objectives[name] == metric_of(name).direction else -1

    def _is_learned(self) -> NDArray[np.bool_]:
        return np.array([name in self._surrogates for name in self._objectives])

    def _columns(self) -> list[int]:
        """For each objective the column of its samples; what is known does not move with any."""
        return [
            self._learned.index(name) if name in self._surrogates else 0
            for name in self._objectives
        ]
