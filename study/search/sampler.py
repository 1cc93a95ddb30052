"""Proposes configurations, none twice: by Optuna's samplers, a grid, or expected improvement."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, final

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from study.search.configuration import Configuration, Key, key_of
from study.search.ehvi import Counted, ExpectedImprovement
from study.search.optuna_sampler import PENDING, SAMPLERS, OptunaSampler, Pending
from study.search.space import grid
from study.spec.constraint import all_kept
from study.spec.study_spec import StudySpec

_CHANGED: Final = 1 / 3  # how many of a configuration's settings differ in one near it, in the mean
_STEP: Final = 0.15  # by which share of its range a number differs, one standard deviation
_DRAWS: Final = 300
_RANDOM_FIRST: Final = 10  # trials that are drawn evenly before the improvement is expected of any
_NEIGHBOURS: Final = 100  # candidates that differ in a setting or two from one on the front
_SHARE: Final = 5  # ranking takes at most one part in so many of the time between two asks
_MOST_AT_ONCE: Final = 200


@final
class Candidates:
    """Draws from the space of a spec with one generator."""

    def __init__(self, spec: StudySpec, generator: np.random.Generator) -> None:
        self._spec = spec
        self._generator = generator

    def drawn(self) -> Configuration:
        """Every value of a setting is as likely as every other; of a logarithmic one its logarithm."""
        return Configuration(self._spec, self._draw)

    def near(self, params: Mapping[str, Any]) -> Configuration:
        """A configuration that differs from one in some settings, in numbers by a small step."""
        known = Configuration(self._spec, given=params).view_params
        return Configuration(self._spec, partial(self._vary, known))

    def _draw(self, _: str, asked: BaseDistribution) -> Any:  # noqa: ANN401  # the space's own types
        if isinstance(asked, CategoricalDistribution):
            return asked.choices[self._generator.integers(len(asked.choices))]
        return _at(asked, self._generator.random())

    def _vary(self, known: Mapping[str, Any], name: str, asked: BaseDistribution) -> Any:  # noqa: ANN401  # as above
        # What the family of the known configuration does not have has to be drawn.
        if name not in known or (
            isinstance(asked, CategoricalDistribution) and self._generator.random() < _CHANGED
        ):
            return self._draw(name, asked)
        if isinstance(asked, CategoricalDistribution) or self._generator.random() >= _CHANGED:
            return known[name]
        place = _place(asked, known[name]) + self._generator.normal(0, _STEP)
        return _at(asked, float(np.clip(place, 0, 1 - 1e-12)))


def _at(asked: BaseDistribution, place: float) -> Any:  # noqa: ANN401  # as above
    """The number at a place of its range, 0 up to 1."""
    low, high = _bounds(asked)
    number = low + place * (high - low)
    assert isinstance(asked, IntDistribution | FloatDistribution)  # noqa: S101  # no choice has a range
    number = math.exp(number) if asked.log else number
    if isinstance(asked, FloatDistribution):
        return min(max(number, asked.low), asked.high)
    return min(max(round(number), asked.low), asked.high)


def _place(asked: BaseDistribution, number: float) -> float:
    low, high = _bounds(asked)
    assert isinstance(asked, IntDistribution | FloatDistribution)  # noqa: S101  # as above
    return ((math.log(number) if asked.log else number) - low) / (high - low)


def _bounds(asked: BaseDistribution) -> tuple[float, float]:
    """The ends of a range, logarithms where it is logarithmic; each whole number has its own share."""
    assert isinstance(asked, IntDistribution | FloatDistribution)  # noqa: S101  # as above
    half = 0.5 if isinstance(asked, IntDistribution) else 0.0
    low, high = asked.low - half, asked.high + half
    return (math.log(low), math.log(high)) if asked.log else (low, high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A configuration, and what the sampler must find again when the study goes on."""

    configuration: Configuration
    system_attrs: dict[str, Any]


