"""The settings of a training. Apart from the training itself, which loads torch."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """The settings of a training by Adam; `epochs` is the full length of the schedule.

    `schedule`: `constant`, `cosine` (down to zero), or `one_cycle` (up, then down). `keep`: the
    weights to evaluate and store, for each replicate of its `best` validation epoch or the `last`.
    A replicate whose validation loss was not below its lowest for `patience` epochs stops, and the
    weights of its lowest are kept; 0: none stops. `noise`: the standard deviation of the noise on all
    images (`study.training.noise`). `batch_order`: `shuffled` in each epoch, or `by_class`
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
"""The settings that need not be given."""
