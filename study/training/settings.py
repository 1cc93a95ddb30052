"""The settings of a training; apart from the training itself, which imports torch."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """The settings of a training with Adam; `epochs` is the full length of the schedule.

    `schedule`: `constant`, `cosine` (down to zero), or `one_cycle` (up, then down). `keep`: the
    weights to evaluate and store, those of the `best` validation epoch of each replicate or of the
    `last`. `patience`: the epochs without a new lowest validation loss after which a replicate stops
    and keeps the weights of the lowest; 0 disables this. `noise`: the standard deviation of the noise
    on all images (`study.training.noise`). `batch_order`: `shuffled` in each epoch, or `by_class`
    (`study.training.batch_order`).
    """

    epochs: int
    learning_rate: float
    schedule: Literal["constant", "cosine", "one_cycle"] = "constant"
    batch_size: int = 128
    keep: Literal["best", "last"] = "best"
    patience: int = 0
    noise: float = 0.0
    batch_order: Literal["shuffled", "by_class"] = "shuffled"


DEFAULTS: Mapping[str, Any] = {
    field.name: field.default for field in fields(TrainingSettings) if field.default is not MISSING
}
"""The settings with a default."""
