"""What is trained: networks of three sizes, and recipes beside the bare one.

An epoch of a cnn of 100,000 parameters takes 17 core seconds, one of any other network here at most half
a second: its ten seeds would take 10 of 15 core-hours. So there is none; whether a recipe helps a cnn is
measured at 8,000 and 30,000 parameters.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from models import Architecture
from models.counting import counts_of
from paper.costs import epoch_seconds

TRAINING: Final[dict[str, Any]] = {
    "epochs": 30,
    "learning_rate": 1e-2,
    "schedule": "cosine",
    "batch_size": 128,
}
OPTIONS: Final[dict[str, Any]] = {"leaky_slope": 0.1}
SEEDS: Final = 10

NETWORKS: Final[dict[int, dict[str, dict[str, int]]]] = {
    8_000: {
        "dann-grf": {"dendrites": 4, "somata": 96, "synapses": 16},
        "dann-lrf": {"dendrites": 2, "somata": 168, "synapses": 16},
        "locally-connected": {"somata": 295, "synapses": 16},
        "sparse-mlp": {"somata": 295, "synapses": 16},
        "mlp": {"somata": 10},
        "cnn": {"somata": 12, "synapses": 9, "layers": 2},
    },
    30_000: {
        "dann-grf": {"dendrites": 8, "somata": 192, "synapses": 16},
        "dann-lrf": {"dendrites": 4, "somata": 360, "synapses": 16},
        "locally-connected": {"somata": 1110, "synapses": 16},
        "sparse-mlp": {"somata": 1110, "synapses": 16},
        "mlp": {"somata": 37},
        "cnn": {"somata": 36, "synapses": 9, "layers": 2},
    },
    100_000: {
        "dann-grf": {"dendrites": 16, "somata": 332, "synapses": 16},
        "dann-lrf": {"dendrites": 8, "somata": 644, "synapses": 16},
        "locally-connected": {"somata": 3700, "synapses": 16},
        "sparse-mlp": {"somata": 3700, "synapses": 16},
        "mlp": {"somata": 125},
    },
}
"""By the bound on parameters, the largest network of each family under it with these dendrites."""

RECIPES: Final[dict[str, dict[str, Any]]] = {
    "bare": {},
    "label_smoothing 0.1": {"label_smoothing": 0.1},
    "weight_decay 0.05": {"weight_decay": 0.05},
    "average 0.999": {"average": 0.999},
    "shift 1": {"shift": 1},
    "flip 0.5": {"flip": 0.5},
    "centres variance": {"centres": "variance"},
    "rewiring 0.3": {"rewiring": 0.3},
    "teacher": {"teacher": "recipes/0", "teacher_weight": 0.5, "temperature": 4.0},
}
BARE: Final = "bare"
TEACHERS: Final = (10, 11, 12)
"""The seeds of the bare dann-lrf networks of 100,000 parameters whose mean logits are the teacher."""
_OF_ARCHITECTURE: Final = ("centres", "rewiring")


@dataclass(frozen=True, slots=True)
class Case:
    """One training: a seed, a bound on parameters, a family, a recipe."""

    seed: int
    bound: int
    family: str
    recipe: str

    @property
    def architecture(self) -> Architecture:
        """The network. Raises ValueError if the family does not have what the recipe changes."""
        sizes: dict[str, Any] = NETWORKS[self.bound][self.family]
        options: dict[str, Any] = {} if sizes.get("dendrites") is None else {"dendrite_slope": 0.0}
        changed = self._changes(of_architecture=True)
        return Architecture(family=self.family, **sizes, **OPTIONS, **options, **changed)

    @property
    def training(self) -> dict[str, Any]:
        """The settings of its training."""
        return TRAINING | self._changes(of_architecture=False)

    @property
    def core_hours(self) -> float:
        """What its training takes, about."""
        _, macs = counts_of(self.architecture, (1, 28, 28), 10)
        seconds = epoch_seconds(self.architecture, macs)
        return float(seconds * self.training["epochs"] / 3600)

    @property
    def applies(self) -> bool:
        """Whether the family has what the recipe changes."""
        try:
            return bool(self.architecture)
        except ValueError:
            return False

    def _changes(self, *, of_architecture: bool) -> dict[str, Any]:
        changes = RECIPES[self.recipe]
        return {
            name: value
            for name, value in changes.items()
            if (name in _OF_ARCHITECTURE) is of_architecture
        }


def cases(bounds: Sequence[int], families: Sequence[str], seeds: int) -> Iterator[Case]:
    """All trainings, seed after seed, so that each part of them is a fair sample."""
    for seed in range(seeds):
        for bound in bounds:
            for family in filter(NETWORKS[bound].__contains__, families):
                for recipe in RECIPES:
                    case = Case(seed, bound, family, recipe)
                    if case.applies:
                        yield case
