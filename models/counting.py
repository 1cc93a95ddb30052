"""Counts of one replicate, taken from the network as built: every weight that it stores is live."""

from models.layers import ConvolutionLayer
from models.network import Network
from models.stage import Layer


def count_parameters(network: Network) -> int:
    """Trainable parameters of one replicate: live weights and all biases."""
    return sum(parameter[0].numel() for parameter in network.parameters())


def count_macs(network: Network) -> int:
    """Multiply-accumulates of one replicate for one image, forward; biases are not counted.

    Every weight that is stored is used once an image, those of a convolution once a position.
    """
    return sum(layer.weight[0].numel() * _positions(layer) for layer in network.layers)


def _positions(layer: Layer) -> int:
    if not isinstance(layer, ConvolutionLayer):
        return 1
    _, height, width = layer.shape
    return ((height + 1) // 2) * ((width + 1) // 2)
