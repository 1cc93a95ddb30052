"""Rewiring: each unit drops its weakest synapses and grows as many others, so that wiring is learned.

Sources: SET (Mocanu et al., Nat Commun 2018;9:2383), which drops the smallest weights and grows random
ones; DEEP R (Bellec et al., arXiv 1711.05136), which keeps the number of synapses fixed; RigL (Evci et
al., arXiv 1911.11134), which grows where the gradient is largest, and whose schedule is used. Here the
number of synapses of each unit is fixed, and regrowth can be local, which keeps fields together.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, cast, final

import numpy as np
import torch
from numpy.typing import NDArray

from models.architecture import FAMILIES, Architecture, ImageShape
from models.layers import SparseLayer
from models.network import Network
from models.shapes import layer_shapes
from models.stage import Stage

Indices: TypeAlias = NDArray[np.int64]
Values: TypeAlias = NDArray[np.floating]

Gradients: TypeAlias = Callable[[slice], Values]
"""The gradients of the weights that some units have or would have, (units, inputs)."""

REACH: Final = 3
"""The distance in pixels, in rows and in columns, up to which local regrowth goes from a synapse.

Where all places within it are taken, the nearest free ones are used.
"""

_UNTIL: Final = 0.7  # share of the epochs after which the wiring is final
_DRAWS: Final = 32  # of a place for a synapse, before all free places are listed
_CELLS: Final = 2**24  # units times inputs that are in memory at a time


@final
@dataclass(frozen=True, slots=True)
class Rewired:
    """The change of a layer: its place in `network.layers`, and the origin of each synapse.

    `origin`, shape (replicates, synapses): the former place of a synapse among those of its replicate,
    or -1 for a new one.
    """

    layer: int
    origin: Indices

    def follow(self, values: Values) -> Values:
        """Values of the former synapses, (replicates, synapses), at the present ones; zero for new."""
        moved = np.take_along_axis(values, np.maximum(self.origin, 0), axis=1)
        return np.where(self.origin < 0, values.dtype.type(0), moved)


def share_after(epoch: int, epochs: int, rewiring: float) -> float:
    """The share of synapses to replace after an epoch, from 1: a cosine from `rewiring` down to zero.

    It reaches zero after 70 % of the epochs, so that the final wiring is trained (RigL: 75 %).
    """
    passed = epoch / (_UNTIL * epochs)
    return rewiring / 2 * (1 + math.cos(math.pi * passed)) if passed < 1 else 0.0


def rewired_layers(network: Network) -> list[tuple[int, SparseLayer, ImageShape]]:
    """The layers whose synapses were drawn: place in `network.layers`, layer, shape of its inputs."""
    if not FAMILIES[network.architecture.family].draws_synapses:
        return []
    shapes = layer_shapes(network.architecture, network.image_shape)
    stages = cast("list[Stage]", list(network.stages))  # ModuleList forgets
    found, place = [], 0
    for stage, shape in zip(stages, shapes, strict=False):
        units = cast("SparseLayer", stage.units)  # of each family that draws synapses
        found.append((place, units, shape))
        place += len(stage.layers)
    return found


def rewire(
    network: Network,
    share: float,
    generators: Callable[[int, int], np.random.Generator],
    gradients: Callable[[int, int], Gradients] | None = None,
    replicates: Sequence[int] | None = None,
) -> list[Rewired]:
    """Replaces a share of the synapses of each unit, rounded down; returns what changed.

    The new weights are zero. The inputs of a unit stay distinct and in ascending order. `generators`:
    the random numbers of a replicate and a layer (its place). `gradients`: the same for the gradients of
    regrowth `gradient`. `replicates`: those to rewire, by default all; one does not depend on another.
    Raises ValueError unless 0 <= share < 1.
    """
    if not 0 <= share < 1:
        raise ValueError(f"`0 <= share < 1` must hold, got share={share}")
    changed = []
    chosen = range(network.replicates) if replicates is None else replicates
    for place, layer, shape in rewired_layers(network):
        origin = np.tile(np.arange(layer.weight.shape[1]), (network.replicates, 1))
        for replicate in chosen:
            synapses = _Synapses(network.architecture, layer, replicate, shape)
            of_inputs = None if gradients is None else gradients(replicate, place)
            generator = generators(replicate, place)
            columns, origin[replicate] = synapses.replaced(share, generator, of_inputs)
            rows = layer.columns.view(network.replicates, -1)
            rows[replicate] = torch.from_numpy(columns + replicate * layer.inputs)
        change = Rewired(place, origin)
        weight = layer.weight.detach()
        weight.copy_(torch.from_numpy(change.follow(weight.cpu().numpy())))
        changed.append(change)
    forget_wiring(network)
    return changed


def forget_wiring(network: Network) -> None:
    """Discards what the network has cached of its connections; to be called when they change."""
    for stage in cast("list[Stage]", list(network.stages)):
        stage.forget_wiring()


@final
class _Synapses:
    """The synapses of a layer of one replicate, as (unit, place) pairs in ascending order.

    A place is an input, or a pixel in all its channels if `synapses` counts pixels.
    """

    def __init__(
        self, architecture: Architecture, layer: SparseLayer, replicate: int, shape: ImageShape
    ) -> None:
        inputs, offsets = (
            part.cpu().numpy().astype(np.int64) for part in layer.connections(replicate)
        )
        strength = np.abs(layer.weight[replicate].detach().cpu().numpy())
        of_pixels = architecture.synapses_per == "channel" and not architecture.draws_over_matrix
        channels, self._height, self._width = shape
        self._planes = channels if of_pixels else 1
        self._places = math.prod(shape) // self._planes
        units = len(offsets) - 1
        self._counts = np.diff(offsets) // self._planes
        if self._planes > 1:
            inputs = inputs.reshape(units, self._planes, -1)[:, 0].ravel()
            strength = strength.reshape(units, self._planes, -1).sum(axis=1).ravel()
        self._local = architecture.regrowth == "local"
        self._place, self._strength = inputs, strength
        self._unit = np.repeat(np.arange(units), self._counts)
        self._first = np.concatenate([[0], np.cumsum(self._counts)])

    def replaced(
        self, share: float, generator: np.random.Generator, gradients: Gradients | None
    ) -> tuple[Indices, Indices]:
        """The new inputs, and the origin of each (`Rewired`); both (synapses,)."""
        # A dropped synapse is not grown again at once, so the others must leave as many places.
        number = np.minimum((share * self._counts).astype(np.int64), self._places - self._counts)
        order = np.lexsort((self._strength, self._unit))
        weakest = np.arange(len(order)) - self._first[self._unit] < number[self._unit]
        dropped = np.zeros(len(order), bool)
        dropped[order] = weakest
        place, origin = self._place.copy(), np.arange(len(order))
        origin[dropped] = -1
        if gradients is None:
            place[dropped] = self._grown(dropped, generator)
        else:
            place[dropped] = self._steepest(number, gradients)
        order = np.argsort(self._unit * self._places + place)
        return self._in_planes(place[order], origin[order])

    def _grown(self, dropped: NDArray[np.bool_], generator: np.random.Generator) -> Indices:
        """A random free place for each dropped synapse."""
        grown = [np.zeros(0, np.int64)]
        at_a_time = max(1, _CELLS // self._places)
        for start in range(0, len(self._counts), at_a_time):
            ends = self._first[[start, min(start + at_a_time, len(self._counts))]]
            grown.append(self._grown_by(slice(*ends), dropped, start, generator))
        return np.concatenate(grown)

    def _grown_by(
        self,
        some: slice,
        dropped: NDArray[np.bool_],
        start: int,
        generator: np.random.Generator,
    ) -> Indices:
        """The same of some synapses, those of the units from `start` on."""
        unit, place, gone = self._unit[some] - start, self._place[some], dropped[some]
        # Of each unit and place, what takes it: nothing (-1), a synapse (-2), or one that is grown.
        taken = np.full((unit.max(initial=0) + 1) * self._places, -1, np.int32)
        taken[unit * self._places + place] = -2
        stay, units = place[~gone], unit[gone]
        # The start of each unit's kept synapses; it keeps at least one, as the share is below one.
        ends = np.searchsorted(unit[~gone], np.arange(unit.max(initial=0) + 2))
        found = np.full(len(units), -1)
        waiting = np.arange(len(units))
        for _ in range(_DRAWS):
            of = units[waiting]
            if self._local:
                places = self._near(stay[generator.integers(ends[of], ends[of + 1])], generator)
            else:
                places = generator.integers(0, self._places, len(of))
            cells = of * self._places + places
            free = np.flatnonzero((places >= 0) & (taken[cells] == -1))
            taken[cells[free]] = free  # of two that drew one cell, the last
            accepted = free[taken[cells[free]] == free]
            found[waiting[accepted]] = places[accepted]
            waiting = np.delete(waiting, accepted)
            taken[cells[accepted]] = -2
        # Of units that read nearly all places, or all around those that stay.
        for last in waiting.tolist():
            of = units[last]
            mine = taken[of * self._places :][: self._places]
            places = np.flatnonzero(mine == -1)
            if self._local:
                places = self._nearest(places, stay[ends[of] : ends[of + 1]])
            found[last] = generator.choice(places)
            mine[found[last]] = -2
        return found

    def _nearest(self, places: Indices, stay: Indices) -> Indices:
        """Those of the places within reach of one that stays, in its channel; else the nearest."""
        shape = (self._places // (self._height * self._width), self._height, self._width)
        (planes, rows, columns), (plane, row, column) = (
            np.unravel_index(some, shape) for some in (places, stay)
        )
        distance = np.maximum(np.abs(rows[:, None] - row), np.abs(columns[:, None] - column))
        distance[planes[:, None] != plane] = self._places
        least = distance.min(axis=1)
        nearest: Indices = places[least <= max(REACH, least.min())]
        return nearest

    def _near(self, places: Indices, generator: np.random.Generator) -> Indices:
        """A random place within reach of each, in its channel; -1 if it is not in the image."""
        plane, pixel = np.divmod(places, self._height * self._width)
        rows, columns = np.divmod(pixel, self._width)
        rows = rows + generator.integers(-REACH, REACH + 1, len(rows))
        columns = columns + generator.integers(-REACH, REACH + 1, len(columns))
        inside = (rows >= 0) & (rows < self._height) & (columns >= 0) & (columns < self._width)
        near = (plane * self._height + rows) * self._width + columns
        return np.where(inside, near, -1)

    def _steepest(self, number: Indices, gradients: Gradients) -> Indices:
        """The free places of each unit with the largest gradients, as many as it has dropped."""
        found = [np.zeros(0, np.int64)]
        at_a_time = max(1, _CELLS // (self._places * self._planes))
        for start in range(0, len(self._counts), at_a_time):
            units = slice(start, start + at_a_time)
            slopes = np.abs(gradients(units))
            slopes = slopes.reshape(len(slopes), self._planes, -1).sum(axis=1)
            mine = slice(self._first[start], self._first[min(start + at_a_time, len(self._counts))])
            slopes[self._unit[mine] - start, self._place[mine]] = -1
            wanted = number[units]
            most = int(wanted.max(initial=0))
            best = np.argsort(-slopes, axis=1, kind="stable")[:, :most]
            found.append(best[np.arange(most) < wanted[:, None]])
        return np.concatenate(found)

    def _in_planes(self, place: Indices, origin: Indices) -> tuple[Indices, Indices]:
        """The same for inputs, where a place is a pixel in several channels."""
        if self._planes == 1:
            return place, origin
        units = len(self._counts)
        each = len(place) // units
        planes = np.arange(self._planes)[None, :, None]
        inputs = place.reshape(units, 1, each) + planes * self._places
        former = origin.reshape(units, 1, each)
        rows = former - np.arange(units)[:, None, None] * each  # within the unit
        first = (np.arange(units)[:, None, None] * self._planes + planes) * each
        return inputs.ravel(), np.where(former < 0, -1, first + rows).ravel()
