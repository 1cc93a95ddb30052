"""What is done to the outputs of a layer: the leaky ReLU, dropout, and their gradients."""

import numpy as np

from study.engine.compilation import inner


@inner
def leaky_relu(y, slope, lanes) -> None:  # type: ignore[no-untyped-def]
    """In place, (units, lanes)."""
    for unit in range(len(y)):
        for lane in range(lanes):
            value = y[unit, lane]
            y[unit, lane] = slope * value if value <= 0.0 else value


@inner
def through_leaky_relu(through, y, slope, lanes) -> None:  # type: ignore[no-untyped-def]
    """The gradient before a leaky ReLU, in place; y, its output, has the sign of what went in."""
    for unit in range(len(y)):
        for lane in range(lanes):
            factor = np.float32(1.0) if y[unit, lane] > 0.0 else slope
            through[unit, lane] *= factor


@inner
def silence(values, share, key, batch_size, first, lanes) -> None:  # type: ignore[no-untyped-def]
    """Dropout in place, of values or of their gradients: the same units each time for one key.

    The lanes are the images `first` and following of a batch. What remains is scaled up.
    """
    threshold = np.uint32(share * 4294967296.0)
    scale = np.float32(1.0 / (1.0 - share))
    for unit in range(len(values)):
        place = np.uint32(unit * batch_size + first)
        for lane in range(lanes):
            drawn = mixed(np.uint32(mixed(np.uint32(place + np.uint32(lane))) ^ key))
            values[unit, lane] *= scale if drawn >= threshold else np.float32(0.0)


@inner
def mixed(number):  # type: ignore[no-untyped-def]
    """A number of 32 bits from another, as if at random (Wellons' triple32)."""
    number = np.uint32(number ^ (number >> np.uint32(17)))
    number = np.uint32(number * np.uint32(0xED5AD4BB))
    number = np.uint32(number ^ (number >> np.uint32(11)))
    number = np.uint32(number * np.uint32(0xAC4C1B51))
    number = np.uint32(number ^ (number >> np.uint32(15)))
    number = np.uint32(number * np.uint32(0x31848BAB))
    return np.uint32(number ^ (number >> np.uint32(14)))
