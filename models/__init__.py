"""Dendritic and vanilla networks. Public names load on first use: most of them import torch."""

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from models.architecture import FAMILIES as FAMILIES
    from models.architecture import Architecture as Architecture
    from models.architecture import Family as Family
    from models.building import build as build
    from models.network import Network as Network
    from models.network import count_macs as count_macs
    from models.network import count_parameters as count_parameters
    from models.storage import load_network as load_network
    from models.storage import save_network as save_network

_NAMES: Final = {
    "models.architecture": "Architecture FAMILIES Family",
    "models.building": "build",
    "models.network": "Network count_macs count_parameters",
    "models.storage": "load_network save_network",
}
_SOURCES: Final = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_SOURCES)  # noqa: PLE0605  # the names above


def __getattr__(name: str) -> object:
    """The public name, from its module (PEP 562)."""
    if name not in _SOURCES:
        raise AttributeError(f"module 'models' has no attribute {name!r}")
    return getattr(importlib.import_module(_SOURCES[name]), name)


def __dir__() -> list[str]:
    return __all__
