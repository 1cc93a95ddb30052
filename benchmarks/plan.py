"""What trainings on Fashion-MNIST will take, for benchmarks that run for hours."""

from typing import Final

SECONDS_PER_MAC: Final = 6e-6
"""Processor seconds of an epoch of 54,000 images with validation, for each multiply-accumulate.

Measured with the compiled engine: 4.3e-6 to 6.0e-6 for drawn wirings of 8,000 to 100,000 parameters,
5.4e-6 to 9.7e-6 for convolutions (benchmarks/results/training.json).
"""


def core_hours(macs: float, epochs: float) -> float:
    """The core-hours of a training of one network with so many multiply-accumulates."""
    return macs * SECONDS_PER_MAC * epochs / 3600
