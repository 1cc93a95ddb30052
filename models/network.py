"""R replicates of one architecture as one module, and the counts of one replicate.

All stored weights are live (docs/networks.md), so the counts are those of the built network.
"""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, cast, final

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.architecture import Architecture, ImageShape
from models.layers import ConvolutionLayer, DenseLayer, SparseLayer
from models.stage import Layer, Stage


@final
class Network(nn.Module):
    """R replicates of one architecture, each with its own seed, wiring and initial weights.

    `stages` are its layers, `readout` computes the logits. Built by `models.build`.
    """

    def __init__(
        self,
        architecture: Architecture,
        image_shape: ImageShape,
        seeds: Sequence[int],
        stages: Sequence[Stage],
        readout: DenseLayer,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.image_shape = image_shape
        self.seeds = tuple(map(int, seeds))
        self.stages = nn.ModuleList(stages)
        self.readout = readout
        self._dropout_generators: list[torch.Generator] = []

    @property
    def replicates(self) -> int:
        """The number of replicates, R."""
        return len(self.seeds)

    @property
    def classes(self) -> int:
        """The number of classes, C."""
        return self.readout.weight.shape[1]

    @property
    def layers(self) -> list[Layer]:
        """All layers in order of computation."""
        stages: list[Stage] = list(self.stages)  # type: ignore[arg-type]  # ModuleList forgets
        return [*(layer for stage in stages for layer in stage.layers), self.readout]

    @property
    def sparse_layers(self) -> list[SparseLayer]:
        """The layers whose units read a subset of their inputs, in order of computation."""
        return [layer for layer in self.layers if isinstance(layer, SparseLayer)]

    def seed_dropout(self, epoch: int) -> None:
        """Seeds the dropout of each replicate by its seed and the epoch alone."""
        device = self.readout.weight.device
        self._dropout_generators = [
            torch.Generator(device).manual_seed(seed * 1_000_003 + epoch) for seed in self.seeds
        ]

    def extra_repr(self) -> str:
        """The first line of a printed network."""
        count = sum(parameter[0].numel() for parameter in self.parameters())
        return (
            f"{self.architecture.label()}, images {tuple(self.image_shape)}, {self.classes} classes, "
            f"{count:,} parameters a replicate, seeds {self.seeds}"
        )

    def _repr_html_(self) -> str:
        """The network in a notebook, with the shapes of its weights."""
        layers = "".join(
            f"<li>{type(layer).__name__}: "
            + ", ".join(f"{name} {tuple(one.shape)}" for name, one in layer.named_parameters())
            + "</li>"
            for layer in self.layers
        )
        return f"<p>Network: {escape(self.extra_repr())}</p><ul>{layers}</ul>"

    def forward(self, images: Tensor | NDArray[Any]) -> Tensor:
        """Computes logits, shape (R, batch, classes).

        `images` has shape (batch, channels, height, width), shared by all replicates, or
        (R, batch, channels, height, width); an array or a tensor, uint8 in 0..255 or float in 0..1.
        Raises ValueError for other shapes.
        """
        x = self.columns(images)
        if self.training and not self._dropout_generators:
            self.seed_dropout(0)
        for stage in self.stages:
            x = stage(x, self._dropout_generators)
        logits: Tensor = self.readout(x)
        return logits.transpose(1, 2)

    @torch.no_grad()
    def activations(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yields the name of each layer and its outputs after the leaky ReLU, shape (R, units, batch).

        The names are `layer1_dendrites`, `layer1_somata`, `layer2_dendrites` and so on, without the
        dendrites where there are none. No dropout is applied. Outputs are valid until the next
        iteration. `images` as for `forward`.
        """
        x = self.columns(images)
        for number, stage in enumerate(cast("list[Stage]", list(self.stages)), start=1):
            parts = ("dendrites", "somata")[-len(stage.layers) :]
            slopes = stage.slopes[-len(stage.layers) :]
            for part, layer, slope in zip(parts, stage.layers, slopes, strict=True):
                x = functional.leaky_relu_(layer(x), slope)
                yield f"layer{number}_{part}", x

    def columns(self, images: Tensor | NDArray[Any]) -> Tensor:
        """The images as float columns, shape (R, inputs, batch), contiguous."""
        images = torch.as_tensor(images)
        replicates = images.shape[0] if images.dim() == 5 else self.replicates  # noqa: PLR2004
        wrong = images.dim() not in (4, 5) or replicates != self.replicates or 0 in images.shape
        if wrong or tuple(images.shape[-3:]) != self.image_shape:
            raise ValueError(
                f"images must have shape (batch, *{self.image_shape}) or "
                f"({self.replicates}, batch, *{self.image_shape}), with `batch >= 1`, got "
                f"{tuple(images.shape)}"
            )
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise ValueError(f"images must be uint8 in 0..255 or float in 0..1, got {images.dtype}")
        weight = self.readout.weight
        columns = images.flatten(-3).transpose(-1, -2)
        if images.dim() == 4:  # noqa: PLR2004  # without an axis of replicates
            columns = columns.expand(self.replicates, -1, -1)
        x = torch.empty(columns.shape, dtype=weight.dtype, device=weight.device).copy_(columns)
        return x.mul_(1 / 255) if images.dtype == torch.uint8 else x


def count_parameters(network: Network) -> int:
    """Trainable parameters of one replicate: live weights and all biases."""
    return sum(parameter[0].numel() for parameter in network.parameters())


def count_macs(network: Network) -> int:
    """Multiply-accumulates of one replicate in the forward pass of one image, without biases.

    Each weight is used once per image, that of a convolution once per position.
    """
    return sum(layer.weight[0].numel() * _positions(layer) for layer in network.layers)


def _positions(layer: Layer) -> int:
    return layer.positions if isinstance(layer, ConvolutionLayer) else 1
