"""What is searched over: families as data, and one frozen architecture.

A family says how the two halves of a dendrosomatic layer are wired; everything else is a size.
Source: Chavlis & Poirazi, Nat Commun 2025;16:943, "Methods" (model family).
"""

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

ImageShape: TypeAlias = tuple[int, int, int]
"""(channels, height, width)."""

INITIALIZATIONS: Final = ("fan_in", "glorot_dense")


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How one dendrosomatic layer is wired.

    `synapses`: which inputs a dendrite reads: `random` inputs, a `local` receptive field, or `all`.
    `cables`: which dendrites a soma reads: its `own` only, or `all` of the layer.
    """

    synapses: Literal["random", "local", "all"]
    cables: Literal["own", "all"]
    description: str


FAMILIES: Final[dict[str, Family]] = {
    "dann-r": Family(
        synapses="random", cables="own", description="dendritic, each dendrite reads random inputs"
    ),
    "dann-lrf": Family(
        synapses="local",
        cables="own",
        description="dendritic, each dendrite reads a receptive field of its own",
    ),
    "vann": Family(
        synapses="all",
        cables="all",
        description="vanilla: fully connected, hidden widths dendrites x somata and somata",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One network to train, without its seeds and without the images it will read.

    `dendrites` are counted per soma, `somata` and `synapses` (inputs of one dendrite) per layer.
    `synapses` is None exactly for the families that read all inputs. `leaky_slope` is the slope of
    the leaky ReLU below zero, after dendrites and after somata (the paper: 0.1).
    `initialization` is `fan_in` (He's rule on the live connections) or `glorot_dense` (the paper's:
    Glorot's rule on the widths of the dense matrix, of which only the live entries are kept).

    Raises ValueError where a size is impossible whatever the images are.
    """

    family: str
    dendrites: int
    somata: int
    synapses: int | None = None
    layers: int = 1
    leaky_slope: float = 0.1
    initialization: str = "fan_in"

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"`family` must be one of {', '.join(FAMILIES)}, got {self.family!r}")
        for name in ("dendrites", "somata", "layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name} >= 1` must hold, got {name}={getattr(self, name)}")
        if not 0.0 <= self.leaky_slope <= 1.0:
            raise ValueError(
                f"`0 <= leaky_slope <= 1` must hold, got leaky_slope={self.leaky_slope}"
            )
        if self.initialization not in INITIALIZATIONS:
            raise ValueError(
                f"`initialization` must be one of {', '.join(INITIALIZATIONS)}, "
                f"got {self.initialization!r}"
            )
        if self.reads_all_inputs and self.synapses is not None:
            raise ValueError(
                f"`synapses` must be left out for family {self.family}, which reads all inputs, "
                f"got synapses={self.synapses}"
            )
        if not self.reads_all_inputs and (self.synapses is None or self.synapses < 1):
            raise ValueError(
                f"`synapses >= 1` must hold for family {self.family}, got synapses={self.synapses}"
            )

    @property
    def reads_all_inputs(self) -> bool:
        """Whether a dendrite reads every input, so that there is no synapse count to choose."""
        return FAMILIES[self.family].synapses == "all"

    def label(self) -> str:
        """A short name for people, such as `dann-lrf D4 S128 K16`."""
        parts = [self.family, f"D{self.dendrites}", f"S{self.somata}"]
        if self.synapses is not None:
            parts.append(f"K{self.synapses}")
        if self.layers > 1:
            parts.append(f"L{self.layers}")
        return " ".join(parts)


def soma_grid(somata: int) -> ImageShape:
    """The one-channel image (1, height, width) as which the next layer reads `somata` somata.

    Height and width are the two middle divisors, the larger first: 256 is 16 x 16, 128 is 16 x 8
    (the paper's code, deeper networks).
    """
    width = math.isqrt(somata)
    while somata % width:
        width -= 1
    return (1, somata // width, width)


def check_fits(architecture: Architecture, image_shape: ImageShape) -> None:
    """Raises ValueError if a dendrite would need more inputs than a layer has.

    A random dendrite reads single values, a local one pixels in all their channels, so the bound is
    channels x height x width for the first and height x width for the second.
    """
    if architecture.synapses is None:
        return
    shapes = [image_shape] + [soma_grid(architecture.somata)] * (architecture.layers - 1)
    local = FAMILIES[architecture.family].synapses == "local"
    for layer, (channels, height, width) in enumerate(shapes, start=1):
        limit = height * width * (1 if local else channels)
        unit = "pixels" if local else "inputs"
        if architecture.synapses > limit:
            raise ValueError(
                f"`synapses <= {unit}` must hold in layer {layer} of {architecture.family}, "
                f"got synapses={architecture.synapses}, {unit}={limit}"
            )
