"""The learning curves of each replicate of a trial: one CSV file, an artifact of its run.

As metrics they would be most of the rows that a trial has in MLflow, and most of its charts.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Final, final

import pandas as pd

FILE: Final = "curves_by_seed.csv"
"""The artifact of the run of a trial."""

EPOCH_METRICS: Final = ("val_accuracy", "val_loss", "train_loss")
"""The metrics that have a learning curve."""

_KEYS: Final = ("epoch", "seed")

HEADER: Final = ",".join([*_KEYS, *EPOCH_METRICS])
"""The first line of the file."""


@final
class SeedCurves:
    """The curves of a trial while it runs; epochs that are reported again replace the earlier ones."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._seeds = seeds
        self._epochs: dict[int, dict[str, Sequence[float]]] = {}

    def add(self, first: int, curves: Mapping[str, Sequence[Sequence[float]]]) -> None:
        """Adds epochs, counted from `first`: of each metric a list with one value for each seed."""
        for name, epochs in curves.items():
            for epoch, values in enumerate(epochs, start=first):
                self._epochs.setdefault(epoch, {})[name] = values

    def to_csv(self) -> str | None:
        """The text of the file, with nine digits; None without epochs."""
        if not self._epochs:
            return None
        lines = [HEADER]
        for epoch, metrics in sorted(self._epochs.items()):
            for place, seed in enumerate(self._seeds):
                values = (
                    metrics[name][place] if name in metrics else None for name in EPOCH_METRICS
                )
                lines.append(",".join([str(epoch), str(seed), *map(_cell, values)]))
        return "\n".join([*lines, ""])


def _cell(value: float | None) -> str:
    """Empty for a value that was not measured, such as one of a replicate that has stopped."""
    return "" if value is None or value != value else f"{value:.9g}"  # noqa: PLR0124  # NaN


def parse_curves(text: str) -> pd.DataFrame:
    """The curves in the text of a file: a row for each epoch and seed, with a column for each metric.

    Raises ValueError for other texts.
    """
    types = dict.fromkeys(_KEYS, "int64") | dict.fromkeys(EPOCH_METRICS, "float64")
    frame = pd.read_csv(io.StringIO(text), dtype=types)
    if list(frame.columns) != list(types):
        raise ValueError(f"the columns must be {', '.join(types)}, got {', '.join(frame.columns)}")
    return frame
