"""Computes a stored network with numpy; a copy of this file is part of every exported model.

It needs numpy and safetensors, but neither torch nor the package that trained the network.
`Portable(folder)` reads `network.safetensors` and `network.json`. When MLflow loads the file as the
code of a model, it defines the network as a `PythonModel`.

Activations are feature-major: R replicates, F features, B images, shape (R, F, B).
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

LAYOUT = 1
TENSORS = "network.safetensors"
DESCRIPTION = "network.json"
FLOATS_AT_ONCE = 2**23
"""The number of activations computed at once; images are divided into blocks to limit memory."""
MOST_INPUTS = 10_000_000
"""The largest number of inputs of an image."""

# The numbers of axes of the weights of a convolution, and of the cables at its positions.
CONVOLUTION = 5  # replicates, units, channels, side, side
POSITIONED = 4  # replicates, somata, dendrites, positions

Floats = NDArray[np.float32]
Tensors = dict[str, NDArray[Any]]


class Portable:
    """The replicates of one stored network.

    `folder` holds its two files. `image_shape` is (channels, height, width). Raises FileNotFoundError
    if a file is missing, ValueError for another layout, or a description that does not fit the tensors.
    """

    def __init__(self, folder: Path | str) -> None:
        folder = Path(folder)
        try:
            description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            self.tensors: Tensors = load_file(folder / TENSORS)
            self.architecture: dict[str, Any] = dict(description["architecture"])
            self.image_shape: tuple[int, ...] = tuple(description["image_shape"])
            self.classes: int = description["classes"]
            self.replicates: int = len(description["seeds"])
            self._check(description["layout"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{folder} does not hold a network: {str(error)[:300]}") from error

    def _check(self, layout: object) -> None:
        """Raises ValueError or KeyError unless the description fits the tensors."""
        if layout != LAYOUT:
            raise ValueError(f"`layout == {LAYOUT}` must hold, got {str(layout)[:40]}")
        channels, height, width = self.image_shape
        sizes = (channels, height, width, self.classes, self.replicates)
        if not all(isinstance(size, int) and size > 0 for size in sizes):
            raise ValueError("image_shape, classes and seeds must be positive whole numbers")
        if channels * height * width > MOST_INPUTS:
            raise ValueError(f"`inputs <= {MOST_INPUTS}` must hold, got more")
        stages = {name.split(".")[1] for name in self.tensors if name.startswith("stages.")}
        if stages != set(map(str, range(min(self.architecture["layers"], len(stages) + 1)))):
            raise ValueError(f"the network must have {len(stages)} layers")
        readout = self.tensors["readout.weight"].shape
        if readout[:2] != (self.replicates, self.classes):
            raise ValueError(
                f"the readout must be that of the replicates and classes, got {readout}"
            )

    def probabilities(self, images: NDArray[Any], replicate: int = -1) -> Floats:
        """Class probabilities, shape (batch, classes), of one replicate, or the mean of all for -1.

        `images` has shape (batch, channels, height, width), uint8 in 0..255 or float in 0..1. Raises
        ValueError for other shapes, types or replicates.
        """
        if not -1 <= replicate < self.replicates:
            raise ValueError(
                f"`-1 <= replicate < {self.replicates}` must hold, got replicate={replicate}"
            )
        shares = softmax(self.logits(images))
        chosen: Floats = shares.mean(axis=0) if replicate == -1 else shares[replicate]
        return chosen

    def logits(self, images: NDArray[Any]) -> Floats:
        """The logits of every replicate, shape (R, batch, classes); `images` as in `probabilities`."""
        images = np.asarray(images)
        if images.ndim != 4 or images.shape[1:] != self.image_shape:  # noqa: PLR2004  # as above
            raise ValueError(
                f"images must have shape (batch, *{self.image_shape}), got {images.shape}"
            )
        if images.dtype != np.uint8 and images.dtype.kind != "f":
            raise ValueError(f"images must be uint8 in 0..255 or float in 0..1, got {images.dtype}")
        block = max(1, FLOATS_AT_ONCE // self._floats_an_image())
        blocks = [
            self._logits(images[first : first + block]) for first in range(0, len(images), block)
        ]
        empty = np.zeros((self.replicates, 0, self.classes), dtype=np.float32)
        return np.concatenate([empty, *blocks], axis=1)

    def _floats_an_image(self) -> int:
        """The largest number of activations or synaptic terms of a layer, for one image."""
        shape = self.image_shape
        read = self.replicates * math.prod(shape)
        convolved = 0
        for stage in range(self.architecture["layers"]):
            units = self.layer(f"stages.{stage}.units")
            if units["weight"].ndim == CONVOLUTION:
                shape = self.next_shape(shape, self.stride(stage))
                convolved = max(convolved, units["bias"].size * math.prod(shape[1:]))
        kinds = (".bias", ".columns")
        sizes = [value.size for name, value in self.tensors.items() if name.endswith(kinds)]
        return max(read, convolved, *sizes)

    def _logits(self, images: NDArray[Any]) -> Floats:
        x = images.reshape(len(images), -1).T.astype(np.float32)
        if images.dtype == np.uint8:
            x *= np.float32(1 / 255)
        x = np.broadcast_to(x, (self.replicates, *x.shape))
        shape = self.image_shape
        soma_slope = self.architecture["leaky_slope"]
        own = self.architecture["dendrite_slope"]
        for stage in range(self.architecture["layers"]):
            units = self.layer(f"stages.{stage}.units")
            cables = self.layer(f"stages.{stage}.cables")
            has_dendrites = bool(cables)
            slope = own if has_dendrites and own is not None else soma_slope
            stride = self.stride(stage)
            x = leaky_relu(apply(units, x, shape, stride), slope)
            if has_dendrites:
                x = leaky_relu(apply(cables, x), soma_slope)
            # The input of the next convolution; other layers ignore it.
            shape = self.next_shape(shape, stride)
        return apply(self.layer("readout"), x).transpose(0, 2, 1)

    def stride(self, stage: int) -> int:
        """The stride of a convolution: the side of its kernel if it has dendrites, else 2."""
        has_dendrites = f"stages.{stage}.cables.weight" in self.tensors
        side: int = self.tensors[f"stages.{stage}.units.weight"].shape[-1]
        return side if has_dendrites else 2

    def next_shape(self, shape: tuple[int, ...], stride: int) -> tuple[int, ...]:
        """The shape of the outputs of a layer of convolutions that reads `shape`."""
        return (self.architecture["somata"], -(-shape[1] // stride), -(-shape[2] // stride))

    def layer(self, name: str) -> Tensors:
        """The tensors of a layer; empty if it does not exist."""
        parts = ("weight", "bias", "columns", "offsets")
        return {
            part: self.tensors[f"{name}.{part}"]
            for part in parts
            if f"{name}.{part}" in self.tensors
        }


def apply(layer: Tensors, x: Floats, shape: tuple[int, ...] = (), stride: int = 1) -> Floats:
    """Applies a layer without its nonlinearity; (R, inputs, B) to (R, units, B).

    The names and shapes of its tensors determine its kind. Only convolutions use the input `shape` and
    the `stride`.
    """
    weight, bias = layer["weight"], layer["bias"]
    if "columns" in layer:
        sums = sparse_sums(layer, x)
    elif weight.ndim == CONVOLUTION:
        return convolution(weight, bias, x.reshape(len(x), *shape, -1), stride)
    elif weight.ndim == POSITIONED:
        terms = weight[..., None] * x.reshape(*weight.shape, -1)
        sums = terms.sum(axis=2).reshape(*bias.shape[:2], -1)
    elif weight.shape[2] == x.shape[1]:
        sums = weight @ x
    else:
        # Each unit reads its own block of inputs: somata their dendrites.
        sums = (weight[:, :, None] @ x.reshape(*weight.shape, -1))[:, :, 0]
    total: Floats = sums + bias
    return total


def sparse_sums(layer: Tensors, x: Floats) -> Floats:
    """The weighted sum of the inputs of each unit; the replicates form one block-diagonal matrix.

    Unit u reads `columns[offsets[u]:offsets[u + 1]]`; without inputs its sum is 0.
    """
    columns, offsets, weight = layer["columns"], layer["offsets"], layer["weight"]
    terms = x.reshape(-1, x.shape[-1])[columns]
    terms *= weight.reshape(-1, 1)
    sums = np.zeros((len(offsets) - 1, x.shape[-1]), dtype=np.float32)
    reads = offsets[1:] > offsets[:-1]
    if reads.any():
        sums[reads] = np.add.reduceat(terms, offsets[:-1][reads], axis=0)
    return sums.reshape(len(weight), -1, x.shape[-1])


def convolution(weight: Floats, bias: Floats, x: Floats, stride: int) -> Floats:
    """A convolution; x of shape (R, channels, height, width, B).

    `weight` has shape (R, units, channels, side, side). Every pixel is covered.
    """
    replicates, units, channels, side, _ = weight.shape
    height, width = -(-x.shape[2] // stride), -(-x.shape[3] // stride)
    edges = [padding(length, side, stride) for length in x.shape[2:4]]
    padded = np.pad(x, ((0, 0), (0, 0), *edges, (0, 0)))
    tall, wide = (height - 1) * stride + 1, (width - 1) * stride + 1
    sums = np.zeros((replicates, units, height * width * x.shape[-1]), dtype=np.float32)
    for row in range(side):
        for column in range(side):
            read = padded[:, :, row : row + tall : stride, column : column + wide : stride]
            sums += weight[:, :, :, row, column] @ read.reshape(replicates, channels, -1)
    positions = sums.reshape(replicates, units, height * width, -1) + bias[..., None]
    return positions.reshape(replicates, units * height * width, -1)


def padding(length: int, side: int, stride: int) -> tuple[int, int]:
    """The pixels to add before and after for a kernel to have ceil(length / stride) positions."""
    before = (side - stride + 1) // 2
    return before, max(0, (-(-length // stride) - 1) * stride + side - length - before)


def softmax(logits: Floats) -> Floats:
    """Probabilities over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def leaky_relu(x: Floats, slope: float) -> Floats:
    """The positive part, and the slope times the negative part."""
    return np.where(x > 0, x, np.float32(slope) * x)


# Only when MLflow loads the file: plain predictions need no MLflow.
if "mlflow" in sys.modules:
    from mlflow.models import set_model
    from mlflow.pyfunc.model import PythonModel, PythonModelContext

    class PortableModel(PythonModel):
        """The network as MLflow serves it."""

        def load_context(self, context: PythonModelContext) -> None:
            self.network = Portable(context.artifacts["network"])

        def predict(
            self,
            context: PythonModelContext,  # noqa: ARG002  # MLflow's
            model_input: np.ndarray,  # bare, for MLflow warns of any other type of array
            params: dict[str, Any] | None = None,
        ) -> Floats:
            return self.network.probabilities(model_input, int((params or {}).get("replicate", -1)))

    set_model(PortableModel())
