"""Families of networks, as data, and the architecture of one network.

A family determines the wiring of both halves of a dendrosomatic layer; everything else is a size or
an option. Source: Chavlis & Poirazi, Nat Commun 2025;16:943, "Methods" (model family).
"""

import math
from dataclasses import dataclass, fields
from numbers import Integral, Real
from reprlib import repr as short
from typing import Final, Literal, TypeAlias

ImageShape: TypeAlias = tuple[int, int, int]
"""(channels, height, width)."""

CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "initialization": ("fan_in", "glorot_dense"),
    "synapse_draw": ("constant", "global"),
    "cable_draw": ("constant", "global"),
    "receptive_field": ("ring", "square"),
    "centres": ("even", "variance"),
    "synapses_per": ("dendrite", "channel"),
    "regrowth": ("local", "anywhere", "gradient"),
}
"""The values of each option that is a name, the default first."""

LARGEST: Final[dict[str, int]] = {
    "somata": 10_000_000,
    "dendrites": 1_000_000,
    "synapses": 10_000_000,
    "layers": 100,
}
"""The largest value of each size."""

MOST_REWIRING: Final = 0.95
"""The largest share of the synapses of a dendrite that are replaced at a time."""

MOST_PARAMETERS: Final = 2**31 - 1
"""The most parameters of all replicates of a network together: connections have 32-bit indices."""


@dataclass(frozen=True, slots=True)
class Family:
    """The wiring of a layer.

    `synapses`: the inputs of a dendrite: `random`; a receptive field of its own (`local`), or one
    near those of its soma's other dendrites (`grouped`); `all`; or, with weights shared over the
    image, those of a `convolution`, whose units are at each position of a grid.
    `cables`: the dendrites of a soma: its `own`; as many, drawn at random (`shuffled`); or `all` of
    the layer. `none`: no dendrites, somata read the inputs.
    """

    synapses: Literal["random", "local", "grouped", "all", "convolution"]
    cables: Literal["own", "shuffled", "all", "none"]
    description: str

    @property
    def has_dendrites(self) -> bool:
        """Whether the family has a number of dendrites."""
        return self.cables != "none"

    @property
    def counts_synapses(self) -> bool:
        """Whether the family has a number of synapses."""
        return self.synapses != "all"

    @property
    def draws_synapses(self) -> bool:
        """Whether the inputs of a dendrite are drawn, so that training can replace them."""
        return self.synapses in ("random", "local", "grouped")

    @property
    def options(self) -> tuple[str, ...]:
        """The options of this family, besides those of all families."""
        options = ["dendrite_slope"] if self.has_dendrites else []
        if self.synapses == "random":
            options.append("synapse_draw")
        if self.cables == "shuffled":
            options.append("cable_draw")
        if self.synapses in ("local", "grouped"):
            options += ["receptive_field", "centres"]
        if self.draws_synapses:
            options += ["synapses_per", "rewiring", "regrowth"]
        return tuple(options)

    def has(self, setting: str) -> bool:
        """Whether a setting applies to this family: one that all have, a size or an option of it."""
        if setting == "dendrites":
            return self.has_dendrites
        if setting == "synapses":
            return self.counts_synapses
        return setting not in _OPTIONS or setting in self.options


FAMILIES: Final[dict[str, Family]] = {
    # The twelve of the paper.
    "dann-r": Family("random", "own", "dendritic, random inputs"),
    "dann-grf": Family("grouped", "own", "dendritic, receptive fields of a soma near each other"),
    "dann-lrf": Family("local", "own", "dendritic, a receptive field for each dendrite"),
    "pdann": Family("all", "own", "dendritic, every dendrite reads all inputs"),
    "vann": Family("all", "all", "vanilla: fully connected"),
    "vann-r": Family("random", "all", "vanilla, first half of each layer as in dann-r"),
    "vann-grf": Family("grouped", "all", "vanilla, first half of each layer as in dann-grf"),
    "vann-lrf": Family("local", "all", "vanilla, first half of each layer as in dann-lrf"),
    "sann": Family("random", "shuffled", "sparse control: as dann-r, cables shuffled"),
    "sann-grf": Family("grouped", "shuffled", "sparse control: as dann-grf, cables shuffled"),
    "sann-lrf": Family("local", "shuffled", "sparse control: as dann-lrf, cables shuffled"),
    "psann": Family("all", "shuffled", "sparse control: as pdann, cables shuffled"),
    # Controls of other kinds.
    "mlp": Family("all", "none", "dense multilayer perceptron of somata only"),
    "sparse-mlp": Family("random", "none", "somata only, random inputs"),
    "locally-connected": Family("local", "none", "somata only, a receptive field for each"),
    "cnn": Family("convolution", "none", "convolutions of stride 2, flat readout"),
    # Dendrites with shared weights (docs/networks.md).
    "dann-conv": Family("convolution", "own", "dendritic, dendrites share weights over the image"),
}

