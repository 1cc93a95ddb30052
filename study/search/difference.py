"""The rule for a real difference between two means over replicates; apart, for five modules use it.

A difference is real if it exceeds its standard error, `sqrt(error ** 2 + other_error ** 2)`. Where
errors are normal and two networks are equal, one pair in three differs by more; of six claims that a
given one of them is better, one is made.
"""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = float | NDArray[np.float64]

_ROUNDING: Final = 1e-9  # 0.90 - 0.88 is a little more than 0.02


def is_real(difference: Numbers, error: Numbers, other_error: Numbers = 0.0) -> NDArray[np.bool_]:
    """Whether a difference of either sign is real, given the standard errors of both sides.

    An error is 0 for what is known exactly; between two exact values every difference is real.
    Broadcasts over arrays.
    """
    return np.abs(difference) > np.hypot(error, other_error) * (1 + _ROUNDING)


def favoured(value: float, error: float, *, higher: bool) -> float:
    """The best value, `higher` or lower, from which this one does not really differ."""
    return value + error if higher else value - error
