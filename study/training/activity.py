"""The activity of the units of a network by class.

Source: Chavlis & Poirazi, Nat Commun 2025;16:943, "Methods" (entropy, selectivity, Fig. 5). A unit is
active on an image if its output after the leaky ReLU is above 0. U units, C classes, R replicates.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from models.network import Network
from study.training.evaluation import images_at_once
from study.training.split import Split


@final
@dataclass(frozen=True, slots=True)
class Activity:
    """The number of images on which units are active.

    `hits`: for each class and unit, (R, C, U), float64. `images`: images of each class, (C,), float64.
    """

    hits: Tensor
    images: Tensor

    def silent(self) -> Tensor:
        """Whether a unit is active on no image, (R, U)."""
        silent: Tensor = self.hits.sum(dim=1) == 0
        return silent

    def entropy(self) -> Tensor:
        """The entropy of each unit in bits, 0..log2(C + 1), (R, U); nan for silent units.

        It is the entropy of an image's outcome: the class, if the unit is active, or inactive as one
        more outcome. It is high for units that respond to many classes, and for units that are active
        on about half of the images.
        """
        total = self.images.sum()
        inactive = total - self.hits.sum(dim=1, keepdim=True)
        shares = torch.cat([self.hits, inactive], dim=1) / total
        bits: Tensor = torch.special.entr(shares).sum(dim=1) / math.log(2)
        return bits.masked_fill(self.silent(), math.nan)

    def selectivity(self) -> Tensor:
        """The number of classes, 0..C, with a unit active on more than 40 % of their images, (R, U).

        The paper counts more than 400 of about 1,000 images.
        """
        above: Tensor = 5 * self.hits > 2 * self.images.view(-1, 1)
        return above.sum(dim=1)

    def statistics(self) -> dict[str, Tensor]:
        """The reported statistics of the units of each replicate, each (R,).

        `entropy`: the mean without silent units. `selectivity`: the mean without zeros; both are nan if
        no unit remains. `silent`: the share of silent units. `firing`: the share of image-unit pairs in
        which the unit is active.
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
            # (R, U, B) times (B, C): counts, exact in float32.
            counts = ((outputs > 0).float() @ of_class).transpose(1, 2).double()
            hits[name] = hits[name] + counts if name in hits else counts
    return {name: Activity(counts, images) for name, counts in hits.items()}
