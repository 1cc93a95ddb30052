"""How the units or the weights of a network are distributed, as plain numbers for a figure."""

from dataclasses import asdict, dataclass
from typing import Any, Final, final

import numpy as np
from torch import Tensor

BINS: Final = 20
"""As many as the paper's histograms have."""


@final
@dataclass(frozen=True, slots=True)
class Histogram:
    """`counts[i]` values lie from `edges[i]` up to `edges[i + 1]`, which only the last bin includes."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, values: Tensor, box: tuple[float, float] | None = None) -> "Histogram":
        """Of all values that are numbers, in 20 equal bins over the box, or from least to most."""
        found = values.detach().flatten().cpu().double().numpy()
        counts, edges = np.histogram(found[np.isfinite(found)], bins=BINS, range=box)
        return cls(tuple(edges.tolist()), tuple(counts.tolist()))

    @classmethod
    def of_counts(cls, values: Tensor, most: int) -> "Histogram":
        """Of whole numbers 0..most, a bin each, with the number in its middle."""
        counts = np.bincount(values.flatten().cpu().numpy(), minlength=most + 1)
        edges = np.arange(most + 2) - 0.5
        return cls(tuple(edges.tolist()), tuple(counts.tolist()))

    def to_dict(self) -> dict[str, Any]:
        """The histogram as JSON types."""
        return asdict(self)
