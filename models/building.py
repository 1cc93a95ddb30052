"""Builds a network from an architecture: draws its wiring and its initial weights."""

import math
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.architecture import FAMILIES, MOST_PARAMETERS, Architecture, ImageShape
from models.counting import counts_of
from models.layers import (
    ConvolutionLayer,
    DenseLayer,
    GroupedLayer,
    PositionedLayer,
    SparseLayer,
)
from models.network import Network
from models.shapes import layer_shapes, stride_of
from models.stage import Layer, Stage
from models.wiring import (
    Connections,
    Density,
    centre_density,
    draw_over_matrix,
    draw_synapses,
)

LARGEST_SEED: Final = 2**40
"""Beyond the seeds of any study and its retrainings; the seeds of dropout derive from it in 64 bits."""

# Each kind of draw has its own random stream, so that a change in one does not shift another.
_STREAMS = ("wiring", "synapses", "cables", "readout", "cable wiring")


Wiring: TypeAlias = tuple[Tensor, Tensor]
"""The inputs and offsets of `models.wiring.Connections`, as tensors."""


def build(
    architecture: Architecture,
    image_shape: ImageShape,
    classes: int,
    seeds: Sequence[int],
    variance: Density | None = None,
) -> Network:
    """Builds a network with one replicate for each seed, for images of (channels, height, width).

    A replicate depends on its own seed only, not on the others. `variance`, (height, width): that of
    each pixel of the training images, from which `centres = "variance"` draws. Raises ValueError if the
    architecture does not fit the images, `seeds` is empty, it has more than `MOST_PARAMETERS`, or the
    variance is needed and is not that of such images.
    """
    density = centre_density(architecture, image_shape, variance)
    return _build(architecture, image_shape, classes, seeds, _Drawn(seeds, density))


def outline(
    architecture: Architecture, image_shape: ImageShape, classes: int, seeds: Sequence[int]
) -> Network:
    """Builds the same network without drawing its weights and wiring, which are to be replaced.

    Memory and time are proportional to its parameters. Raises ValueError like `build`.
    """
    return _build(architecture, image_shape, classes, seeds, _Empty(len(seeds)))


def _build(
    architecture: Architecture,
    image_shape: ImageShape,
    classes: int,
    seeds: Sequence[int],
    source: "_Source",
) -> Network:
    if len(seeds) == 0:  # an array has no truth value
        raise ValueError("`seeds` must hold at least one seed, got none")
    if not 0 <= min(seeds) <= max(seeds) <= LARGEST_SEED:
        raise ValueError(
            f"`0 <= seeds <= {LARGEST_SEED}` must hold, got {min(seeds)}..{max(seeds)}"
        )
    parameters, _ = counts_of(architecture, image_shape, classes)
    if parameters * len(seeds) > MOST_PARAMETERS:
        raise ValueError(
            f"`replicates x parameters <= {MOST_PARAMETERS}` must hold, "
            f"got replicates={len(seeds)}, parameters={parameters}"
        )
    layers = _Layers(architecture, source)
    *read, last = layer_shapes(architecture, image_shape)
    stages = [layers.stage(shape, depth) for depth, shape in enumerate(read)]
    features = math.prod(last)
    bound = weight_bound(architecture, features, classes, features, slope=None)
    readout = DenseLayer(source.weights(architecture.layers, "readout", (classes, features), bound))
    return Network(architecture, image_shape, seeds, stages, readout)


class _Source(Protocol):
    """The source of weights and wiring; `stream` is the kind of draw."""

    def weights(self, depth: int, stream: str, shape: tuple[int, ...], bound: float) -> Tensor:
        """Weights of all replicates, shape (R, *shape)."""

    density: Density | None
    """Of the centres of receptive fields in the first layer."""

    def wiring(
        self,
        depth: int,
        stream: str,
        draw: Callable[[np.random.Generator], Connections],
        size: tuple[int, int],
    ) -> list[Wiring]:
        """The inputs of the units of each replicate; `size`: the numbers of connections and units."""


@final
class _Drawn:
    """Draws weights and wiring, each replicate from its own streams."""

    def __init__(self, seeds: Sequence[int], density: Density | None) -> None:
        self._seeds = seeds
        self.density = density

    def weights(self, depth: int, stream: str, shape: tuple[int, ...], bound: float) -> Tensor:
        drawn: list[NDArray[np.float32]] = [
            draw_weights(generator, shape, bound) for generator in self._generators(depth, stream)
        ]
        return torch.from_numpy(np.stack(drawn))

    def wiring(
        self,
        depth: int,
        stream: str,
        draw: Callable[[np.random.Generator], Connections],
        size: tuple[int, int],
    ) -> list[Wiring]:
        del size  # follows from the draw
        drawn = [draw(generator) for generator in self._generators(depth, stream)]
        return [(torch.from_numpy(one.inputs), torch.from_numpy(one.offsets)) for one in drawn]

    def _generators(self, depth: int, stream: str) -> list[np.random.Generator]:
        number = _STREAMS.index(stream)
        return [np.random.default_rng([0, seed, depth, number]) for seed in self._seeds]


@final
class _Empty:
    """Creates tensors of the right shapes, whose values are to be replaced."""

    def __init__(self, replicates: int) -> None:
        self._replicates = replicates
        self.density: Density | None = None

    def weights(self, depth: int, stream: str, shape: tuple[int, ...], bound: float) -> Tensor:
        del depth, stream, bound
        return torch.zeros(self._replicates, *shape)

    def wiring(
        self,
        depth: int,
        stream: str,
        draw: Callable[[np.random.Generator], Connections],
        size: tuple[int, int],
    ) -> list[Wiring]:
        del depth, stream, draw
        connections, units = size
        inputs, offsets = (
            torch.zeros(count, dtype=torch.int32) for count in (connections, units + 1)
        )
        return [(inputs, offsets)] * self._replicates