_OPTIONS: Final = frozenset(option for family in FAMILIES.values() for option in family.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One network, without its seeds and the shape of its images.

    Sizes: `dendrites` of each soma, `somata` of each layer (of each position for a convolution),
    `synapses` of each dendrite (of each soma where there are no dendrites; the area of the kernel of a
    convolution), `layers`. A size that the family does not have is None.

    `leaky_slope` is the slope of the leaky ReLU below zero (the paper: 0.1), `dendrite_slope` that of
    dendrites if different (1: linear dendrites). `dropout` is the share of units dropped in training,
    after dendrites and after somata.

    `initialization`: `fan_in` (He's rule on the live connections) or `glorot_dense` (the paper's:
    Glorot's rule on the widths of the dense matrix, of which only the live entries are kept).
    `synapse_draw`, `cable_draw`: `constant`, the same number for each unit, or `global`, the same
    total drawn over the whole matrix (the paper's code), which leaves some units with none.
    `receptive_field`: the paper's `ring` rule, or a `square` patch.
    `centres`: of the receptive fields of the first layer (of somata, for `grouped`), drawn evenly over
    the image (`even`), or in proportion to the variance of each pixel (`variance`), since pixels that
    hardly vary tell nothing.
    `synapses_per`: with several channels, `synapses` counts the inputs of a `dendrite`, or its pixels,
    each read in every `channel` (the paper's receptive fields).
    `rewiring`: the share of its synapses that each dendrite replaces after the first epochs;
    `regrowth`: the place of the new ones, `local`, `anywhere`, or where the `gradient` is largest
    (`models.rewiring`).

    Raises ValueError for a size or an option that is invalid for images of any shape.
    """

    family: str
    somata: int
    dendrites: int | None = None
    synapses: int | None = None
    layers: int = 1
    leaky_slope: float = 0.1
    dendrite_slope: float | None = None
    dropout: float = 0.0
    initialization: str = "fan_in"
    synapse_draw: str = "constant"
    cable_draw: str = "constant"
    receptive_field: str = "ring"
    centres: str = "even"
    synapses_per: str = "dendrite"
    rewiring: float = 0.0
    regrowth: str = "local"

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(
                f"`family` must be one of {', '.join(FAMILIES)}, got {short(self.family)}"
            )
        family = FAMILIES[self.family]
        for field in fields(self):
            self._convert(field.name)
        self._check_size("somata", exists=True)
        self._check_size("layers", exists=True)
        self._check_size("dendrites", exists=family.has_dendrites)
        self._check_size("synapses", exists=family.counts_synapses)
        if (
            family.synapses == "convolution"
            and math.isqrt(self.synapses or 0) ** 2 != self.synapses
        ):
            raise ValueError(
                f"`synapses` must be the area of a square kernel for family {self.family}, "
                f"got synapses={self.synapses}"
            )
        for name in ("leaky_slope", "dendrite_slope"):
            slope = getattr(self, name)
            if slope is not None and not 0.0 <= slope <= 1.0:
                raise ValueError(f"`0 <= {name} <= 1` must hold, got {name}={slope}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"`0 <= dropout < 1` must hold, got dropout={self.dropout}")
        if not 0.0 <= self.rewiring <= MOST_REWIRING:
            raise ValueError(
                f"`0 <= rewiring <= {MOST_REWIRING}` must hold, got rewiring={self.rewiring}"
            )
        self._check_family(family)
        for name, values in CHOICES.items():
            if getattr(self, name) not in values:
                raise ValueError(
                    f"`{name}` must be one of {', '.join(values)}, got {short(getattr(self, name))}"
                )

    def _check_family(self, family: Family) -> None:
        """Raises ValueError for an option that changes something which the family does not have."""
        if self.rewiring and not family.draws_synapses:
            raise ValueError(
                f"`rewiring` must be 0 for family {self.family}, which draws no synapses, "
                f"got rewiring={self.rewiring}"
            )
        if self.centres != "even" and "centres" not in family.options:
            raise ValueError(
                f"`centres` must be even for family {self.family}, which has no receptive fields, "
                f"got {short(self.centres)}"
            )

    def _convert(self, name: str) -> None:
        """Makes a number of NumPy one of Python, which JSON can hold."""
        value = getattr(self, name)
        if isinstance(value, Real) and not isinstance(value, int | float):
            number = int(value) if isinstance(value, Integral) else float(value)
            object.__setattr__(self, name, number)

    def _check_size(self, name: str, *, exists: bool) -> None:
        value = getattr(self, name)
        if exists and not (isinstance(value, int) and 1 <= value <= LARGEST[name]):
            raise ValueError(
                f"`1 <= {name} <= {LARGEST[name]}` must hold for family {self.family}, "
                f"got {name}={short(value)}"
            )
        if not exists and value is not None:
            raise ValueError(
                f"`{name}` must be left out for family {self.family}, which has no such size, "
                f"got {name}={value}"
            )

    @property
    def units(self) -> int:
        """Units of the first half of a layer: dendrites, or somata where there are none.

        Those of a convolution are its kernels, each of which is at every position.
        """
        return self.somata * (self.dendrites or 1)

    @property
    def draws_over_matrix(self) -> bool:
        """Whether the synapses of a layer are drawn together, so that their number varies by unit."""
        return self.synapse_draw == "global" and FAMILIES[self.family].has("synapse_draw")

    @property
    def is_dendritic(self) -> bool:
        """Whether each soma has at least two branches of its own, each with a nonlinearity.

        Otherwise it is a control: with one branch a sparse local unit, with linear branches (slope 1) a
        soma that sums its inputs, with shuffled or with all cables one of the paper's controls.
        """
        own = self.leaky_slope if self.dendrite_slope is None else self.dendrite_slope
        has_branches = FAMILIES[self.family].cables == "own" and (self.dendrites or 0) > 1
        return has_branches and own < 1.0

    def label(self) -> str:
        """A short label for display, such as `dann-lrf D4 S128 K16`."""
        parts = [self.family]
        if self.dendrites is not None:
            parts.append(f"D{self.dendrites}")
        parts.append(f"S{self.somata}")
        if self.synapses is not None:
            parts.append(f"K{self.synapses}")
        if self.layers > 1:
            parts.append(f"L{self.layers}")
        return " ".join(parts)
