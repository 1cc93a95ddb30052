"""Which units of a network are active on which classes.

Source: Chavlis & Poirazi, Nat Commun 2025;16:943, "Methods" (entropy, selectivity, Fig. 5). A unit is
active on an image if its output after the leaky ReLU is above 0. U units, C classes, R replicates.
"""

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

from models.architecture import layer_shapes
from models.network import Network
from study.training.dataset import Split

_VALUES_AT_ONCE: Final = 2**24  # of one layer, all replicates: 64 MiB
_MOST_IMAGES: Final = 1000


@final
@dataclass(frozen=True, slots=True)
class Activity:
    """`hits`: on how many images of each class each unit is active, (R, C, U), float64.

    `images`: how many images each class has, (C,), float64.
    """

    hits: Tensor
    images: Tensor

    def silent(self) -> Tensor:
        """Whether a unit is active on no image at all, (R, U)."""
        silent: Tensor = self.hits.sum(dim=1) == 0
        return silent

    def entropy(self) -> Tensor:
        """The entropy of each unit in bits, 0..log2(C + 1), (R, U); nan of silent units.

        That of where an image falls: into one of the classes with the unit active, or, as one more
        outcome, with it inactive. So it is high of units that many classes share, and also of units
        that are active on about half of the images.
        """
        total = self.images.sum()
        inactive = total - self.hits.sum(dim=1, keepdim=True)
        shares = torch.cat([self.hits, inactive], dim=1) / total
        bits: Tensor = torch.special.entr(shares).sum(dim=1) / math.log(2)
        return bits.masked_fill(self.silent(), math.nan)

    def selectivity(self) -> Tensor:
        """The number of classes, 0..C, on more than 40 % of whose images a unit is active, (R, U).

        The paper counts more than 400 of about 1,000 images.
        """
        above: Tensor = 5 * self.hits > 2 * self.images.view(-1, 1)
        return above.sum(dim=1)

    def statistics(self) -> dict[str, Tensor]:
        """What is reported of the units of each replicate, each (R,).

        `entropy`: the mean, silent units left out. `selectivity`: the mean, zeros left out; both nan if
        all are. `silent`: the share of silent units. `firing`: the share of pairs of an image and a
        unit in which the unit is active.
        """
        selectivity = self.selectivity().double()
        pairs = self.images.sum() * self.hits.shape[-1]
        return {
            "entropy": self.entropy().nanmean(dim=1),
            "selectivity": selectivity.where(selectivity > 0, math.nan).nanmean(dim=1),
            "silent": self.silent().double().mean(dim=1),
            "firing": self.hits.sum(dim=(1, 2)) / pairs,
        }


@torch.no_grad()
def activity_of(network: Network, split: Split) -> dict[str, Activity]:
    """The activity of each layer by its name (`Network.activations`), over all images of the split."""
    network.eval()
    classes = network.classes
    labels = torch.nn.functional.one_hot(split.labels, classes).float()
    images = labels.double().sum(dim=0)
    hits: dict[str, Tensor] = {}
    size = images_at_once(network)
    for batch, of_class in zip(
        torch.split(split.images, size), torch.split(labels, size), strict=True
    ):
        for name, outputs in network.activations(batch):
            # (R, U, B) times (B, C); whole numbers that float32 holds exactly.
            found = ((outputs > 0).float() @ of_class).transpose(1, 2).double()
            hits[name] = hits[name] + found if name in hits else found
    return {name: Activity(found, images) for name, found in hits.items()}


def images_at_once(network: Network) -> int:
    """How many images to compute at once, so that a layer's outputs stay small."""
    architecture = network.architecture
    shapes = layer_shapes(architecture, network.image_shape)
    widest = max(architecture.units, *(math.prod(shape) for shape in shapes))
    return min(_MOST_IMAGES, max(1, _VALUES_AT_ONCE // (network.replicates * widest)))
