"""A masked dense reference for the sparse networks, and the paper's closed formulas."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.architecture import FAMILIES, Architecture
from models.layers import (
    ConvolutionLayer,
    DenseLayer,
    GroupedLayer,
    PositionedLayer,
    SparseLayer,
)
from models.network import Network
from models.stage import Layer


def dense_weight(layer: Layer, replicate: int) -> Tensor:
    """The layer of one replicate as a dense (units, inputs) matrix, zero where nothing connects."""
    weight = layer.weight[replicate]
    if isinstance(layer, DenseLayer):
        return weight
    if isinstance(layer, GroupedLayer):
        return torch.block_diag(*weight)
    if isinstance(layer, PositionedLayer):
        somata, dendrites, positions = weight.shape
        # Rows (soma, position), columns (soma, dendrite, position).
        matrix = torch.zeros(somata, positions, somata, dendrites, positions, dtype=weight.dtype)
        for soma, dendrite, position in np.ndindex(*weight.shape):
            cable = weight[soma, dendrite, position]
            matrix[soma, position, soma, dendrite, position] = cable
        return matrix.view(somata * positions, -1)
    assert isinstance(layer, SparseLayer)
    inputs, offsets = layer.connections(replicate)
    units = torch.repeat_interleave(torch.arange(len(offsets) - 1), torch.diff(offsets))
    matrix = torch.zeros(len(offsets) - 1, layer.inputs, dtype=weight.dtype)
    return matrix.index_put((units, inputs.long()), weight)


def masked_dense_logits(
    network: Network,
    images: Tensor,
    replicate: int,
    dropout: Callable[[int, Tensor], Tensor] = lambda _, x: x,
) -> Tensor:
    """The logits of one replicate, by dense matrices; images of shape (batch, ...).

    `dropout` maps the number of a layer, and its outputs, (batch, units), to what remains of them.
    """
    x = images.flatten(1)
    number = 0
    for stage in network.stages:
        slopes = stage.slopes if stage.cables is not None else stage.slopes[1:]
        for layer, slope in zip(stage.layers, slopes, strict=True):
            x = dropout(number, functional.leaky_relu(_apply(layer, x, replicate), slope))
            number += 1
    return _apply(network.readout, x, replicate)


def _apply(layer: Layer, x: Tensor, replicate: int) -> Tensor:
    bias = layer.bias[replicate, :, 0]
    if isinstance(layer, ConvolutionLayer):
        return _convolved(layer, x.view(-1, *layer.shape), replicate).flatten(1)
    return functional.linear(x, dense_weight(layer, replicate), bias)


def _convolved(layer: ConvolutionLayer, images: Tensor, replicate: int) -> Tensor:
    """The outputs at each position, (batch, units, rows, columns), of kernels cut from the image."""
    weight, bias = layer.weight[replicate], layer.bias[replicate, :, 0]
    side, stride = weight.shape[-1], layer.stride
    # Kernels of stride 2 are centred; those whose stride is their side are tiles from the corner.
    before = (side - 1) // 2 if stride == 2 else 0
    padded = functional.pad(images, (before, 2 * side, before, 2 * side))
    _, height, width = layer.shape
    rows = [
        [
            functional.linear(
                padded[..., top : top + side, left : left + side].flatten(1),
                weight.flatten(1),
                bias,
            )
            for left in range(0, width, stride)
        ]
        for top in range(0, height, stride)
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def paper_parameters(architecture: Architecture, inputs: int, classes: int) -> int:
    """Trainable parameters by the paper's formulas, for images of one channel.

    Where the published code is wrong this is right: in deeper networks, families that read all
    inputs read S inputs from the second layer on, not I; classes and inputs are the data set's.
    """
    family = FAMILIES[architecture.family]
    dendrites, somata = architecture.dendrites or 0, architecture.somata
    total = (somata + 1) * classes
    for layer in range(architecture.layers):
        read = inputs if layer == 0 else somata
        fan_in = read if family.synapses == "all" else architecture.synapses or 0
        cables = dendrites * somata if family.cables == "all" else dendrites
        total += (fan_in + 1) * dendrites * somata + (cables + 1) * somata
    return total
