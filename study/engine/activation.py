"""What is done to the output of a unit: the leaky ReLU, dropout, and their gradients."""

import numpy as np

from study.engine.arrays import Floats, Size
from study.engine.compilation import inlined, inner


@inner
def leaky_relu(y: Floats, slope: np.float32, lanes: int) -> None:
    """In place, (units, lanes)."""
    for unit in range(len(y)):
        for lane in range(lanes):
            value = y[unit, lane]
            y[unit, lane] = slope * value if value <= 0.0 else value


@inlined
def through_leaky_relu(
    through: Floats, row: int, y: Floats, unit: int, slope: np.float32, lanes: int
) -> np.float32:
    """`through[row]` before the leaky ReLU with output `y[unit]`, in place; its sum over the lanes.

    An output has the sign of what went in.
    """
    total = np.float32(0)
    for lane in range(lanes):
        value = through[row, lane] * (np.float32(1.0) if y[unit, lane] > 0.0 else slope)
        through[row, lane] = value
        total += value
    return total


@inlined
def silence(
    values: Floats,
    row: int,
    unit: int,
    share: float,
    key: np.uint32,
    first: Size,
    lanes: int,
) -> None:
    """Dropout in place, of a unit's outputs or their gradients: each time the same for one key.

    The lanes are the images `first` and following of a batch. What remains is scaled up. A number is
    mixed once for each image: mixed twice, the loop is not vectorized, and takes six times as long.
    """
    threshold = np.uint32(share * 4294967296.0)
    scale = np.float32(1.0 / (1.0 - share))
    place = np.uint32(mixed(np.uint32(np.uint32(unit) ^ key)) + np.uint32(first))
    for lane in range(lanes):
        drawn = mixed(np.uint32(place + np.uint32(lane)))
        values[row, lane] *= scale if drawn >= threshold else np.float32(0.0)


@inlined
def mixed(number: np.uint32) -> np.uint32:
    """A number of 32 bits from another, as if at random (Wellons' triple32)."""
    number = np.uint32(number ^ (number >> np.uint32(17)))
    number = np.uint32(number * np.uint32(0xED5AD4BB))
    number = np.uint32(number ^ (number >> np.uint32(11)))
    number = np.uint32(number * np.uint32(0xAC4C1B51))
    number = np.uint32(number ^ (number >> np.uint32(15)))
    number = np.uint32(number * np.uint32(0x31848BAB))
    return np.uint32(number ^ (number >> np.uint32(14)))
