"""Sparse dendrites and their own somata in one pass, in blocks that stay in the processor's cache.

A layer of N dendrites has N x B activations; writing them to memory and reading them again in each
step costs more than the arithmetic. Therefore a block of somata passes through all steps before the
next block.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from models.layers import GroupedLayer, SparseLayer
from models.sparse_product import Pattern

_BLOCK_BYTES: Final = 2**21
"""Bytes of activations in a block: the capacity of the second-level caches of two cores (measured)."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive somata (of all replicates), with their dendrites and synapses."""

    somata: slice
    dendrites: slice
    synapses: slice
    reads: Pattern
    own: Pattern


def blocks_of(synapses: SparseLayer, cables: GroupedLayer, batch: int) -> list[Block]:
    """The blocks of a layer for a batch size; a single one on a GPU, which favours large kernels."""
    per_soma = cables.weight.shape[-1]
    somata = cables.weight[..., 0].numel()
    device = synapses.weight.device
    size = somata
    if device.type == "cpu":
        size = _BLOCK_BYTES // (per_soma * batch * synapses.weight.element_size())
        size = max(1, min(somata, size))
    ends = synapses.offsets[::per_soma].tolist()
    blocks = []
    for first in range(0, somata, size):
        last = min(somata, first + size)
        count = last - first
        own = torch.arange(count * per_soma, dtype=torch.int32, device=device)
        offsets = torch.arange(count + 1, dtype=torch.int32, device=device) * per_soma
        blocks.append(
            Block(
                somata=slice(first, last),
                dendrites=slice(first * per_soma, last * per_soma),
                synapses=slice(ends[first], ends[last]),
                reads=synapses.pattern.rows(first * per_soma, last * per_soma),
                own=Pattern.of(own, offsets, len(own)),
            )
        )
    return blocks


class _Dendrosomatic(torch.autograd.Function):
    """x, synapses, dendrite biases, cables, soma biases -> activations of the somata.

    `keep`: whether the activations of the dendrites are kept for the gradient.
    """

    @staticmethod
    def forward(  # noqa: PLR0913, PLR0917  # torch takes each tensor as a separate argument
        ctx: Any,  # noqa: ANN401  # torch's context
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        cable: Tensor,
        soma_bias: Tensor,
        slopes: tuple[float, float],
        blocks: Sequence[Block],
        layer: SparseLayer,
        keep: bool,  # noqa: FBT001  # torch passes positions only
    ) -> Tensor:
        ctx.slopes, ctx.blocks, ctx.layer = slopes, blocks, layer
        table = x.reshape(-1, x.shape[-1])
        weights, biases, cables = weight.view(-1), bias.view(-1, 1), cable.view(-1)
        sums, kept = [], []
        for block in blocks:
            active = block.reads.row_sums(table, weights[block.synapses])
            active += biases[block.dendrites]
            functional.leaky_relu_(active, slopes[0])
            sums.append(block.own.row_sums(active, cables[block.dendrites]))
            if keep:
                kept.append(active)
        somata = _joined(sums).view(*soma_bias.shape[:2], -1)
        somata += soma_bias
        functional.leaky_relu_(somata, slopes[1])
        ctx.save_for_backward(table, weight, cable, somata, *kept)
        return somata

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401  # as above
        table, weight, cable, somata, *kept = ctx.saved_tensors
        slope = ctx.slopes[1]
        through_somata = _through_leaky(
            gradient.contiguous(), somata, slope, torch.empty_like(somata)
        )
        arriving = through_somata.view(-1, table.shape[1])
        flat_cable = cable.view(-1)
        synapses, biases, cables, through = [], [], [], []
        below = torch.empty_like(kept[0])
        for block, active in zip(ctx.blocks, kept, strict=True):
            here = arriving[block.somata]
            cables.append(block.own.sampled_products(here, active))
            # One buffer for all blocks: fresh memory pages cost more than the arithmetic.
            below = torch.empty_like(active) if ctx.needs_input_grad[0] else below[: len(active)]
            spread = below.view(len(here), -1, table.shape[1])
            torch.mul(
                flat_cable[block.dendrites].view(len(here), -1, 1), here.unsqueeze(1), out=spread
            )
            _through_leaky(below, active, ctx.slopes[0], below)
            biases.append(below.sum(dim=1))
            synapses.append(block.reads.sampled_products(below, table))
            if ctx.needs_input_grad[0]:
                through.append(below)
        x_gradient = None
        if through:
            pattern, order = ctx.layer.transposed
            sums = pattern.row_sums(_joined(through), weight.view(-1)[order])
            x_gradient = sums.view(len(weight), -1, table.shape[1])
        return (
            x_gradient,
            _joined(synapses).view(weight.shape),
            _joined(biases).view(len(weight), -1, 1),
            _joined(cables).view(cable.shape),
            through_somata.sum(dim=-1, keepdim=True),
            None,
            None,
            None,
            None,
        )


def _through_leaky(gradient: Tensor, activation: Tensor, slope: float, out: Tensor) -> Tensor:
    """The gradient before a leaky ReLU, from its output, which has the sign of its input."""
    result: Tensor = torch.ops.aten.leaky_relu_backward.grad_input(
        gradient, activation, slope, self_is_result=True, grad_input=out
    )
    return result


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def dendrosomatic(
    x: Tensor,
    synapses: SparseLayer,
    cables: GroupedLayer,
    slopes: tuple[float, float],
    blocks: Sequence[Block],
) -> Tensor:
    """The activations of the somata; (R, inputs, B) to (R, somata, B), with `blocks` of `blocks_of`.

    Equal to `leaky_relu(cables(leaky_relu(synapses(x), slopes[0])), slopes[1])`.
    """
    parameters = (synapses.weight, synapses.bias, cables.weight, cables.bias)
    keep = torch.is_grad_enabled()  # never so within the function
    somata: Tensor = _Dendrosomatic.apply(x, *parameters, slopes, blocks, synapses, keep)
    return somata
