"""Products with a sparse matrix as products with a dense one, which can be faster on GPUs.

On a CPU, the live entries alone (`models.sparse_product`) are by far less arithmetic. A GPU can multiply
dense matrices in less time than it gathers the rows of the live entries. The dense matrix is allocated
once, and zero except at the live entries, which each forward pass overwrites with the weights. Of the
dense gradient only the live entries are read. Parameters, gradients and the state of the optimizer are
therefore the same as in the other form.
"""

from typing import Any, final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


@final
class DenseMatrices:
    """One dense (units, inputs) matrix for each of R replicates.

    `columns` and `offsets`: the live entries of all replicates as one block-diagonal matrix, as in
    `models.sparse_product.Pattern`. `weight`: (R, connections), for its shape, dtype and device.
    """

    def __init__(self, columns: Tensor, offsets: Tensor, inputs: int, weight: Tensor) -> None:
        replicates, rows = len(weight), len(offsets) - 1
        per_row = torch.diff(offsets)
        row = torch.repeat_interleave(
            torch.arange(rows, device=columns.device), per_row, output_size=len(columns)
        )
        units = rows // replicates
        self._live = row * inputs + columns - torch.div(row, units, rounding_mode="floor") * inputs
        self._matrices = weight.new_zeros(replicates, units, inputs)

    def write(self, weight: Tensor) -> None:
        """Overwrites the live entries with the weights, (R, connections)."""
        self._matrices.view(-1).index_copy_(0, self._live, weight.flatten())

    def products(self, table: Tensor) -> Tensor:
        """(R, inputs, B) to (R, units, B)."""
        return torch.bmm(self._matrices, table)

    def transposed_products(self, gradient: Tensor) -> Tensor:
        """(R, units, B) to (R, inputs, B)."""
        return torch.bmm(self._matrices.transpose(1, 2), gradient)

    def live_products(self, gradient: Tensor, table: Tensor) -> Tensor:
        """The gradient of the weights; (R, units, B) and (R, inputs, B) to (R x connections,)."""
        return torch.bmm(gradient, table.transpose(1, 2)).view(-1).index_select(0, self._live)


class ScatteredProduct(torch.autograd.Function):
    """table, weight -> products, differentiable once in both; see `scattered_product`."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401  # torch's context
        table: Tensor,
        weight: Tensor,
        matrices: DenseMatrices,
    ) -> Tensor:
        matrices.write(weight)
        # The weight is saved so that torch raises if it changes before the backward pass, which reads
        # the matrices.
        ctx.save_for_backward(table, weight)
        ctx.matrices = matrices
        return matrices.products(table)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401  # as above
        table, weight = ctx.saved_tensors
        gradient = gradient.contiguous()
        table_gradient = None
        if ctx.needs_input_grad[0]:
            table_gradient = ctx.matrices.transposed_products(gradient)
        return table_gradient, ctx.matrices.live_products(gradient, table).view_as(weight), None


def scattered_product(table: Tensor, weight: Tensor, matrices: DenseMatrices) -> Tensor:
    """The sparse matrices times the tables; (R, inputs, B) and (R, connections) to (R, units, B)."""
    result: Tensor = ScatteredProduct.apply(table, weight, matrices)
    return result
