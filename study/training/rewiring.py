"""Rewiring of a network in training: after which epochs, with which random numbers and gradients."""

from collections.abc import Sequence
from typing import Final, cast, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.network import Network
from models.rewiring import Gradients, Rewired, rewire, rewired_layers, share_after
from models.stage import Stage
from study.training.evaluation import losses_of
from study.training.split import Split

_REWIRING: Final = 4  # a random stream besides those of models.building and of batches
_IMAGES: Final = 1000  # of which gradients are taken


@final
class Rewiring:
    """The rewiring of a network that is trained on a split for a number of epochs.

    What happens to a replicate depends on its seed, the epoch, and its own weights.
    """

    def __init__(self, network: Network, split: Split, epochs: int) -> None:
        self._network = network
        self._split = split
        self._epochs = epochs

    @property
    def wiring(self) -> list[Tensor]:
        """The inputs of all synapses that are replaced, (R, synapses) a layer; views of the network."""
        if not self._network.architecture.rewiring:
            return []
        replicates = self._network.replicates
        layers = rewired_layers(self._network)
        return [layer.columns.view(replicates, -1) for _, layer, _ in layers]

    def after(self, epoch: int, running: Sequence[int]) -> list[Rewired]:
        """Rewires these replicates as is due after an epoch, from 1; returns what changed."""
        architecture = self._network.architecture
        share = share_after(epoch, self._epochs, architecture.rewiring)
        if not share or not running:
            return []

        def generator(replicate: int, place: int) -> np.random.Generator:
            seed = self._network.seeds[replicate]
            return np.random.default_rng([_REWIRING, seed, epoch, place])

        if architecture.regrowth != "gradient":
            return rewire(self._network, share, generator, replicates=running)
        factors = self._factors(epoch)

        def gradients(replicate: int, place: int) -> Gradients:
            read, slopes = (part[replicate] for part in factors[place])
            return lambda units: (slopes[units] @ read.T).cpu().numpy()

        return rewire(self._network, share, generator, gradients, running)

    def _factors(self, epoch: int) -> dict[int, tuple[Tensor, Tensor]]:
        """The factors of the gradients, on images drawn for each replicate, by the layer's place.

        What a layer reads, (R, inputs, images), and the gradients of its sums, (R, units, images).
        """
        network, split = self._network, self._split
        count = min(_IMAGES, len(split.labels))
        drawn = [
            np.random.default_rng([_REWIRING, seed, epoch]).choice(
                len(split.labels), count, replace=False
            )
            for seed in network.seeds
        ]
        rows = torch.from_numpy(np.stack(drawn)).to(split.labels.device)
        network.eval()
        x = network.columns(split.images[rows])
        found, place, sums = {}, 0, []
        for stage in cast("list[Stage]", list(network.stages)):
            slopes = stage.slopes[-len(stage.layers) :]
            found[place] = x.detach()
            for number, (layer, slope) in enumerate(zip(stage.layers, slopes, strict=True)):
                summed = layer(x)
                if number == 0:
                    sums.append((place, summed))
                x = functional.leaky_relu(summed, slope)
            place += len(stage.layers)
        losses = losses_of(network.readout(x).transpose(1, 2), split.labels[rows])
        wanted = [summed for _, summed in sums]
        gradients = torch.autograd.grad(losses.sum(), wanted)
        return {
            place: (found[place], gradient)
            for (place, _), gradient in zip(sums, gradients, strict=True)
        }
