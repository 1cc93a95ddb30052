"""Counts of one replicate, taken from the network as built: every weight that it stores is live."""

from models.network import Network


def count_parameters(network: Network) -> int:
    """Trainable parameters of one replicate: live weights and all biases."""
    return sum(parameter[0].numel() for parameter in network.parameters())


def count_macs(network: Network) -> int:
    """Multiply-accumulates of one replicate for one image, forward; biases are not counted.

    Every weight that is stored is used exactly once an image.
    """
    return sum(layer.weight[0].numel() for layer in network.layers)
