"""Draws initial weights for the live connections of a layer; biases start at zero."""

import math

import numpy as np
from numpy.typing import NDArray

from models.architecture import Architecture


def weight_bound(
    architecture: Architecture,
    dense_fan_in: int,
    dense_fan_out: int,
    live_fan_in: float,
    *,
    slope: float | None,
) -> float:
    """The half width of the uniform distribution that the weights of a layer are drawn from.

    `glorot_dense`: sqrt(6 / (fan in + fan out)) of the dense matrix, as in the paper's code.
    `fan_in`: He's rule, sqrt(3 gain^2 / live fan in), with gain^2 = 2 / (1 + slope^2) before a
    leaky ReLU of that slope and 1 before the softmax (None); it keeps the activations' variance.
    """
    if architecture.initialization == "glorot_dense":
        return math.sqrt(6.0 / (dense_fan_in + dense_fan_out))
    squared_gain = 1.0 if slope is None else 2.0 / (1.0 + slope**2)
    return math.sqrt(3.0 * squared_gain / live_fan_in)


def draw_weights(
    generator: np.random.Generator, shape: tuple[int, ...], bound: float
) -> NDArray[np.float32]:
    """Weights of the given shape, uniform in [-bound, bound)."""
    weights = generator.random(shape, dtype=np.float32)
    weights -= np.float32(0.5)
    weights *= np.float32(2.0 * bound)
    return weights
