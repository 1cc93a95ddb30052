"""Draws configurations: evenly from the space, or near one that did well."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, final

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from study.search.configuration import Answers
from study.search.space import suggest
from study.spec.study_spec import StudySpec

_CHANGED: Final = 1 / 3  # how many of a configuration's settings differ in one near it, in the mean
_STEP: Final = 0.15  # by which share of its range a number differs, one standard deviation


@final
class Candidates:
    """Draws from the space of a spec with one generator."""

    def __init__(self, spec: StudySpec, generator: np.random.Generator) -> None:
        self._spec = spec
        self._generator = generator

    def drawn(self) -> Answers:
        """Every value of a setting is as likely as every other; of a logarithmic one its logarithm."""
        return self._asked(Answers(self._draw))

    def near(self, params: Mapping[str, Any]) -> Answers:
        """A configuration that differs from one in some settings, in numbers by a small step."""
        known = self._asked(Answers(given=params)).view_params
        return self._asked(Answers(partial(self._vary, known)))

    def _asked(self, answers: Answers) -> Answers:
        suggest(answers, self._spec)
        return answers

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
