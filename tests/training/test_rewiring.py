"""Regrowth by gradient, held against torch's own gradients of a dense layer."""

from itertools import pairwise

import pytest
import torch
from torch.nn import functional

from models import build
from study.training.dataset import load_dataset
from study.training.rewiring import Rewiring
from study.training.split import Split
from tests.support.architectures import architecture

IMAGES = 60  # fewer than gradients are taken of, so that all are


def slopes_of(network, split, replicate):
    """The gradients of the first layer as if every unit had every input, (units, inputs)."""
    (stage,) = network.stages
    columns, offsets = stage.units.connections(replicate)
    units = torch.repeat_interleave(torch.arange(len(offsets) - 1), torch.diff(offsets))
    dense = torch.zeros(len(offsets) - 1, stage.units.inputs)
    dense[units, columns] = stage.units.weight[replicate].detach()
    dense.requires_grad_()
    x = network.columns(split.images[None].expand(network.replicates, *split.images.shape))
    slope, *others = stage.slopes[-len(stage.layers) :]
    hidden = dense @ x[replicate] + stage.units.bias[replicate].reshape(-1, 1)
    hidden = functional.leaky_relu(hidden, slope).expand(network.replicates, -1, -1)
    for layer, slope in zip(stage.layers[1:], others, strict=True):
        hidden = functional.leaky_relu(layer(hidden), slope)
    logits = network.readout(hidden)[replicate].T
    functional.cross_entropy(logits, split.labels).backward()
    return dense.grad.abs()


@pytest.mark.parametrize("family", ["dann-r", "dann-grf", "vann-r", "sparse-mlp"])
def test_synapses_grow_where_the_gradient_of_the_loss_is_largest(family):
    train = load_dataset("digits").train
    split = Split(train.images[:IMAGES], train.labels[:IMAGES])
    chosen = architecture(family, synapses=6, rewiring=0.6, regrowth="gradient")
    network = build(chosen, (1, 8, 8), 10, [3, 4])
    expected = [slopes_of(network, split, replicate) for replicate in range(2)]
    before = rows_of(network)
    Rewiring(network, split, epochs=100).after(1, range(2))
    for slopes, former, now in zip(expected, before, rows_of(network), strict=True):
        for unit, inputs in enumerate(now):
            free = [one for one in range(64) if one not in former[unit]]
            steepest = sorted(free, key=lambda one: -slopes[unit, one])[:3]  # 59 % of six
            assert inputs - former[unit] == set(steepest)


def rows_of(network):
    """By replicate: the inputs of each unit of the first layer."""
    units = network.stages[0].units
    found = []
    for replicate in range(network.replicates):
        columns, offsets = (part.tolist() for part in units.connections(replicate))
        found.append([set(columns[first:last]) for first, last in pairwise(offsets)])
    return found
