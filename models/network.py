"""R replicates of one architecture as one module, and how it is built."""

from collections.abc import Sequence
from typing import TypeAlias, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.architecture import FAMILIES, Architecture, ImageShape, check_fits, soma_grid
from models.initialization import draw_weights, weight_bound
from models.layers import DenseLayer, GroupedLayer, SparseLayer
from models.wiring import SYNAPSE_PATTERNS

Layer: TypeAlias = SparseLayer | GroupedLayer | DenseLayer


@final
class Network(nn.Module):
    """R replicates of one architecture; each has wiring, initial weights and a seed of its own.

    `hidden` alternates dendrites and somata, each followed by a leaky ReLU; `readout` gives logits.
    """

    def __init__(
        self,
        architecture: Architecture,
        image_shape: ImageShape,
        seeds: Sequence[int],
        hidden: Sequence[Layer],
        readout: DenseLayer,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.image_shape = image_shape
        self.seeds = tuple(seeds)
        self.hidden = nn.ModuleList(hidden)
        self.readout = readout

    @property
    def replicates(self) -> int:
        """The number of replicates, R."""
        return len(self.seeds)

    @property
    def classes(self) -> int:
        """The number of classes, C."""
        return self.readout.weight.shape[1]

    @property
    def layers(self) -> list[Layer]:
        """All layers in the order in which they are computed."""
        return [*self.hidden, self.readout]

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (R, batch, classes).

        `images` has shape (batch, channels, height, width), read by every replicate, or
        (R, batch, channels, height, width), each replicate's own; uint8 in 0..255 or float in 0..1.
        Raises ValueError for another shape.
        """
        x = self._columns(images)
        for layer in self.hidden:
            x = functional.leaky_relu(layer(x), self.architecture.leaky_slope)
        logits: Tensor = self.readout(x)
        return logits.transpose(1, 2)

    def _columns(self, images: Tensor) -> Tensor:
        """The images as float columns, shape (R, inputs, batch), contiguous."""
        if tuple(images.shape[-3:]) != self.image_shape or images.dim() not in (4, 5):
            raise ValueError(
                f"images must have shape (batch, *{self.image_shape}) or "
                f"({self.replicates}, batch, *{self.image_shape}), got {tuple(images.shape)}"
            )
        rows = images.flatten(-3)
        weight = self.readout.weight
        columns = rows.transpose(-1, -2).expand(self.replicates, -1, -1)
        x = torch.empty(columns.shape, dtype=weight.dtype, device=weight.device).copy_(columns)
        return x.div_(255.0) if images.dtype == torch.uint8 else x


def build(
    architecture: Architecture, image_shape: ImageShape, classes: int, seeds: Sequence[int]
) -> Network:
    """A network of one replicate a seed, reading images of (channels, height, width).

    A replicate depends on its own seed only, not on the others. Raises ValueError where the
    architecture does not fit the images, or without a seed.
    """
    if not seeds:
        raise ValueError("`seeds` must hold at least one seed, got none")
    check_fits(architecture, image_shape)
    hidden: list[Layer] = []
    shape = image_shape
    for depth in range(architecture.layers):
        hidden.append(_dendrites(architecture, shape, seeds, depth))
        hidden.append(_somata(architecture, seeds, depth))
        shape = soma_grid(architecture.somata)
    bound = weight_bound(
        architecture, architecture.somata, classes, architecture.somata, hidden=False
    )
    weight = _weights(seeds, architecture.layers, "readout", (classes, architecture.somata), bound)
    return Network(architecture, image_shape, seeds, hidden, DenseLayer(weight))


def _dendrites(
    architecture: Architecture, shape: ImageShape, seeds: Sequence[int], depth: int
) -> Layer:
    inputs = int(np.prod(shape))
    units = architecture.dendrites * architecture.somata
    if architecture.synapses is None:
        bound = weight_bound(architecture, inputs, units, inputs, hidden=True)
        return DenseLayer(_weights(seeds, depth, "synapses", (units, inputs), bound))
    draw = SYNAPSE_PATTERNS[FAMILIES[architecture.family].synapses]
    connections = _stack(
        [
            draw(_generator(seed, depth, "wiring"), shape, units, architecture.synapses)
            for seed in seeds
        ]
    )
    fan_in = connections.shape[-1]
    bound = weight_bound(architecture, inputs, units, fan_in, hidden=True)
    weight = _weights(seeds, depth, "synapses", (units, fan_in), bound)
    return SparseLayer(connections, weight, inputs)


def _somata(architecture: Architecture, seeds: Sequence[int], depth: int) -> Layer:
    somata = architecture.somata
    dendrites = architecture.dendrites * somata
    own = FAMILIES[architecture.family].cables == "own"
    fan_in = architecture.dendrites if own else dendrites
    bound = weight_bound(architecture, dendrites, somata, fan_in, hidden=True)
    weight = _weights(seeds, depth, "cables", (somata, fan_in), bound)
    return GroupedLayer(weight) if own else DenseLayer(weight)


# Every draw has a stream of its own, so that a change in one never shifts another.
_STREAMS = ("wiring", "synapses", "cables", "readout")


def _generator(seed: int, depth: int, stream: str) -> np.random.Generator:
    return np.random.default_rng([seed, depth, _STREAMS.index(stream)])


def _weights(
    seeds: Sequence[int], depth: int, stream: str, shape: tuple[int, int], bound: float
) -> Tensor:
    return _stack([draw_weights(_generator(seed, depth, stream), shape, bound) for seed in seeds])


def _stack(replicates: list[NDArray[np.float32]] | list[NDArray[np.int32]]) -> Tensor:
    return torch.from_numpy(np.stack(replicates))
