"""Distributions of units and weights: histograms for figures, and the moments of each layer's weights.

Source: Chavlis & Poirazi 2025, Fig. 5a.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final, final

import numpy as np
import torch
from torch import Tensor

from models.network import Network

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


def weights_of(network: Network) -> dict[str, Tensor]:
    """The weights of each layer by its name, shape (R, connections); biases are left out.

    `layer1_synapses`, `layer1_cables` and so on, and `output`. Only connections that exist are stored,
    so there is no mask to take away.
    """
    found: dict[str, Tensor] = {}
    for number, stage in enumerate(network.stages, start=1):
        for part, layer in zip(("synapses", "cables"), stage.layers, strict=False):  # type: ignore[arg-type]  # ModuleList forgets
            found[f"layer{number}_{part}"] = layer.weight.detach().flatten(1)
    found["output"] = network.readout.weight.detach().flatten(1)
    return found


def moments(weights: Tensor) -> dict[str, Tensor]:
    """Excess kurtosis (Fisher's: 0 of a normal distribution), skewness and range, each (R,).

    `weights`: (R, n). Weights that are exactly 0 are left out. Both moments are those of the
    population; they are nan where all weights are equal.
    """
    found = [_moments(replicate[replicate != 0].double()) for replicate in weights]
    names = ("weight_kurtosis", "weight_skewness", "weight_range")
    return {
        name: torch.tensor(values)
        for name, values in zip(names, zip(*found, strict=True), strict=True)
    }


def _moments(values: Tensor) -> tuple[float, float, float]:
    if len(values) == 0:
        return math.nan, math.nan, math.nan
    centred = values - values.mean()
    variance = centred.square().mean()
    kurtosis = centred.pow(4).mean() / variance.square() - 3.0
    skewness = centred.pow(3).mean() / variance.pow(1.5)
    return kurtosis.item(), skewness.item(), (values.max() - values.min()).item()
