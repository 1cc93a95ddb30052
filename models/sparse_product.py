"""Products with a sparse matrix that is stored as the columns and weights of its live entries.

Three kernels of torch suffice, without any dense matrix (b is the batch, the contiguous inner
dimension of every table):

- row sums, out[u] = sum over the entries of row u of weight * table[column]: `embedding_bag`, with a
  row as a bag and its weights as `per_sample_weights`;
- sampled products, out[e] = left[row of e] . right[column of e], which is the gradient of the weights:
  `torch.sparse.sampled_addmm` (embedding_bag's own backward is ten times slower);
- the gradient of the table: row sums over the transposed pattern.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Pattern:
    """The live entries of a (rows, width) matrix: row u has `columns[offsets[u]:offsets[u + 1]]`.

    `columns` and `offsets` are int32 on one device; `empty` is the pattern as torch's CSR tensor of
    zeros, which shares their memory.
    """

    columns: Tensor
    offsets: Tensor
    width: int
    empty: Tensor

    @classmethod
    def of(cls, columns: Tensor, offsets: Tensor, width: int) -> "Pattern":
        """The pattern with its CSR tensor."""
        zeros = torch.zeros(len(columns), device=columns.device)
        return cls(columns, offsets, width, _csr(columns, offsets, width, zeros))

    def __deepcopy__(self, _: object) -> "Pattern":
        """Copies the parts: torch cannot copy CSR tensors deeply."""
        return Pattern.of(self.columns.clone(), self.offsets.clone(), self.width)

    def rows(self, first: int, last: int) -> "Pattern":
        """The rows first..last-1; their columns are shared, not copied."""
        start, end = self.offsets[first].item(), self.offsets[last].item()
        return Pattern.of(
            self.columns[int(start) : int(end)], self.offsets[first : last + 1] - start, self.width
        )

    def transposed(self) -> tuple["Pattern", Tensor]:
        """The transposed pattern, and for each of its entries the index of the original entry."""
        order = torch.argsort(self.columns, stable=True).to(torch.int32)
        per_row = torch.diff(self.offsets)
        rows = torch.arange(len(per_row), dtype=torch.int32, device=self.columns.device)
        row_of_entry = torch.repeat_interleave(rows, per_row, output_size=len(self.columns))
        counts = torch.bincount(self.columns, minlength=self.width)
        offsets = functional.pad(torch.cumsum(counts, 0), (1, 0)).to(torch.int32)
        return Pattern.of(row_of_entry[order], offsets, len(per_row)), order

    def row_sums(self, table: Tensor, weight: Tensor) -> Tensor:
        """The sums of weighted rows of the table; (width, b) and (entries,) to (rows, b)."""
        return functional.embedding_bag(
            self.columns,
            table,
            self.offsets,
            mode="sum",
            per_sample_weights=weight,
            include_last_offset=True,
        )

    def sampled_products(self, left: Tensor, right: Tensor) -> Tensor:
        """The products of rows at the live entries; (rows, b) and (width, b) to (entries,)."""
        empty = self.empty
        if left.dtype != empty.dtype:
            zeros = torch.zeros(len(self.columns), dtype=left.dtype, device=left.device)
            empty = _csr(self.columns, self.offsets, self.width, zeros)
        result: Tensor = torch.sparse.sampled_addmm(empty, left, right.t(), beta=0).values()
        return result


def _csr(columns: Tensor, offsets: Tensor, width: int, values: Tensor) -> Tensor:
    with warnings.catch_warnings():
        # torch calls its CSR tensors beta; tests compare the functions used here with a dense product.
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(offsets, columns, values, (len(offsets) - 1, width))


class SparseProduct(torch.autograd.Function):
    """table, weight -> row sums, differentiable once in both; see `sparse_product`."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401  # torch's context
        table: Tensor,
        weight: Tensor,
        pattern: Pattern,
        transposed: tuple[Pattern, Tensor] | None,
    ) -> Tensor:
        ctx.save_for_backward(table, weight)
        ctx.pattern, ctx.transposed = pattern, transposed
        return pattern.row_sums(table, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401  # as above
        table, weight = ctx.saved_tensors
        gradient = gradient.contiguous()
        weight_gradient = ctx.pattern.sampled_products(gradient, table)
        table_gradient = None
        if ctx.needs_input_grad[0]:
            pattern, order = ctx.transposed
            table_gradient = pattern.row_sums(gradient, weight[order])
        return table_gradient, weight_gradient, None, None


def sparse_product(
    table: Tensor,
    weight: Tensor,
    pattern: Pattern,
    transposed: tuple[Pattern, Tensor] | None = None,
) -> Tensor:
    """The sparse matrix times the table; (width, b) and (entries,) to (rows, b).

    `transposed` is needed only where the table needs a gradient.
    """
    result: Tensor = SparseProduct.apply(table, weight, pattern, transposed)
    return result
