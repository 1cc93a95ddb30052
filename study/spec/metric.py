"""One metric that a study can be steered by: the scale on which its values are compared."""

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Direction: TypeAlias = Literal["maximize", "minimize"]


_LEAST_ERROR: Final = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric and the fixed box that hypervolumes are measured in.

    `best` and `worst` bound the box, so that hypervolumes of different studies compare;
    `log` says that its scale is logarithmic.
    """

    best: float
    worst: float
    log: bool

    @property
    def direction(self) -> Direction:
        """The direction in which the metric gets better."""
        return "maximize" if self.best > self.worst else "minimize"

    def cost(self, value: float) -> float:
        """The value on the box's scale: 0 at its best end, 1 at its worst, clipped to both."""
        position = (self._scale(value) - self._scale(self.best)) / (
            self._scale(self.worst) - self._scale(self.best)
        )
        return min(1.0, max(0.0, position))

    def to_error(self, value: float) -> float:
        """The value as a surrogate learns it: a power of ten, less is better.

        Of a share such as an accuracy that of what is missing, so that from 98 to 99 % is as far as
        from 80 to 90 %.
        """
        if self.log:
            return math.log10(max(value, 1e-12))
        return math.log10(max(self._sign * (self.best - value), 0.0) + _LEAST_ERROR)

    def from_error(self, error: float) -> float:
        """The value of `to_error`."""
        power = math.pow(10.0, error)
        return power if self.log else self.best - self._sign * (power - _LEAST_ERROR)

    @property
    def _sign(self) -> int:
        return 1 if self.best > self.worst else -1

    def _scale(self, value: float) -> float:
        return math.log10(max(value, 1e-12)) if self.log else value
