"""Distributions of units and weights: histograms for figures, and moments of the weights of a layer.

Source: Chavlis & Poirazi 2025, Fig. 5a.
"""

import math
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from torch import Tensor

from models.network import Network

BINS: Final = 20
"""The number of bins of the paper's histograms."""


@final
@dataclass(frozen=True, slots=True)
class Histogram:
    """`counts[i]` values from `edges[i]` up to `edges[i + 1]`, which only the last bin includes."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, values: Tensor, box: tuple[float, float] | None = None) -> "Histogram":
        """The histogram of the finite values, in 20 equal bins over the box or the range of values."""
        numbers = values.detach().flatten().cpu().double().numpy()
        counts, edges = np.histogram(numbers[np.isfinite(numbers)], bins=BINS, range=box)
        return cls(tuple(edges.tolist()), tuple(counts.tolist()))

    @classmethod
    def of_counts(cls, values: Tensor, most: int) -> "Histogram":
        """The histogram of whole numbers 0..most, with a bin centred on each."""
        counts = np.bincount(values.flatten().cpu().numpy(), minlength=most + 1)
        edges = np.arange(most + 2) - 0.5
        return cls(tuple(edges.tolist()), tuple(counts.tolist()))


def weights_of(network: Network) -> dict[str, Tensor]:
    """The weights of each layer by name, without biases, shape (R, connections).

    The names are `layer1_synapses`, `layer1_cables` and so on, and `output`. Only live connections are
    stored, so no mask is needed.
    """
    weights: dict[str, Tensor] = {}
    for number, stage in enumerate(network.stages, start=1):
        for part, layer in zip(("synapses", "cables"), stage.layers, strict=False):  # type: ignore[arg-type]  # ModuleList forgets
            weights[f"layer{number}_{part}"] = layer.weight.detach().flatten(1)
    weights["output"] = network.readout.weight.detach().flatten(1)
    return weights


def moments(weights: Tensor) -> dict[str, Tensor]:
    """Excess kurtosis (Fisher's: 0 for a normal distribution), skewness and range, each (R,).

    `weights`: (R, n). Weights of exactly 0 are excluded. Both moments are those of the population, and
    nan if all weights are equal.
    """
    columns = zip(*(_moments(one[one != 0].double()) for one in weights), strict=True)
    names = ("weight_kurtosis", "weight_skewness", "weight_range")
    return {name: torch.tensor(values) for name, values in zip(names, columns, strict=True)}


def _moments(values: Tensor) -> tuple[float, float, float]:
    if len(values) == 0:
        return math.nan, math.nan, math.nan
    centred = values - values.mean()
    variance = centred.square().mean()
    kurtosis = centred.pow(4).mean() / variance.square() - 3.0
    skewness = centred.pow(3).mean() / variance.pow(1.5)
    return kurtosis.item(), skewness.item(), (values.max() - values.min()).item()
