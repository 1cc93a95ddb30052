"""Values of a trial over the seeds of its confirmation, and pooled with those of the search.

The best measured values of many are too high (the winner's curse); those of further seeds are not.
Selection uses the pooled values: means over the replicates of the search and of the confirmation.
"""

import math
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Sample: TypeAlias = tuple[Array | float, Array | float, Array | float]
"""The mean, the standard error (ignored for a single replicate), and the number of replicates."""

CONFIRMED: Final = ("val_accuracy", "val_loss", "test_accuracy", "test_loss")
"""The metrics that a confirmation measures again; sizes are those of the search."""


def confirmed_name(metric: str) -> str:
    """The name of a metric over the seeds of the confirmation, as `confirmed_val_accuracy`."""
    return f"confirmed_{metric}"


REPLICATES: Final = confirmed_name("replicates")
"""The number of seeds of a confirmation."""

CONFIRMED_NAMES: Final = (
    REPLICATES,
    *(confirmed_name(f"{metric}{ending}") for metric in CONFIRMED for ending in ("", "_sem")),
)


def pooled(one: Sample, other: Sample) -> tuple[Array, Array]:
    """The mean over the replicates of both samples, and its standard error.

    The latter is nan if two single replicates agree, which is a coincidence. Broadcasts over arrays.
    """
    mean, error, count = (np.asarray(part, dtype=np.float64) for part in one)
    other_mean, other_error, other_count = (np.asarray(part, dtype=np.float64) for part in other)
    total = count + other_count
    squares = _squares(error, count) + _squares(other_error, other_count)
    squares = squares + (mean - other_mean) ** 2 * count * other_count / total
    sem = np.sqrt(squares / (total - 1) / total)
    both = (mean * count + other_mean * other_count) / total
    return np.asarray(both), np.where(sem > 0, sem, math.nan)


def _squares(error: Array, count: Array) -> Array:
    """The sum of the squared deviations of the replicates of a sample from their mean."""
    return np.where(count > 1, error**2 * count * (count - 1), 0.0)
