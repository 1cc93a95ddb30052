"""Ranks configurations by the hypervolume that they can be expected to add to the front of a study.

What is known before a trial, such as the size of a network, is exact; everything else is learned from
all reports of all trials, those included that were stopped early or still run.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import moocore
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from study.search.acquisition import Improvement, reference_of
from study.search.earlier_study import EarlierStudy, EarlierTask
from study.search.encoding import at_epoch
from study.search.objective import Known, Objective, Outputs, outputs_of
from study.search.observations import Observation, Observations, Output, Report
from study.search.surrogate import SuccessModel, Surrogate

Array = NDArray[np.float64]

_NEAR: Final = 4  # so many candidates are looked at again for each that is chosen
_ONE_BY_ONE: Final = 16  # beyond these, the expectation before any was chosen decides
_LIKELY: Final = 0.5  # what is less likely to succeed is proposed only for want of anything else
_MOST_EARLIER: Final = 100  # observations of all earlier studies together
_FIT_AGAIN: Final = (
    1.05  # whether trials succeed is fitted again when so many more ended, or one failed
)
_LEAST_COMPLETE: Final = 4  # trials, before there is a front to improve


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A configuration: its features at the last epoch, (features,), and what is known of it."""

    params: Mapping[str, Any]
    row: Array
    known: Known


