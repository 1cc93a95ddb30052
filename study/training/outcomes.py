"""The outcomes of the replicates of a network on each image, for intervals over images and seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import Tensor

from models.network import Network
from study.training.evaluation import batch_outcomes
from study.training.split import Split

_CORRECT: Final = "correct"  # a bit for each image, eight in a byte
_LOSSES: Final = "losses"
_SEEDS: Final = "seeds"


@final
@dataclass(frozen=True, slots=True)
class Outcomes:
    """Whether images are classified correctly, bool, and their cross-entropy (nats), float32.

    Both have the shape (replicates, images), the images in the order of the split.
    """

    correct: NDArray[np.bool_]
    losses: NDArray[np.float32]

    @classmethod
    def of(cls, network: Network, split: Split) -> "Outcomes":
        """The outcomes of a network on the images of a split, of at least one image."""
        parts = list(batch_outcomes(network, split))
        correct, losses = (
            torch.cat(kind, dim=1).cpu().numpy() for kind in zip(*parts, strict=True)
        )
        return cls(correct, losses)

    def accuracy(self) -> Tensor:
        """The accuracy of each replicate, a share, shape (R,), float64."""
        return torch.from_numpy(self.correct.mean(axis=1))

    def loss(self) -> Tensor:
        """The mean loss of each replicate, nats, shape (R,), float64."""
        return torch.from_numpy(self.losses.mean(axis=1, dtype=np.float64))

    def to_bytes(self, seeds: Sequence[int]) -> bytes:
        """The contents of a file: a bit and a loss of half precision for each replicate and image."""
        return save(
            {
                _CORRECT: np.packbits(self.correct, axis=1),
                _LOSSES: np.minimum(self.losses, np.finfo(np.float16).max).astype(np.float16),
                _SEEDS: np.array(seeds, dtype=np.int64),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> tuple["Outcomes", tuple[int, ...]]:
        """The outcomes in a file, and the seeds of the replicates. Raises ValueError if damaged."""
        try:
            stored = load(data)
            losses = stored[_LOSSES].astype(np.float32)
            bits = np.unpackbits(stored[_CORRECT], axis=1, count=losses.shape[1])
            seeds = tuple(stored[_SEEDS].tolist())
        except (SafetensorError, KeyError, TypeError, IndexError) as error:
            raise ValueError(f"the outcomes are damaged: {error}") from error
        if not len(seeds) == len(bits) == len(losses):
            raise ValueError(
                f"the outcomes must be of one number of replicates, got {len(seeds)} seeds, "
                f"{len(bits)} and {len(losses)}"
            )
        return cls(bits.astype(np.bool_), losses), seeds
