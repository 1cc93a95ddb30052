"""The layers of all families. Each holds R replicates, and live weights only.

Activations are feature-major: R replicates, F features, B images, shape (R, F, B). The batch is
therefore the inner dimension of every kernel, and the input of a sparse layer is the table whose
rows it sums, without a copy.
"""

from typing import Any, Final, Literal, TypeAlias, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.architecture import ImageShape
from models.scattered_product import DenseMatrices, scattered_product
from models.sparse_product import Pattern, sparse_product

SparseForm: TypeAlias = Literal["csr", "dense"]

SPARSE_FORMS: Final[tuple[SparseForm, ...]] = ("csr", "dense")
"""How a sparse layer is computed: `models.sparse_product`, or `models.scattered_product`."""


@final
class SparseLayer(nn.Module):
    """Units that read a subset of the inputs: dendrites with synapses, or somata with drawn cables.

    `connections`: one (inputs, offsets) pair for each replicate, as in `models.wiring.Connections`,
    with equal numbers of connections. `weight`: (R, connections). `inputs`: the number of inputs of
    a replicate. `form`: how it is computed; the results differ by rounding only. Maps (R, inputs, B)
    to (R, units, B).
    """

    def __init__(
        self, connections: list[tuple[Tensor, Tensor]], weight: Tensor, inputs: int
    ) -> None:
        super().__init__()
        units = len(connections[0][1]) - 1
        self.inputs = inputs
        self.form: SparseForm = "csr"
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(len(weight), units, 1))
        # The replicates form one block-diagonal matrix: the rows of replicate r start at r x inputs.
        (first, offsets), *others = connections
        columns = [first, *(read + (r + 1) * inputs for r, (read, _) in enumerate(others))]
        ends = [one[1:] + (r + 1) * weight.shape[1] for r, (_, one) in enumerate(others)]
        self.columns: Tensor
        self.offsets: Tensor
        self.register_buffer("columns", torch.cat(columns) if others else first)
        self.register_buffer("offsets", torch.cat([offsets, *ends]) if others else offsets)
        self._pattern: Pattern | None = None
        self._transposed: tuple[Pattern, Tensor] | None = None
        self._matrices: DenseMatrices | None = None

    def connections(self, replicate: int) -> tuple[Tensor, Tensor]:
        """The inputs of each unit of a replicate, as (inputs, offsets)."""
        units = self.bias.shape[1]
        start = replicate * self.weight.shape[1]
        offsets = self.offsets[replicate * units : (replicate + 1) * units + 1] - start
        inputs = self.columns[start : start + self.weight.shape[1]]
        return inputs - replicate * self.inputs, offsets

    @property
    def pattern(self) -> Pattern:
        """The live entries of all replicates, on the weights' device."""
        if self._pattern is None:
            width = len(self.weight) * self.inputs
            self._pattern = Pattern.of(self.columns, self.offsets, width)
        return self._pattern

    @property
    def transposed(self) -> tuple[Pattern, Tensor]:
        """The transposed pattern, created when an input first needs a gradient."""
        if self._transposed is None:
            self._transposed = self.pattern.transposed()
        return self._transposed

    def forget_patterns(self) -> None:
        """Discards the cached patterns; to be called when the connections change or move."""
        self._pattern = self._transposed = self._matrices = None

    def _apply(self, *arguments: Any, **keywords: Any) -> "SparseLayer":  # noqa: ANN401  # of nn.Module
        self.forget_patterns()  # of the old device
        super()._apply(*arguments, **keywords)  # type: ignore[no-untyped-call]  # torch's
        return self

    def forward(self, x: Tensor) -> Tensor:
        if self.form == "dense":
            return scattered_product(x, self.weight, self._dense_matrices()) + self.bias
        table = x.reshape(-1, x.shape[-1])
        transposed = self.transposed if table.requires_grad else None
        total = sparse_product(table, self.weight.view(-1), self.pattern, transposed)
        return total.view(*self.bias.shape[:2], -1) + self.bias

    def _dense_matrices(self) -> DenseMatrices:
        if self._matrices is None:
            weight = self.weight.detach()
            self._matrices = DenseMatrices(self.columns, self.offsets, self.inputs, weight)
        return self._matrices


@final
class GroupedLayer(nn.Module):
    """Units that each read their own block of inputs: somata with the cables of their dendrites.

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
    """Units that read all inputs. `weight`: (R, units, inputs). Maps (R, inputs, B) to (R, units, B)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(*weight.shape[:2], 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, self.weight, x)


@final
class ConvolutionLayer(nn.Module):
    """Units that share their weights over the positions of the image, padded to cover every pixel.

    `weight`: (R, units, channels, side, side). `shape`: (channels, height, width) of the input.
    `stride`: pixels from one position to the next, at most `side` if every pixel is to be read.
    Maps (R, inputs, B) to (R, units x ceil(height / stride) x ceil(width / stride), B).
    """

    def __init__(self, weight: Tensor, shape: ImageShape, stride: int) -> None:
        super().__init__()
        self.shape = shape
        self.stride = stride
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(*weight.shape[:2], 1))

    def forward(self, x: Tensor) -> Tensor:
        replicates = len(self.weight)
        _, height, width = self.shape
        batch, stride = x.shape[-1], self.stride
        images = x.permute(2, 0, 1).reshape(batch, -1, height, width)
        images = functional.pad(images, self.padding)
        features = functional.conv2d(
            images, self.weight.flatten(0, 1), self.bias.flatten(), stride=stride, groups=replicates
        )
        return features.view(batch, replicates, -1).permute(1, 2, 0).contiguous()

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """The pixels to add to the left, to the right, above and below."""
        _, height, width = self.shape
        side = self.weight.shape[-1]
        return *_padding(width, side, self.stride), *_padding(height, side, self.stride)

    @property
    def positions(self) -> int:
        """The number of positions of each unit."""
        _, height, width = self.shape
        return -(-height // self.stride) * -(-width // self.stride)


@final
class PositionedLayer(nn.Module):
    """Somata at each position of a convolution, each with cables of its own to the dendrites there.

    `weight`: (R, S, D, P), for P positions. Maps (R, S x D x P, B) to (R, S x P, B); at each position
    soma j reads dendrites jD..jD+D-1.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        replicates, somata, _, positions = weight.shape
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(replicates, somata * positions, 1))

    def forward(self, x: Tensor) -> Tensor:
        terms = self.weight.unsqueeze(-1) * x.view(*self.weight.shape, -1)
        return terms.sum(dim=2).flatten(1, 2) + self.bias


def _padding(length: int, side: int, stride: int) -> tuple[int, int]:
    """The pixels to add before and after `length` for a kernel to have ceil(length / stride) positions.

    A kernel is centred on `stride` pixels; what is uneven is wider before, by one pixel.
    """
    before = (side - stride + 1) // 2
    return before, max(0, (-(-length // stride) - 1) * stride + side - length - before)
