"""How a network is trained; whoever only reads of it need not wait for torch."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """How a network is trained, by Adam; `epochs` is the full length that the schedule is made for.

    `schedule`: `constant`, `cosine` (down to zero), or `one_cycle` (up, then down). `keep`: the
    weights to evaluate and store, for each replicate of its `best` validation epoch or the `last`.
    """

    epochs: int
    learning_rate: float
    schedule: Literal["constant", "cosine", "one_cycle"] = "constant"
    batch_size: int = 128
    keep: Literal["best", "last"] = "best"
