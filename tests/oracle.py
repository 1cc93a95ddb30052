"""A masked dense reference for the sparse networks, and the paper's closed formulas."""

import torch
from torch import Tensor
from torch.nn import functional

from models.architecture import Architecture
from models.layers import DenseLayer, GroupedLayer, SparseLayer
from models.network import Layer, Network


def dense_weight(layer: Layer, replicate: int) -> Tensor:
    """The layer of one replicate as a dense (units, inputs) matrix, zero where nothing connects."""
    weight = layer.weight[replicate]
    if isinstance(layer, DenseLayer):
        return weight
    if isinstance(layer, GroupedLayer):
        return torch.block_diag(*weight)
    assert isinstance(layer, SparseLayer)
    inputs = layer.inputs
    matrix = torch.zeros(weight.shape[0], inputs, dtype=weight.dtype)
    return matrix.scatter_add(1, layer.connections[replicate].long(), weight)


def masked_dense_logits(network: Network, images: Tensor, replicate: int) -> Tensor:
    """The logits of one replicate, by dense matrices; images of shape (batch, ...)."""
    x = images.flatten(1)
    for layer in network.hidden:
        x = functional.linear(x, dense_weight(layer, replicate), layer.bias[replicate, :, 0])
        x = functional.leaky_relu(x, network.architecture.leaky_slope)
    readout = network.readout
    return functional.linear(x, dense_weight(readout, replicate), readout.bias[replicate, :, 0])


def paper_parameters(architecture: Architecture, inputs: int, classes: int, channels: int) -> int:
    """Trainable parameters by the paper's formulas, with the true inputs, classes and channels.

    Where a deeper vanilla network is counted, layers after the first read S inputs, not I (the
    paper's code reuses I).
    """
    dendrites, somata = architecture.dendrites, architecture.somata
    total = (somata + 1) * classes
    for layer in range(architecture.layers):
        wide = inputs if layer == 0 else somata
        if architecture.family == "vann":
            total += (wide + 1) * dendrites * somata + (dendrites * somata + 1) * somata
            continue
        fan_in = architecture.synapses or 0
        if architecture.family == "dann-lrf" and layer == 0:
            fan_in *= channels
        total += (fan_in + 1) * dendrites * somata + (dendrites + 1) * somata
    return total
