"""A network as a `torch.export` program, which runs without the code that defines it."""

from pathlib import Path
from typing import Final, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers import SparseLayer
from models.network import Network
from models.stage import Layer, Stage

PROGRAM: Final = "program.pt2"


def export_program(network: Network, to: Path) -> None:
    """Writes the program to the file `to`, which `torch.export.load` reads.

    It maps uint8 images, shape (batch, channels, height, width), to the probabilities of the
    classes, shape (batch, classes), the mean over the replicates; for any batch size.
    """
    images = torch.zeros((2, *network.image_shape), dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1)
    with torch.no_grad():
        program = torch.export.export(_Plain(network), (images,), dynamic_shapes=({0: batch},))
    torch.export.save(program, to)


@final
class _Plain(nn.Module):
    """The same network in torch's own operators: the faster kernels cannot be exported."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        network = self.network
        columns = images.flatten(1).t().to(network.readout.weight.dtype).mul(1 / 255)
        x = columns.expand(network.replicates, -1, -1).contiguous()
        stages: list[Stage] = list(network.stages)  # type: ignore[arg-type]  # ModuleList forgets
        for stage in stages:
            slopes = stage.slopes[-len(stage.layers) :]
            for layer, slope in zip(stage.layers, slopes, strict=True):
                x = functional.leaky_relu(_apply(layer, x), slope)
        logits: Tensor = network.readout(x)
        return logits.softmax(dim=1).mean(dim=0).t()


def _apply(layer: Layer, x: Tensor) -> Tensor:
    if not isinstance(layer, SparseLayer):
        applied: Tensor = layer(x)
        return applied
    sums = functional.embedding_bag(
        layer.columns,
        x.reshape(-1, x.shape[-1]),
        layer.offsets,
        mode="sum",
        per_sample_weights=layer.weight.view(-1),
        include_last_offset=True,
    )
    return sums.view(*layer.bias.shape[:2], -1) + layer.bias