@final
class Sampler:
    """The sampler of a spec at work.

    `asked` is how many trials the study has: a sampler that is made anew does not draw what its
    predecessor drew. `counted` gives the sizes of a configuration's network, `clock` the time in
    seconds.
    """

    def __init__(
        self,
        spec: StudySpec,
        asked: int,
        counted: Counted,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec = spec
        self._grid = grid(spec) if spec.sampler == "grid" else None
        (seed,) = np.random.SeedSequence([spec.seed, asked]).generate_state(1)
        self._generator = np.random.default_rng(seed)
        self._candidates = Candidates(spec, self._generator)
        self._view = OptunaSampler(spec, int(seed)) if spec.sampler in SAMPLERS else None
        self._proposed: set[Key] = set()
        self._improvement = ExpectedImprovement(spec, counted) if spec.sampler == "ehvi" else None
        self._clock = clock
        self._ranked: deque[Configuration] = deque()
        self._ranking_s = 0.1
        self._asked_at = clock()
        self._interval_s = 1.0

    def add(self, number: int, params: Mapping[str, Any], system_attrs: Mapping[str, Any]) -> None:
        """Adds a stored trial that this sampler did not propose; it runs until `tell` is called."""
        self._add(number, Configuration(self._spec, given=params), system_attrs)

    def propose(self, number: int) -> Proposal | Pending | None:
        """A new configuration for the trial of this number; None if every one was proposed.

        PENDING while a sampler that takes long is computing: ask again, for the same number.
        """
        asked = None if self._view is None else self._view.ask(number, self._proposed)
        if asked is PENDING:
            return PENDING
        if asked is not None:
            answers, system_attrs = asked
            self._proposed.add(answers.key)
            return Proposal(configuration=answers, system_attrs=system_attrs)
        given = self._given(number)
        if given is None:
            return None
        self._add(number, given, {})
        return Proposal(configuration=given, system_attrs={})

    def report(self, number: int, metrics: Mapping[str, float]) -> None:
        """Adds what a trial had reached at a rung, or at its end."""
        if self._improvement is not None:
            self._improvement.report(number, metrics)

    def tell(
        self,
        number: int,
        state: TrialState,
        values: Sequence[float] | None,
        constraints: Mapping[str, float],
    ) -> None:
        """Ends a trial: its objectives if it is complete, and by how much it breaks which constraint."""
        if self._view is not None:
            self._view.tell(number, state, values, constraints)
        if self._improvement is not None:
            feasible = all_kept(constraints)
            complete = state == TrialState.COMPLETE
            failed = state == TrialState.FAIL
            self._improvement.tell(number, complete=complete, feasible=feasible, failed=failed)

    def _add(self, number: int, answers: Configuration, system_attrs: Mapping[str, Any]) -> None:
        self._proposed.add(answers.key)
        if self._view is not None:
            self._view.add(number, answers, system_attrs)
        if self._improvement is not None:
            self._improvement.add(number, answers.params)

    def _given(self, number: int) -> Configuration | None:
        """A configuration that no sampler of Optuna's proposes; None if there is none left."""
        if self._improvement is not None and number >= _RANDOM_FIRST:
            return self._best(self._improvement)
        return self._drawn() if self._grid is None else self._next_of_grid()

    def _best(self, improvement: ExpectedImprovement) -> Configuration | None:
        """The candidate of which the most is expected.

        Where trials are so short that ranking for each would hold them up, one ranking serves
        several asks.
        """
        start = self._clock()
        self._interval_s = 0.5 * self._interval_s + 0.5 * (start - self._asked_at)
        if not self._ranked and improvement.ready:
            candidates, drawn = self._new_ones(improvement)
            wanted = _SHARE * self._ranking_s / max(self._interval_s, 1e-3)
            count = int(np.clip(np.ceil(wanted), 1, _MOST_AT_ONCE))
            if drawn:
                chosen = improvement.rank([one.params for one in candidates], count, drawn)
                self._ranked.extend(candidates[index] for index in chosen)
            self._ranking_s = self._clock() - start
        self._asked_at = self._clock()
        return self._ranked.popleft() if self._ranked else self._drawn()

    def _new_ones(self, improvement: ExpectedImprovement) -> tuple[list[Configuration], int]:
        """New configurations, and how many of them are drawn evenly: the others are near the front."""
        drawn = self._unproposed(self._candidates.drawn() for _ in range(_DRAWS))
        parents = improvement.front()
        places = self._generator.integers(len(parents), size=_NEIGHBOURS)
        near = self._unproposed(self._candidates.near(parents[place]) for place in places)
        # In a union the keys of the first come first, in their order.
        return list((drawn | near).values()), len(drawn)

    def _unproposed(self, found: Iterable[Configuration]) -> dict[Key, Configuration]:
        return {one.key: one for one in found if one.key not in self._proposed}

    def _next_of_grid(self) -> Configuration | None:
        """The first configuration of the shuffled grid that is new."""
        assert self._grid is not None  # noqa: S101  # made by whoever calls
        while self._grid and key_of(self._grid[-1]) in self._proposed:
            self._grid.pop()
        return Configuration(self._spec, given=self._grid[-1]) if self._grid else None

    def _drawn(self) -> Configuration | None:
        """A new configuration drawn evenly; the rest of a small space that has been drawn dry."""
        for _ in range(_DRAWS):
            answers = self._candidates.drawn()
            if answers.key not in self._proposed:
                return answers
        if self._grid is None:
            self._grid = grid(self._spec)
        return self._next_of_grid()
