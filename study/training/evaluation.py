"""Accuracies and losses of the replicates of a network, and their means with standard errors."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from models.architecture import FAMILIES
from models.network import Network
from models.shapes import layer_shapes
from study.engine.recipe import Recipe
from study.training.split import Split

_VALUES_AT_ONCE: Final = 2**24  # of one layer, all replicates: 64 MiB
_MOST_IMAGES: Final = 1000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over replicates, and its standard error (nan for a single replicate)."""

    mean: float
    sem: float

    @classmethod
    def over(cls, replicates: Tensor, images: int | None = None) -> "Estimate":
        """The estimate from one value for each replicate, shape (R,).

        For accuracies on `images` images, a few replicates often agree by coincidence. Their values
        are known to one image at best, so the standard error is at least `1 / images / sqrt(R)`.
        """
        values = replicates.double()
        count = len(values)
        if count == 1:
            return cls(values.mean().item(), math.nan)
        deviation = max(values.std().item(), 0.0 if images is None else 1 / images)
        return cls(values.mean().item(), deviation / math.sqrt(count))

    def named(self, name: str) -> dict[str, float]:
        """The mean by the metric's name, and the standard error, if defined, by `..._sem`."""
        if math.isnan(self.sem):
            return {name: self.mean}
        return {name: self.mean, f"{name}_sem": self.sem}


@torch.no_grad()
def evaluate(network: Network, split: Split) -> tuple[Tensor, Tensor]:
    """Accuracy (share in 0..1) and mean cross-entropy (nats) of each replicate, shape (R,).

    Raises ValueError if there is no image.
    """
    correct = torch.zeros(network.replicates, dtype=torch.float64, device=split.labels.device)
    loss = torch.zeros_like(correct)
    for hits, losses in batch_outcomes(network, split):
        correct += hits.sum(dim=1)
        loss += losses.double().sum(dim=1)
    return (correct / len(split.labels)).cpu(), (loss / len(split.labels)).cpu()


@torch.no_grad()
def batch_outcomes(network: Network, split: Split) -> Iterator[tuple[Tensor, Tensor]]:
    """By batch: whether each image is classified correctly, and its loss (nats); both (R, B)."""
    network.eval()
    size = images_at_once(network)
    for images, labels in zip(
        torch.split(split.images, size), torch.split(split.labels, size), strict=True
    ):
        logits = network(images)
        labels_of_all = labels.expand(network.replicates, -1)
        yield logits.argmax(dim=-1) == labels_of_all, losses_of(logits, labels_of_all)


def images_at_once(network: Network) -> int:
    """The number of images to compute at once, which limits the size of a layer's outputs."""
    architecture = network.architecture
    shapes = layer_shapes(architecture, network.image_shape)
    widest = max(architecture.units, *(math.prod(shape) for shape in shapes))
    # Its dendrites are at each position.
    if FAMILIES[architecture.family].synapses == "convolution":
        widest *= architecture.dendrites or 1
    return min(_MOST_IMAGES, max(1, _VALUES_AT_ONCE // (network.replicates * widest)))


def losses_of(logits: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of each image; (R, B, C) and (R, B) to (R, B)."""
    # Logits are computed as (R, C, B), so this needs no copy.
    return functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none")


def smoothed(losses: Tensor, logits: Tensor, smoothing: float) -> Tensor:
    """The losses (R, B) with a share of the target spread evenly over all classes of (R, B, C)."""
    if not smoothing:
        return losses
    even = -functional.log_softmax(logits, dim=-1).mean(dim=-1)
    return (1 - smoothing) * losses + smoothing * even


def distilled(losses: Tensor, logits: Tensor, targets: Tensor, recipe: Recipe) -> Tensor:
    """The losses (R, B) mixed with those of a teacher's probabilities, (R, B, C), at a temperature.

    Those are the cross-entropy at this temperature times its square, so that gradients keep their size.
    """
    softened = functional.log_softmax(logits / recipe.temperature, dim=-1)
    taught = -(targets * softened).sum(dim=-1) * recipe.temperature**2
    return (1 - recipe.teacher_weight) * losses + recipe.teacher_weight * taught
