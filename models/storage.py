"""Saves and loads one network: weights and wiring as safetensors, the rest as JSON; no pickle."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from models.architecture import Architecture
from models.building import build
from models.network import Network

LAYOUT: Final = 1
TENSORS: Final = "network.safetensors"
DESCRIPTION: Final = "network.json"


def save_network(network: Network, folder: Path | str) -> None:
    """Writes `network.safetensors` and `network.json` into the folder, which is created if needed."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Copies: after training, weights are views of one tensor, which safetensors rejects.
    tensors = {name: value.cpu().clone() for name, value in network.state_dict().items()}
    save_file(tensors, folder / TENSORS)
    description = {
        "layout": LAYOUT,
        "architecture": asdict(network.architecture),
        "image_shape": list(network.image_shape),
        "classes": network.classes,
        "seeds": list(network.seeds),
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def load_network(folder: Path | str) -> Network:
    """Loads the network that `save_network` wrote, on the CPU, in evaluation mode.

    The wiring is the stored one, so the result does not depend on the version that loads it. Raises
    FileNotFoundError if a file is missing, ValueError if one is damaged or of another layout.
    """
    folder = Path(folder)
    try:
        network = _outline(json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / DESCRIPTION} does not describe a network: {error}") from error
    try:
        network.load_state_dict(load_file(folder / TENSORS))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{folder / TENSORS} does not hold the network: {reason}") from error
    return network.eval()


def _outline(description: dict[str, Any]) -> Network:
    """A network of the described shape; its weights and wiring are to be replaced."""
    if description["layout"] != LAYOUT:
        raise ValueError(f"`layout == {LAYOUT}` must hold, got {description['layout']}")
    channels, height, width = description["image_shape"]
    return build(
        Architecture(**description["architecture"]),
        image_shape=(channels, height, width),
        classes=description["classes"],
        seeds=description["seeds"],
    )
