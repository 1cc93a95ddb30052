"""What a trial has in the store of a study until all of it is recorded: a folder of its own."""

from pathlib import Path
from typing import Final

NETWORK: Final = "network"
"""The folder of the stored network."""

EXAMPLE: Final = "example.npy"
"""Two images that the network can be tried on, uint8, (2, channels, height, width).

Written after the network: where this is, the network is whole.
"""

HISTORY: Final = "history.json"
"""The metrics of every epoch."""

DISTRIBUTIONS: Final = "diagnostics.json"
"""Histograms of the network's units and weights (`study.training.diagnostics`), by name."""

NOT_SHARED: Final = "the home must be on storage that every node of the cluster shares"
"""The rule that a node breaks which does not see where trials are kept."""


def trial_folder(store: Path, number: int) -> Path:
    """The folder of a trial."""
    return store / f"trial-{number}"
