"""The form of sparse layers on a GPU: CSR, or dense matrices (`models.layers.SPARSE_FORMS`).

The time of CSR is proportional to the live weights, that of dense matrices to all entries. Both are
equal at one density, which depends on the GPU alone and is measured once in each process.
"""

import math
from collections.abc import Sequence
from functools import cache, partial
from typing import Final

import torch
from torch import Tensor

from models.layers import SPARSE_FORMS, SparseForm, SparseLayer
from models.network import Network
from study.training.captured_step import seconds_of

# Of the measured layer, whose kernels take longer than their launch.
_UNITS: Final = 2**16
_INPUTS: Final = 784
_SYNAPSES: Final = 16
_BATCH: Final = 128

_PARTS: Final = 8  # a layer's matrices, and their gradient, take at most one part each in so many


def choose_forms(network: Network, break_even: float, memory: float) -> None:
    """Sets the form of each sparse layer: dense matrices if its density is at least `break_even`.

    Matrices that take more than an eighth of the memory, in bytes, are not used.
    """
    for layer in network.sparse_layers:
        units, connections = layer.bias.numel(), layer.weight.numel()
        cells = units * layer.inputs
        fits = _PARTS * cells * layer.weight.element_size() <= memory
        layer.form = "dense" if connections >= break_even * cells and fits else "csr"


def forms_of(network: Network) -> Tensor:
    """The forms of the sparse layers as numbers, for a checkpoint, (sparse layers,)."""
    return torch.tensor([SPARSE_FORMS.index(layer.form) for layer in network.sparse_layers])


def restore_forms(network: Network, forms: Sequence[int]) -> None:
    """Sets the forms of the sparse layers by their numbers."""
    for layer, number in zip(network.sparse_layers, forms, strict=True):
        layer.form = SPARSE_FORMS[number]


def usable_memory(device: torch.device) -> float:
    """The bytes of a GPU that this process may still allocate, with those that torch has reserved.

    A process with a share of a GPU has the same share of its memory (`study.training.device`).
    """
    free, total = torch.cuda.mem_get_info(device)
    own = total * torch.cuda.get_per_process_memory_fraction(
        device.index
    )  # None is the current one
    most = min(free + torch.cuda.memory_reserved(device), own)
    return most - torch.cuda.memory_allocated(device)


@cache
def break_even_density(device: torch.device, units: int = _UNITS) -> float:
    """Measures the density at which both forms of a layer take equally long.

    Infinite if the memory does not hold the dense matrix. `units`: those of the measured layer.
    """
    layer, table = _example(device, units)
    seconds: dict[SparseForm, float] = {}
    for form in SPARSE_FORMS:
        layer.form = form
        try:
            seconds[form] = seconds_of(partial(_forward_and_backward, layer, table), device)
        except torch.OutOfMemoryError:
            return math.inf
    return _SYNAPSES / _INPUTS * seconds["dense"] / seconds["csr"]


def _example(device: torch.device, units: int) -> tuple[SparseLayer, Tensor]:
    generator = torch.Generator().manual_seed(0)
    start = torch.randint(_INPUTS, (units, 1), generator=generator)
    distinct = torch.arange(_SYNAPSES) * (_INPUTS // _SYNAPSES)
    columns = ((start + distinct) % _INPUTS).flatten().to(torch.int32)
    offsets = torch.arange(0, len(columns) + 1, _SYNAPSES, dtype=torch.int32)
    weight = torch.rand(1, len(columns), generator=generator)
    layer = SparseLayer([(columns, offsets)], weight, _INPUTS).to(device)
    return layer, torch.rand(1, _INPUTS, _BATCH, generator=generator).to(device)


def _forward_and_backward(layer: SparseLayer, table: Tensor) -> None:
    layer(table).sum().backward()
    layer.zero_grad()
