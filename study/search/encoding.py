"""Configurations as numbers: the features that a surrogate learns from."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from study.spec.dimensions import Choice, Range
from study.spec.study_spec import StudySpec

_COUNTS: Final = ("trainable_parameters", "macs")
_WIDE: Final = 3  # ranges wider than so many times their start are logarithmic
_SPREAD: Final = 2.0  # of a searched number, in the unit of the surrogate's length scales


@final
class Encoding:
    """One feature a searched number, one a searched name's choice, and the sizes of the network.

    Numbers go from 0 to 2, on a logarithmic scale where the largest is more than thrice the smallest;
    a setting that a family does not have is 0. Sizes are powers of ten.
    """

    def __init__(self, spec: StudySpec) -> None:
        self._epochs = spec.budget.epochs
        self._names: list[tuple[str, str]] = []
        self._numbers: dict[str, tuple[float, float, bool]] = {}
        if len(spec.families) > 1:
            self._names += [("family", family) for family in spec.families]
        for name in type(spec.space).model_fields:
            dimension = getattr(spec.space, name)
            if isinstance(dimension, Range):
                self._numbers[name] = _scale(dimension.low, dimension.high)
            elif isinstance(dimension, Choice) and len(dimension.values) > 1:
                if isinstance(dimension.values[0], str):
                    self._names += [(name, str(value)) for value in dimension.values]
                else:
                    numbers = [float(value) for value in dimension.values]
                    self._numbers[name] = _scale(min(numbers), max(numbers))

    def rows(
        self, params: Sequence[Mapping[str, Any]], counts: Sequence[Mapping[str, float]]
    ) -> NDArray[np.float64]:
        """The features of configurations at their last epoch, shape (n, features)."""
        return np.array([self._row(one, sizes) for one, sizes in zip(params, counts, strict=True)])

    def at_epoch(self, row: NDArray[np.float64], epoch: int) -> NDArray[np.float64]:
        """The row of a configuration at another epoch."""
        moved = row.copy()
        moved[-1] = math.log2(epoch / self._epochs) / 4
        return moved

    def _row(self, params: Mapping[str, Any], counts: Mapping[str, float]) -> list[float]:
        names = [float(params.get(name) == value) for name, value in self._names]
        numbers = [
            self._number(params[name], *scale) if name in params else 0.0
            for name, scale in self._numbers.items()
        ]
        sizes = [math.log10(counts[name]) / 2 for name in _COUNTS]
        return [*names, *numbers, *sizes, 0.0]

    @staticmethod
    def _number(value: float, low: float, high: float, log: bool) -> float:  # noqa: FBT001  # of a scale
        if log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return _SPREAD * (value - low) / (high - low)


def _scale(low: float, high: float) -> tuple[float, float, bool]:
    return low, high, low > 0 and high / low > _WIDE
