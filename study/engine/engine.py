"""What an engine does for a training; the parts of Adam that all engines have in common."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.rewiring import Rewired

EngineName: TypeAlias = Literal["compiled", "torch"]

BETAS: Final = (0.9, 0.999)
"""Of Adam."""

EPSILON: Final = 1e-7
"""Of Adam; that of the paper's framework (Keras)."""


class Engine(Protocol):
    """Trains the replicates of one network by Adam; the weights are those of its parameters.

    A replicate's losses and weights depend neither on the others nor on an interruption.
    """

    name: EngineName
    compilation_seconds: float | None
    """How long this process waited for a compiler, None if it did not."""
    fallback: str | None
    """Why the engine is slower than it should be here, None if it is not."""

    def train_epoch(
        self, epoch: int, order: Tensor, rates: NDArray[np.float64], running: Sequence[int]
    ) -> Tensor:
        """Trains on the images of each replicate's order, (R, images); their mean losses, (R,).

        `rates`: the learning rate of each step of the epoch. `epoch`: a replicate's dropout follows
        from its seed and the epoch alone. `running`: the replicates that are to be trained; of the
        weights and losses of others nothing is promised.
        """

    def evaluate(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Accuracy (share in 0..1) and mean cross-entropy (nats), one a replicate, (R,), on the CPU."""

    def averages(self) -> list[Tensor]:
        """The exponential average of each parameter; empty if the recipe has none."""

    def rewired(self, changes: Sequence[Rewired]) -> None:
        """Reads the wiring of the network again; moments and averages of synapses follow the changes."""

    def state(self) -> dict[str, Tensor]:
        """All that `restore` of the same engine needs besides the weights."""

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restores the state of an engine of the same name."""
