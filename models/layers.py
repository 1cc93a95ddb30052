"""The three layers that every family is made of. Each holds R replicates and live weights only.

Activations are feature-major: R replicates, F features, B images, shape (R, F, B). So the batch is
the inner dimension of every kernel, and a layer's input is, as it stands, the embedding table of a
sparse layer: a dendrite is a bag, its synapses are the per-sample weights.
"""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional


@final
class SparseLayer(nn.Module):
    """Units that read a fixed number of inputs each: dendrites with their synapses.

    `connections`: (R, N, K) int32, for each of N units the inputs it reads, in 0..inputs-1.
    `weight`: (R, N, K). Maps (R, inputs, B) to (R, N, B).
    """

    def __init__(self, connections: Tensor, weight: Tensor, inputs: int) -> None:
        super().__init__()
        self.inputs = inputs
        replicates, units, fan_in = weight.shape
        first_row = torch.arange(replicates, dtype=torch.int32).view(replicates, 1, 1) * inputs
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(replicates, units, 1))
        self.table_rows: Tensor
        # The replicates' inputs lie below one another in one table, so their rows are shifted.
        self.register_buffer("table_rows", (connections + first_row).view(-1, fan_in))

    @property
    def connections(self) -> Tensor:
        """The inputs that each unit reads, (R, N, K) int32."""
        first_row = torch.arange(len(self.weight), dtype=torch.int32, device=self.weight.device)
        return self.table_rows.view(self.weight.shape) - first_row.view(-1, 1, 1) * self.inputs

    def forward(self, x: Tensor) -> Tensor:
        replicates, units, fan_in = self.weight.shape
        batch = x.shape[-1]
        # A table that is only a transposed view is about 20 times slower; reshape copies it then.
        total = functional.embedding_bag(
            self.table_rows,
            x.reshape(-1, batch),
            per_sample_weights=self.weight.view(-1, fan_in),
            mode="sum",
        )
        return total.view(replicates, units, batch) + self.bias


@final
class GroupedLayer(nn.Module):
    """Units that read a block of inputs of their own: somata with the cables of their dendrites.

    `weight`: (R, S, D). Maps (R, S x D, B) to (R, S, B); soma j reads dendrites jD..jD+D-1.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(*weight.shape[:2], 1))

    def forward(self, x: Tensor) -> Tensor:
        return (
            torch.einsum("rsd,rsdb->rsb", self.weight, x.view(*self.weight.shape, -1)) + self.bias
        )


@final
class DenseLayer(nn.Module):
    """Units that read all inputs. `weight`: (R, N, inputs). Maps (R, inputs, B) to (R, N, B)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(*weight.shape[:2], 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, self.weight, x)