@final
class _Layers:
    """Builds the layers of an architecture."""

    def __init__(self, architecture: Architecture, source: _Source) -> None:
        self.architecture = architecture
        self.family = FAMILIES[architecture.family]
        self.source = source
        own = architecture.dendrite_slope
        soma_slope = architecture.leaky_slope
        self.slopes = (soma_slope if own is None else own, soma_slope)

    def stage(self, shape: ImageShape, depth: int) -> Stage:
        """One layer for inputs of the shape (channels, height, width)."""
        units = self._units(shape, depth)
        cables = None
        if isinstance(units, ConvolutionLayer) and self.family.has_dendrites:
            cables = self._positioned_cables(depth, units.positions)
        elif self.family.has_dendrites:
            cables = self._cables(depth)
        return Stage(units, cables, self.slopes, self.architecture.dropout)

    def _units(self, shape: ImageShape, depth: int) -> Layer:
        architecture, inputs = self.architecture, math.prod(shape)
        units = architecture.units
        slope = self.slopes[0 if self.family.has_dendrites else 1]
        if self.family.synapses == "all":
            bound = weight_bound(architecture, inputs, units, inputs, slope=slope)
            return DenseLayer(self.source.weights(depth, "synapses", (units, inputs), bound))
        if self.family.synapses == "convolution":
            side = round((architecture.synapses or 1) ** 0.5)
            fan_in = shape[0] * side**2
            bound = weight_bound(architecture, fan_in, units * side**2, fan_in, slope=slope)
            kernel = (units, shape[0], side, side)
            weight = self.source.weights(depth, "synapses", kernel, bound)
            return ConvolutionLayer(weight, shape, stride_of(architecture))
        connections = self._synapses(shape, depth)
        fan_in = len(connections[0][0]) / units
        bound = weight_bound(architecture, inputs, units, fan_in, slope=slope)
        return self._sparse(connections, depth, "synapses", inputs, bound)

    def _positioned_cables(self, depth: int, positions: int) -> Layer:
        """The cables of the somata at each position."""
        architecture = self.architecture
        somata, dendrites = architecture.somata, architecture.units // architecture.somata
        dense = (architecture.units * positions, somata * positions)
        bound = weight_bound(architecture, *dense, dendrites, slope=self.slopes[1])
        shape = (somata, dendrites, positions)
        return PositionedLayer(self.source.weights(depth, "cables", shape, bound))

    def _cables(self, depth: int) -> Layer:
        architecture = self.architecture
        somata, dendrites = architecture.somata, architecture.units
        if self.family.cables == "all":
            bound = weight_bound(architecture, dendrites, somata, dendrites, slope=self.slopes[1])
            return DenseLayer(self.source.weights(depth, "cables", (somata, dendrites), bound))
        fan_in = dendrites // somata
        bound = weight_bound(architecture, dendrites, somata, fan_in, slope=self.slopes[1])
        if self.family.cables == "own" or architecture.cable_draw == "constant":
            return GroupedLayer(self.source.weights(depth, "cables", (somata, fan_in), bound))
        connections = self.source.wiring(
            depth,
            "cable wiring",
            lambda generator: draw_over_matrix(generator, somata, dendrites, dendrites),
            (dendrites, somata),
        )
        return self._sparse(connections, depth, "cables", dendrites, bound)

    def _synapses(self, shape: ImageShape, depth: int) -> list[Wiring]:
        """The connections of the dendrites, or of somata without dendrites."""
        architecture, channels = self.architecture, shape[0]
        density = None if depth else self.source.density
        read = (architecture.synapses or 0) * (
            channels if architecture.synapses_per == "channel" else 1
        )
        return self.source.wiring(
            depth,
            "wiring",
            lambda generator: draw_synapses(generator, architecture, shape, density),
            (architecture.units * read, architecture.units),
        )

    def _sparse(
        self,
        connections: list[Wiring],
        depth: int,
        stream: str,
        inputs: int,
        bound: float,
    ) -> SparseLayer:
        shape = (len(connections[0][0]),)
        return SparseLayer(connections, self.source.weights(depth, stream, shape, bound), inputs)


def weight_bound(
    architecture: Architecture,
    dense_fan_in: int,
    dense_fan_out: int,
    live_fan_in: float,
    *,
    slope: float | None,
) -> float:
    """The half-width of the uniform distribution of a layer's initial weights.

    `glorot_dense`: sqrt(6 / (fan in + fan out)) of the dense matrix, as in the paper's code.
    `fan_in`: He's rule, sqrt(3 gain^2 / live fan in), with gain^2 = 2 / (1 + slope^2) before a
    leaky ReLU of that slope and 1 before the softmax (None); it keeps the activations' variance.
    """
    if architecture.initialization == "glorot_dense":
        return math.sqrt(6.0 / (dense_fan_in + dense_fan_out))
    squared_gain = 1.0 if slope is None else 2.0 / (1.0 + slope**2)
    return math.sqrt(3.0 * squared_gain / live_fan_in)


def draw_weights(
    generator: np.random.Generator, shape: tuple[int, ...], bound: float
) -> NDArray[np.float32]:
    """Weights of the given shape, uniform in [-bound, bound)."""
    weights = generator.random(shape, dtype=np.float32)
    weights -= np.float32(0.5)
    weights *= np.float32(2.0 * bound)
    return weights
