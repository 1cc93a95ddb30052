"""Sparse dendrites and their own somata in one pass, in blocks that stay in the processor's cache.

A layer of N dendrites makes N x B activations; written to memory and read again by each step, they
cost more than the arithmetic. So a block of somata goes through all steps before the next one, and
the backward pass computes the activations of a block again rather than keeping those of all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.layers import GroupedLayer, SparseLayer
from models.sparse_product import Pattern

_BLOCK_BYTES: Final = 2**21
"""Of activations in a block: what the second-level caches of two cores hold (measured)."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some somata in a row (of all replicates), with their dendrites and synapses."""

    somata: slice
    dendrites: slice
    synapses: slice
    reads: Pattern
    own: Pattern


def blocks_of(synapses: SparseLayer, cables: GroupedLayer, batch: int) -> list[Block]:
    """The layer in blocks for a batch size; on a GPU, whose kernels want much at once, in one."""
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
    """table, synapses, dendrite biases, cables -> sums of the somata, without their biases."""

    @staticmethod
    def forward(  # noqa: PLR0913, PLR0917  # torch wants tensors as arguments of their own
        ctx: Any,  # noqa: ANN401  # torch's context
        table: Tensor,
        weight: Tensor,
        bias: Tensor,
        cable: Tensor,
        slope: float,
        blocks: Sequence[Block],
        layer: SparseLayer,
    ) -> Tensor:
        ctx.slope, ctx.blocks, ctx.layer = slope, blocks, layer
        total = table.new_empty(blocks[-1].somata.stop, table.shape[1])
        kept = None
        for block in blocks:
            kept = _activations(block, table, weight, bias, slope)
            total[block.somata] = block.own.row_sums(kept, cable[block.dendrites])
        # A single block is in the cache as it is.
        ctx.save_for_backward(table, weight, bias, cable, kept if len(blocks) == 1 else None)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401  # as above
        table, weight, bias, cable, kept = ctx.saved_tensors
        gradient = gradient.contiguous()
        weight_gradient, bias_gradient = torch.empty_like(weight), torch.empty_like(bias)
        cable_gradient = torch.empty_like(cable)
        wants_table = ctx.needs_input_grad[0]
        whole = table.new_empty(len(bias), table.shape[1]) if wants_table else None
        for block in ctx.blocks:
            active = kept
            if active is None:
                active = _activations(block, table, weight, bias, ctx.slope)
            arriving = gradient[block.somata]
            cable_gradient[block.dendrites] = block.own.sampled_products(arriving, active)
            cables = cable[block.dendrites].view(len(arriving), -1, 1)
            below = (cables * arriving.unsqueeze(1)).view(active.shape)
            # An activation has the sign of what went into the leaky ReLU, so that was not kept.
            below = torch.ops.aten.leaky_relu_backward(below, active, ctx.slope, True)  # noqa: FBT003
            torch.sum(below, dim=1, keepdim=True, out=bias_gradient[block.dendrites])
            weight_gradient[block.synapses] = block.reads.sampled_products(below, table)
            if whole is not None:
                whole[block.dendrites] = below
        table_gradient = None
        if whole is not None:
            pattern, order = ctx.layer.transposed
            table_gradient = pattern.row_sums(whole, weight[order])
        return table_gradient, weight_gradient, bias_gradient, cable_gradient, None, None, None


def _activations(block: Block, table: Tensor, weight: Tensor, bias: Tensor, slope: float) -> Tensor:
    """What the block's dendrites give, shape (dendrites, B)."""
    total = block.reads.row_sums(table, weight[block.synapses])
    total += bias[block.dendrites]
    return torch.nn.functional.leaky_relu_(total, slope)


def dendrosomatic(
    x: Tensor, synapses: SparseLayer, cables: GroupedLayer, slope: float, blocks: Sequence[Block]
) -> Tensor:
    """The somata's sums, before their own leaky ReLU; (R, inputs, B) to (R, somata, B).

    Equal to `cables(leaky_relu(synapses(x), slope))`, with `blocks` from `blocks_of`.
    """
    total: Tensor = _Dendrosomatic.apply(
        x.reshape(-1, x.shape[-1]),
        synapses.weight.view(-1),
        synapses.bias.view(-1, 1),
        cables.weight.view(-1),
        slope,
        blocks,
        synapses,
    )
    return total.view(*cables.weight.shape[:2], -1) + cables.bias
