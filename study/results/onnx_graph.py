"""A stored network as an ONNX graph, for runtimes other than NumPy and torch.

The graph computes what `models.portable.Portable.probabilities` does, with the weights of the synapses
alone: a sparse layer gathers its inputs. Its input `images` has shape (batch, channels, height, width),
uint8; its output `probabilities` shape (batch, classes), float32, the mean over the replicates.

Activations have shape (batch, replicates, features). Needs the package onnx (https://onnx.ai).
"""

import math
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from models.portable import CONVOLUTION, POSITIONED, Portable, Tensors, padding
from study.errors import StudyError

FILE: Final = "network.onnx"
_OPSET: Final = 17  # of onnxruntime 1.12 and later
_IR: Final = 8


def write_onnx(network: Portable, file: Path) -> None:
    """Writes the graph. Raises StudyError without the package onnx."""
    try:
        import onnx  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise StudyError(
            "ONNX needs the package onnx: pip install -e '.[onnx]' in the clone"
        ) from error
    graph = _Graph(network)
    graph.build()
    helper = onnx.helper
    kinds = onnx.TensorProto
    images = helper.make_tensor_value_info("images", kinds.UINT8, ["batch", *network.image_shape])
    shares = helper.make_tensor_value_info("probabilities", kinds.FLOAT, ["batch", network.classes])
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in graph.tensors.items()]
    nodes = [
        helper.make_node(kind, inputs, [output], **attributes)
        for kind, inputs, output, attributes in graph.nodes
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "network", [images], [shares], tensors),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR,
        producer_name="dendritic-study",
    )
    onnx.checker.check_model(model)
    onnx.save_model(model, file)


@final
class _Graph:
    """The nodes and tensors of the graph, one layer after another."""

    def __init__(self, network: Portable) -> None:
        self._network = network
        self.nodes: list[tuple[str, list[str], str, dict[str, Any]]] = []
        self.tensors: dict[str, NDArray[Any]] = {}

    def build(self) -> None:
        """Adds all nodes, from `images` to `probabilities`."""
        network, architecture = self._network, self._network.architecture
        shape, replicates = network.image_shape, network.replicates
        inputs = math.prod(shape)
        x = self._add("Cast", ["images"], to=1)  # FLOAT
        x = self._add("Mul", [x, self._tensor(np.float32(1 / 255))])
        x = self._reshaped(x, -1, 1, inputs)
        x = self._add("Expand", [x, self._tensor(np.array([1, replicates, 1]))])
        for stage in range(architecture["layers"]):
            units = network.layer(f"stages.{stage}.units")
            cables = network.layer(f"stages.{stage}.cables")
            own = architecture["dendrite_slope"]
            slope = architecture["leaky_slope"]
            stride = network.stride(stage)
            x, inputs = self._layer(units, x, inputs, shape, stride)
            x = self._leaky(x, own if cables and own is not None else slope)
            if cables:
                x, inputs = self._layer(cables, x, inputs)
                x = self._leaky(x, slope)
            shape = network.next_shape(shape, stride)
        x, _ = self._layer(network.layer("readout"), x, inputs)
        x = self._add("Softmax", [x], axis=-1)
        self._add("ReduceMean", [x], output="probabilities", axes=[1], keepdims=0)

    def _layer(
        self, layer: Tensors, x: str, inputs: int, shape: tuple[int, ...] = (), stride: int = 1
    ) -> tuple[str, int]:
        """Adds a layer without its nonlinearity; returns its output and the number of its units."""
        weight, bias, replicates = layer["weight"], layer["bias"], self._network.replicates
        if weight.ndim == CONVOLUTION:
            return self._convolution(layer, x, shape, stride)
        units = bias.size // replicates
        if "columns" in layer:
            sums = self._sparse(layer, x, inputs, units)
        elif weight.ndim == POSITIONED:
            blocks = self._reshaped(x, -1, *weight.shape)
            terms = self._add("Mul", [blocks, self._tensor(weight)])
            summed = self._add("ReduceSum", [terms, self._tensor(np.array([3]))], keepdims=0)
            sums = self._reshaped(summed, -1, replicates, units)
        elif weight.shape[2] == inputs:
            rows = self._reshaped(x, -1, replicates, 1, inputs)
            product = self._add("MatMul", [rows, self._tensor(weight.transpose(0, 2, 1))])
            sums = self._reshaped(product, -1, replicates, units)
        else:
            blocks = self._reshaped(x, -1, *weight.shape)
            sums = self._sum(self._add("Mul", [blocks, self._tensor(weight)]))
        return self._add("Add", [sums, self._tensor(bias.reshape(replicates, units))]), units

    def _sparse(self, layer: Tensors, x: str, inputs: int, units: int) -> str:
        """The weighted sums of a sparse layer; units with fewer synapses get some of weight 0."""
        replicates, offsets = self._network.replicates, layer["offsets"].astype(np.int64)
        counts = np.diff(offsets)
        most = max(int(counts.max()), 1)
        places = np.arange(most) < counts[:, None]
        columns = np.zeros(places.shape, dtype=np.int64)
        weights = np.zeros(places.shape, dtype=np.float32)
        columns[places] = layer["columns"]
        weights[places] = layer["weight"].reshape(-1)
        flat = self._reshaped(x, -1, replicates * inputs)
        read = self._add("Gather", [flat, self._tensor(columns.reshape(-1))], axis=1)
        terms = self._add("Mul", [read, self._tensor(weights.reshape(-1))])
        return self._sum(self._reshaped(terms, -1, replicates, units, most))

    def _convolution(
        self, layer: Tensors, x: str, shape: tuple[int, ...], stride: int
    ) -> tuple[str, int]:
        """A convolution for each replicate, as groups of one convolution."""
        weight, bias = layer["weight"], layer["bias"]
        replicates, units, channels, side, _ = weight.shape
        channels_first = self._reshaped(x, -1, replicates * channels, *shape[1:])
        kernels = self._tensor(weight.reshape(replicates * units, channels, side, side))
        (top, bottom), (left, right) = (padding(length, side, stride) for length in shape[1:])
        convolved = self._add(
            "Conv",
            [channels_first, kernels, self._tensor(bias.reshape(-1))],
            strides=[stride, stride],
            pads=[top, left, bottom, right],
            group=replicates,
        )
        positions = math.prod(self._network.next_shape(shape, stride)[1:])
        return self._reshaped(convolved, -1, replicates, units * positions), units * positions

    def _leaky(self, x: str, slope: float) -> str:
        return self._add("LeakyRelu", [x], alpha=float(slope))

    def _sum(self, x: str) -> str:
        """The sum over the last axis."""
        return self._add("ReduceSum", [x, self._tensor(np.array([-1]))], keepdims=0)

    def _reshaped(self, x: str, *shape: int) -> str:
        return self._add("Reshape", [x, self._tensor(np.array(shape))])

    def _tensor(self, value: NDArray[Any] | np.generic) -> str:
        name = f"tensor{len(self.tensors)}"
        self.tensors[name] = np.ascontiguousarray(value)
        return name

    def _add(self, kind: str, inputs: list[str], output: str = "", **attributes: Any) -> str:  # noqa: ANN401  # ONNX's
        output = output or f"value{len(self.nodes)}"
        self.nodes.append((kind, inputs, output, attributes))
        return output
