"""Dendritic and vanilla networks, several replicates in one torch module."""

from models.architecture import FAMILIES, Architecture, Family
from models.counting import count_macs, count_parameters
from models.network import Network, build
from models.storage import load_network, save_network

__all__ = [
    "FAMILIES",
    "Architecture",
    "Family",
    "Network",
    "build",
    "count_macs",
    "count_parameters",
    "load_network",
    "save_network",
]
