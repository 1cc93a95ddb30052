"""The features of a configuration that a surrogate compares."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

Array = NDArray[np.float64]

_WIDE: Final = 3  # ranges wider than so many times their start are logarithmic
_SPREAD: Final = 2.0  # of a parameter, in the unit of the surrogate's length scales
_OF_EPOCHS: Final = 4  # doublings of the epochs are as far apart as one unit


def is_ordered(distribution: BaseDistribution) -> bool:
    """Whether a distribution is a choice of several numbers, which have an order."""
    return isinstance(distribution, CategoricalDistribution) and all(
        isinstance(choice, int | float) and not isinstance(choice, bool)
        for choice in distribution.choices
    )


@final
class Encoding:
    """Features of configurations: one for each number, one for each choice of any other parameter.

    Numbers, also those of a choice, go from 0 to 2, on a logarithmic scale if the distribution has one
    or if the largest is more than thrice the smallest. A parameter that a configuration lacks is 0.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self._choices: list[tuple[str, Any]] = []
        self._numbers: dict[str, tuple[float, float, bool]] = {}
        for name, distribution in distributions.items():
            if distribution.single():
                continue
            if isinstance(distribution, CategoricalDistribution) and not is_ordered(distribution):
                self._choices += [(name, choice) for choice in distribution.choices]
            else:
                self._numbers[name] = _scale(distribution)

    def row(self, params: Mapping[str, Any], more: Sequence[float]) -> Array:
        """The features of a configuration at the last epoch, with `more` of them; (features,)."""
        choices = [
            1.0 if name in params and params[name] == choice else 0.0
            for name, choice in self._choices
        ]
        numbers = [
            _position(params[name], *scale) if name in params else 0.0
            for name, scale in self._numbers.items()
        ]
        return np.array([*choices, *numbers, *more, 0.0])


def at_epoch(rows: Array, epochs: Array, last: int) -> Array:
    """The rows (n, features) of configurations at other epochs (n,) than the last."""
    moved = rows.copy()
    moved[:, -1] = np.log2(epochs / last) / _OF_EPOCHS
    return moved


def _scale(distribution: BaseDistribution) -> tuple[float, float, bool]:
    """The ends of a range, as logarithms where the third is true."""
    if isinstance(distribution, CategoricalDistribution):
        numbers = [float(choice) for choice in distribution.choices]  # type: ignore[arg-type]  # ordered
        low, high, log = min(numbers), max(numbers), False
    else:
        assert isinstance(distribution, IntDistribution | FloatDistribution)  # noqa: S101  # no others
        low, high, log = float(distribution.low), float(distribution.high), distribution.log
    log = log or (low > 0 and high / low > _WIDE)
    return (math.log(low), math.log(high), True) if log else (low, high, False)


def _position(value: float, low: float, high: float, log: bool) -> float:  # noqa: FBT001  # of a scale
    if log:
        value = math.log(max(value, 1e-300))
    return _SPREAD * (value - low) / (high - low)
