"""What is compared: an epoch of our engines, and of masked dense torch."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models import FAMILIES, Architecture, Network, build
from models.layers import GroupedLayer, SparseLayer
from study.engine.recipe import Recipe
from study.training.engines import EngineChoice, make_engine
from study.training.split import Split

CORES: Final = len(os.sched_getaffinity(0))
IMAGES: Final = 54_000
BATCH: Final = 128
CLASSES: Final = 10
VALIDATED: Final = 6_000
STEPS: Final = -(-IMAGES // BATCH)
RATES: Final = np.full(STEPS, 1e-3)


def random_images() -> Split:
    """As many images as Fashion-MNIST trains with: a batch is gathered from all of them."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (IMAGES, 1, 28, 28), dtype=torch.uint8, generator=generator)
    return Split(images, torch.randint(0, CLASSES, (IMAGES,), generator=generator))


def network(family: str, size: tuple[int, int], replicates: int) -> Network:
    dendrites, somata = size
    synapses = 16 if FAMILIES[family].counts_synapses else None
    architecture = Architecture(
        family=family, dendrites=dendrites, somata=somata, synapses=synapses
    )
    return build(architecture, (1, 28, 28), CLASSES, list(range(replicates)))


def engine(  # noqa: PLR0913, PLR0917  # each has a name of its own
    name: EngineChoice,
    family: str,
    size: tuple[int, int],
    split: Split,
    replicates: int = 1,
    recipe: Recipe = Recipe(),  # noqa: B008  # a tuple
) -> Callable[[], object]:
    """An epoch of a network of `network`."""
    return epoch_of(name, network(family, size, replicates), split, recipe)


def epoch_of(
    name: EngineChoice,
    network: Network,
    split: Split,
    recipe: Recipe = Recipe(),  # noqa: B008  # a tuple
) -> Callable[[], object]:
    """Trains on the images in a random order, and validates with some of them."""
    made = make_engine(name, network, split, BATCH, recipe)
    replicates = network.replicates
    order = torch.stack([torch.randperm(IMAGES) for _ in range(replicates)])

    def run() -> None:
        made.train_epoch(1, order, RATES, range(replicates))
        made.evaluate(split.images[:VALIDATED], split.labels[:VALIDATED])

    return run


@contextmanager
def all_cores() -> Iterator[None]:
    """Torch, and an engine that is made meanwhile, have a thread for each core, and then one again."""
    torch.set_num_threads(CORES)
    try:
        yield
    finally:
        torch.set_num_threads(1)


def evaluation(name: EngineChoice, size: tuple[int, int], split: Split) -> Callable[[], object]:
    """Classifies as many images as an epoch validates with."""
    made = make_engine(name, network("dann-lrf", size, 1), split, BATCH)
    return lambda: made.evaluate(split.images[:VALIDATED], split.labels[:VALIDATED])


def masked_dense(
    family: str, size: tuple[int, int], split: Split, steps: int
) -> Callable[[], object]:
    """So many steps of the same network with torch.nn.Linear's widths, weights times mask in each."""
    source = network(family, size, 1)
    weights = [nn.Parameter(_dense(layer).detach().clone()) for layer in source.layers]
    masks = [(weight != 0).float() for weight in weights[:2]]
    biases = [nn.Parameter(layer.bias[0, :, 0].detach().clone()) for layer in source.layers]
    optimizer = torch.optim.Adam([*weights, *biases], lr=1e-3, eps=1e-7, fused=True)
    images, labels = split.images.flatten(1), split.labels

    def logits(rows: Tensor) -> Tensor:
        x = images[rows].float().div_(255)
        for depth, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            live = weight * masks[depth] if depth < len(masks) else weight
            x = functional.linear(x, live, bias)
            x = functional.leaky_relu(x, 0.1) if depth < len(weights) - 1 else x
        return x

    def run() -> None:
        for rows in torch.split(torch.randperm(IMAGES)[: steps * BATCH], BATCH):
            optimizer.zero_grad()
            functional.cross_entropy(logits(rows), labels[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            logits(torch.arange(VALIDATED * steps // STEPS))

    return run


def _dense(layer: Any) -> Tensor:  # noqa: ANN401  # any layer of one replicate
    weight: Tensor = layer.weight[0]
    if isinstance(layer, GroupedLayer):
        blocks: Tensor = torch.block_diag(*weight)
        return blocks
    if isinstance(layer, SparseLayer):
        inputs, offsets = layer.connections(0)
        units = torch.repeat_interleave(torch.arange(len(offsets) - 1), torch.diff(offsets))
        return torch.zeros(len(offsets) - 1, layer.inputs).index_put((units, inputs.long()), weight)
    return weight
