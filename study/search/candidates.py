"""Draws configurations from a space, uniformly or near a given one."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias, final

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from study.search.encoding import is_ordered

Params: TypeAlias = Mapping[str, Any]
Key: TypeAlias = frozenset[tuple[str, Any]]
"""What tells a configuration from others."""
Space: TypeAlias = Callable[["SpaceWalk"], object]
"""A search space, define-by-run: asks for each parameter as an objective function asks a trial."""

_CHANGED: Final = 1 / 3  # the expected share of parameters that differ in a neighbour
_STEP: Final = 0.15  # the standard deviation of a number's change, as a share of its range


def key_of(params: Params) -> Key:
    """The key of a configuration."""
    return frozenset(params.items())


@final
class SpaceWalk:
    """Answers a space like a trial of Optuna; keeps what was asked and answered.

    `answer` returns the value for a name and its distribution.
    """

    def __init__(self, answer: Callable[[str, BaseDistribution], Any]) -> None:
        self._answer = answer
        self.params: dict[str, Any] = {}
        self.distributions: dict[str, BaseDistribution] = {}

    def suggest(self, name: str, distribution: BaseDistribution) -> Any:  # noqa: ANN401  # the space's own types
        """The value of a parameter; the same one when it is asked for again."""
        if name not in self.params:
            self.params[name] = self._answer(name, distribution)
            self.distributions[name] = distribution
        return self.params[name]

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:  # noqa: ANN401  # the choices' own type
        return self.suggest(name, CategoricalDistribution(tuple(choices)))

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        return int(self.suggest(name, IntDistribution(low, high, log=log, step=step)))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        return float(self.suggest(name, FloatDistribution(low, high, log=log, step=step)))


@final
class Candidates:
    """Draws from a space with one generator."""

    def __init__(self, space: Space, generator: np.random.Generator) -> None:
        self._space = space
        self._generator = generator

    def drawn(self) -> SpaceWalk:
        """Every value of a parameter is equally likely; of a logarithmic one its logarithm."""
        return self._walk(self._draw)

    def near(self, params: Params) -> SpaceWalk:
        """A configuration that differs from one in some parameters, in numbers by a small step."""
        return self._walk(partial(self._vary, params))

    def like(self, params: Params) -> SpaceWalk:
        """The configuration of this space that is most like one of another."""
        return self._walk(partial(self._liken, params))

    def _walk(self, answer: Callable[[str, BaseDistribution], Any]) -> SpaceWalk:
        walk = SpaceWalk(answer)
        self._space(walk)
        return walk

    def _draw(self, _: str, asked: BaseDistribution) -> Any:  # noqa: ANN401  # the space's own types
        return value_at(asked, self._generator.random())

    def _liken(self, known: Params, name: str, asked: BaseDistribution) -> Any:  # noqa: ANN401  # as above
        if name not in known:
            return self._draw(name, asked)
        value = known[name]
        if share_of(asked, value) is not None:
            return value
        if not isinstance(value, int | float) or isinstance(value, bool):
            return self._draw(name, asked)
        if isinstance(asked, IntDistribution | FloatDistribution):
            return asked.low if value < asked.low else asked.high
        assert isinstance(asked, CategoricalDistribution)  # noqa: S101  # no others
        if not is_ordered(asked):
            return self._draw(name, asked)
        return min(asked.choices, key=lambda choice: abs(choice - value))  # type: ignore[operator]  # numbers

    def _vary(self, known: Params, name: str, asked: BaseDistribution) -> Any:  # noqa: ANN401  # as above
        share = share_of(asked, known[name]) if name in known else None
        if share is None:  # the known configuration has no such parameter, or another range
            return self._draw(name, asked)
        if self._generator.random() >= _CHANGED:
            return known[name]
        if isinstance(asked, CategoricalDistribution) and not is_ordered(asked):
            return self._draw(name, asked)
        share += self._generator.normal(0, _STEP)
        return value_at(asked, min(max(share, 0.0), 1 - 1e-12))


def value_at(distribution: BaseDistribution, share: float) -> Any:  # noqa: ANN401  # the distribution's own type
    """The value at a share of its range, from 0 up to 1; each value has an equal part of the range."""
    if isinstance(distribution, CategoricalDistribution):
        choices = _in_order(distribution)
        return choices[int(share * len(choices))]
    low, high = _bounds(distribution)
    number = low + share * (high - low)
    assert isinstance(distribution, IntDistribution | FloatDistribution)  # noqa: S101  # no others
    number = math.exp(number) if distribution.log else number
    if distribution.step is not None and not distribution.log:
        steps = round((number - distribution.low) / distribution.step)
        number = distribution.low + steps * distribution.step
    number = min(max(number, distribution.low), distribution.high)
    return number if isinstance(distribution, FloatDistribution) else round(number)


def share_of(distribution: BaseDistribution, value: Any) -> float | None:  # noqa: ANN401  # as above
    """The share of the range at which a value lies; None if it lies outside."""
    if isinstance(distribution, CategoricalDistribution):
        choices = _in_order(distribution)
        return (choices.index(value) + 0.5) / len(choices) if value in choices else None
    assert isinstance(distribution, IntDistribution | FloatDistribution)  # noqa: S101  # no others
    if not distribution.low <= value <= distribution.high:
        return None
    low, high = _bounds(distribution)
    number = math.log(value) if distribution.log else value
    return (number - low) / (high - low) if high > low else 0.5


def _in_order(distribution: CategoricalDistribution) -> Sequence[Any]:
    """The choices; numbers in ascending order."""
    return sorted(distribution.choices) if is_ordered(distribution) else distribution.choices


def _bounds(distribution: BaseDistribution) -> tuple[float, float]:
    """The ends of a range, logarithms where it is logarithmic; half a step beyond where it has steps."""
    assert isinstance(distribution, IntDistribution | FloatDistribution)  # noqa: S101  # no others
    half = 0.0 if distribution.step is None else distribution.step / 2
    low, high = distribution.low - half, distribution.high + half
    return (math.log(low), math.log(high)) if distribution.log else (low, high)