@final
class ExpectedImprovement:
    """Knows the trials of a study, and ranks candidates; `epochs` as in `Observations`."""

    def __init__(self, objectives: Sequence[Objective], epochs: int | None) -> None:
        self._objectives = objectives
        references = [objective.reference for objective in objectives]
        self._stated = np.array(
            [
                math.nan if reference is None else objective.cost(reference)
                for objective, reference in zip(objectives, references, strict=True)
            ]
        )
        self._surrogates: dict[Output, Surrogate] = {}
        self._trials: dict[int, Candidate] = {}
        self._costs: dict[int, list[float]] = {}
        self._observations = Observations(epochs)
        self._running: set[int] = set()
        self._complete: list[int] = []
        self._feasible: list[int] = []
        self._earlier: list[EarlierTask] = []
        self._success = SuccessModel()
        self._failed: dict[int, bool] = {}  # of the trials that ended; those never trained are none
        self._success_fitted = (0, 0)  # trials that ended, and failed, when it was fitted

    def learn_from(self, study: EarlierStudy, rows: Sequence[Array]) -> Sequence[int]:
        """Learns from an earlier study, with the features of its trials; returns those on its front.

        Its trials are rows of a task of their own (`Surrogate`), and no part of this study's front.
        """
        task = EarlierTask(study, self._objectives, rows)
        self._earlier.append(task)
        return task.front

    def add(self, number: int, candidate: Candidate) -> None:
        """Adds a trial that runs until it ends."""
        self._trials[number] = candidate
        self._running.add(number)

    def report(self, number: int, epoch: int, report: Report) -> None:
        """Adds what a trial had reached after an epoch, if it has all objectives that are learned."""
        outputs = self._outputs(number, report)
        if outputs is not None:
            self._observations.add(Observation(number=number, epoch=epoch, outputs=outputs))

    def complete(self, number: int, report: Report) -> None:
        """Ends a trial after its last epoch.

        A trial whose training ended before by itself would have had the same at the last epoch.
        """
        outputs = self._outputs(number, report)
        costs = outputs_of(self._objectives, report)
        if outputs is None or any(place not in costs for place in range(len(self._objectives))):
            self.stop(number)  # an objective is infinite
            return
        self._observations.add(Observation(number=number, epoch=None, outputs=outputs))
        self._costs[number] = [costs[place][0] for place in range(len(self._objectives))]
        self._complete.append(number)
        if all(violation <= 0 for violation in report.constraints.values()):
            self._feasible.append(number)
        self.stop(number)

    def stop(self, number: int) -> None:
        """Ends a trial before its last epoch; without a report it says nothing."""
        self._running.discard(number)
        if number in self._observations:
            self._failed[number] = False

    def fail(self, number: int) -> None:
        """Ends a trial that raised, diverged, or ran out of memory."""
        self._running.discard(number)
        self._failed[number] = True

    @property
    def ready(self) -> bool:
        """Whether enough is known to rank anything."""
        return len(self._complete) >= _LEAST_COMPLETE

    @property
    def trained(self) -> int:
        """The number of trials that run, or ended after some training."""
        return len(self._running) + len(self._failed)

    def front(self) -> list[Mapping[str, Any]]:
        """The configurations of the complete trials that no other dominates."""
        return [self._trials[number].params for number in self._on_front()]

    def rank(
        self, candidates: Sequence[Candidate], typical: Sequence[Candidate], count: int
    ) -> list[int]:
        """The places of all candidates, the best first.

        Each of the first `count` takes those before it for granted. `typical` are configurations
        that were drawn uniformly from the space.
        """
        self._fit()
        points, learned = self._points(), self._is_learned()
        reference = reference_of(points, self._means(typical), learned, self._stated)
        improvement = Improvement(points, reference)
        pending = [self._trials[number] for number in sorted(self._running)]
        if pending:
            rows = _rows(pending)
            for surrogate in self._surrogates.values():
                surrogate.believe(rows)
            improvement.believe(self._means(pending))
        rows = _rows(candidates)
        predicted = {name: one.predict(rows) for name, one in self._surrogates.items()}
        costs, deviations = self._predicted(candidates, predicted)
        likely = self._probability_feasible(candidates, predicted)
        likely = likely * self._probability_of_success(rows)
        gains = improvement.expected(costs, deviations) * likely
        if not gains.any():  # nothing reaches the reference: what comes closest to it
            gains = likely / (1 + improvement.shortfall(costs, deviations))
        order = np.argsort(-gains, kind="stable")
        chosen = [int(order[0])]
        near = order[: _NEAR * min(count, _ONE_BY_ONE)]
        while len(chosen) < min(count, _ONE_BY_ONE, len(candidates)):
            improvement.believe(costs[chosen[-1:]])
            gains = improvement.expected(costs[near], deviations[near]) * likely[near]
            gains[np.isin(near, chosen)] = -1.0
            chosen.append(int(near[np.argmax(gains)]))
        first = set(chosen)
        return chosen + [place for place in order.tolist() if place not in first]

    def _outputs(self, number: int, report: Report) -> Outputs | None:
        """What is learned of a report; None if a learned objective is absent or not finite."""
        known = self._trials[number].known
        outputs = outputs_of(self._objectives, report)
        learned = [place for place in range(len(self._objectives)) if place not in known.values]
        if any(place not in outputs for place in learned):
            return None
        already = {*known.values, *known.constraints}
        return {name: output for name, output in outputs.items() if name not in already}

    def _fit(self) -> None:
        own = self._observations.sample(self._on_front())
        last = self._observations.last
        found, rows = list(own), [self._trials[one.number].row for one in own]
        epochs, tasks = [one.epoch or last for one in own], [0] * len(own)
        for number, task in enumerate(self._earlier, 1):
            earlier = task.sample(_MOST_EARLIER // len(self._earlier))
            # The newest come last, and those are this study's.
            found, tasks = [*earlier, *found], [*[number] * len(earlier), *tasks]
            rows = [*(task.rows[one.number] for one in earlier), *rows]
            epochs = [*(one.epoch or task.epochs or last for one in earlier), *epochs]
        moved = at_epoch(np.array(rows), np.array(epochs), last)
        for name in {name: None for one in own for name in one.outputs}:
            kept = [place for place, one in enumerate(found) if name in one.outputs]
            values, errors = np.array([found[place].outputs[name] for place in kept]).T
            _, of_kept = np.unique(np.array(tasks)[kept], return_inverse=True)
            surrogate = self._surrogates.setdefault(name, Surrogate())
            surrogate.fit(moved[kept], values, errors, len(self._observations), of_kept)

    def _points(self) -> Array:
        """The costs that the trials of the front have by what is known now, (n, objectives).

        Of what is learned these are the predictions: a measured value that is high may be a lucky one.
        """
        points = self._measured()
        rows = _rows([self._trials[number] for number in self._ranked()])
        for column in range(len(self._objectives)):
            if column in self._surrogates:
                points[:, column] = self._surrogates[column].means(rows)
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
        """The complete trials that satisfy the constraints; all of them as long as none does."""
        return self._feasible or self._complete

    def _means(self, candidates: Sequence[Candidate]) -> Array:
        """The costs that are expected of candidates at the last epoch, (n, objectives)."""
        rows = _rows(candidates)
        predicted = {
            name: (one.means(rows), np.zeros(len(rows))) for name, one in self._surrogates.items()
        }
        return self._predicted(candidates, predicted)[0]

    def _predicted(
        self,
        candidates: Sequence[Candidate],
        predicted: Mapping[Output, tuple[Array, Array]],
    ) -> tuple[Array, Array]:
        """The costs of candidates and their standard deviations, (n, objectives)."""
        costs = np.zeros((len(candidates), len(self._objectives)))
        deviations = np.zeros_like(costs)
        for column, objective in enumerate(self._objectives):
            if column in predicted:
                costs[:, column], deviations[:, column] = predicted[column]
            else:
                costs[:, column] = [objective.cost(one.known.values[column]) for one in candidates]
        return costs, deviations

    def _probability_feasible(
        self,
        candidates: Sequence[Candidate],
        predicted: Mapping[Output, tuple[Array, Array]],
    ) -> Array:
        """The probability (n,) that a trial keeps every constraint."""
        kept = [
            all(violation <= 0 for violation in one.known.constraints.values())
            for one in candidates
        ]
        probability = np.array(kept, dtype=float)
        for name, (means, deviations) in predicted.items():
            if isinstance(name, str):
                probability *= ndtr(-means / deviations)
        return probability

    def _probability_of_success(self, rows: Array) -> Array:
        """The probability (n,) that a trial does not fail; 1 as long as none has.

        0 where it is below one half, unless it is so everywhere: close to what fails there is always
        something left to be gained.
        """
        failures = sum(self._failed.values())
        if not failures:
            return np.ones(len(rows))
        ended, failed = self._success_fitted
        if failures > failed or len(self._failed) > _FIT_AGAIN * ended:
            known = _rows([self._trials[number] for number in self._failed])
            self._success.fit(known, np.array([not failed for failed in self._failed.values()]))
            self._success_fitted = (len(self._failed), failures)
        probabilities = self._success.probability(rows)
        likely = probabilities >= _LIKELY
        return np.where(likely, probabilities, 0.0) if likely.any() else probabilities

    def _is_learned(self) -> NDArray[np.bool_]:
        return np.array([place in self._surrogates for place in range(len(self._objectives))])


def _rows(candidates: Sequence[Candidate]) -> Array:
    return np.array([one.row for one in candidates])
