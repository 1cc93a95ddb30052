"""One layer of a network: units that read its inputs, and somata that read these units, if any."""

from collections.abc import Sequence
from typing import Final, TypeAlias, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.dendrosomatic import Block, blocks_of, dendrosomatic
from models.layers import (
    ConvolutionLayer,
    DenseLayer,
    GroupedLayer,
    PositionedLayer,
    SparseLayer,
)

_MOST_SIZES: Final = 8
"""Batch sizes for which a stage keeps its blocks."""

Layer: TypeAlias = SparseLayer | GroupedLayer | DenseLayer | ConvolutionLayer | PositionedLayer


@final
class Stage(nn.Module):
    """Dendrites and somata (`cables` is None where somata read the inputs), each with a leaky ReLU.

    `slopes`: of dendrites and of somata. `dropout`: the share of units dropped in a training step.
    Maps (R, inputs, B) to (R, features, B).
    """

    def __init__(
        self, units: Layer, cables: Layer | None, slopes: tuple[float, float], dropout: float
    ) -> None:
        super().__init__()
        self.units = units
        self.cables = cables
        self.slopes = slopes
        self.dropout = dropout
        self._blocks: dict[tuple[int, torch.device, torch.dtype], list[Block]] = {}
        self.register_load_state_dict_post_hook(_forget_wiring)  # type: ignore[no-untyped-call]  # torch's

    @property
    def layers(self) -> list[Layer]:
        """The layers in order of computation."""
        return [self.units] if self.cables is None else [self.units, self.cables]

    def forward(self, x: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        units, cables = self.units, self.cables
        drops = self.training and self.dropout > 0
        if (
            isinstance(units, SparseLayer)
            and units.form == "csr"
            and isinstance(cables, GroupedLayer)
            and not drops
        ):
            blocks = self._blocks_for(x, units, cables)
            return dendrosomatic(x, units, cables, self.slopes, blocks)
        for layer, slope in zip(self.layers, self.slopes[-len(self.layers) :], strict=True):
            x = functional.leaky_relu_(layer(x), slope)
            if drops:
                x = self._drop(x, generators)
        return x

    def forget_wiring(self) -> None:
        """Discards what was cached of the connections; to be called when they change."""
        self._blocks.clear()
        for layer in self.layers:
            if isinstance(layer, SparseLayer):
                layer.forget_patterns()

    def _blocks_for(self, x: Tensor, units: SparseLayer, cables: GroupedLayer) -> list[Block]:
        key = (x.shape[-1], x.device, x.dtype)
        if key not in self._blocks:
            if len(self._blocks) == _MOST_SIZES:
                self._blocks.pop(next(iter(self._blocks)))
            self._blocks[key] = blocks_of(units, cables, x.shape[-1])
        return self._blocks[key]

    def _drop(self, x: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Dropout with one generator for each replicate, so that replicates are independent."""
        mask = torch.empty_like(x)
        for replicate, generator in zip(mask, generators, strict=True):
            replicate.bernoulli_(1.0 - self.dropout, generator=generator)
        return x * mask.div_(1.0 - self.dropout)


def _forget_wiring(stage: Stage, _: object) -> None:
    """A state dict includes the wiring."""
    stage.forget_wiring()
