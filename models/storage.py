"""Saves and loads one network: weights and wiring as safetensors, the rest as JSON; no pickle."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from reprlib import repr as short
from typing import Final, final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from models.architecture import LARGEST, MOST_PARAMETERS, Architecture, ImageShape
from models.building import LARGEST_SEED, outline
from models.counting import counts_of
from models.layers import SparseLayer
from models.network import Network

LAYOUT: Final = 1
TENSORS: Final = "network.safetensors"
DESCRIPTION: Final = "network.json"

_MOST_BYTES: Final = 1_000_000  # of a description
_LONGEST_REASON: Final = 300


def save_network(network: Network, folder: Path | str) -> None:
    """Writes `network.safetensors` and `network.json` into the folder, which is created if needed."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in network_files(network).items():
        (folder / name).write_bytes(data)


def network_files(network: Network) -> dict[str, bytes]:
    """The contents of the files that `save_network` writes, by their names."""
    # Copies: after training, weights are views of one tensor, which safetensors rejects.
    tensors = {name: value.cpu().clone() for name, value in network.state_dict().items()}
    description = {
        "layout": LAYOUT,
        "architecture": asdict(network.architecture),
        "image_shape": list(network.image_shape),
        "classes": network.classes,
        "seeds": list(network.seeds),
    }
    text = json.dumps(description, indent=2) + "\n"
    return {TENSORS: save(tensors), DESCRIPTION: text.encode()}


def load_network(folder: Path | str) -> Network:
    """Loads the network that `save_network` wrote, on the CPU, in evaluation mode.

    The wiring is the stored one, so the result does not depend on the version that loads it. Memory
    and time are proportional to the stored tensors, whatever the description says. Raises
    FileNotFoundError if a file is missing, ValueError if one is damaged or of another layout.
    """
    tensors_file, description_file = Path(folder) / TENSORS, Path(folder) / DESCRIPTION
    try:
        with description_file.open("rb") as file:
            described = _Described.read(file.read(_MOST_BYTES + 1))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(description_file, "describe a network", error) from error
    try:
        tensors = load_file(tensors_file)
        network = described.outline(tensors)
        network.load_state_dict(tensors)
        _check_wiring(network)
    except (SafetensorError, RuntimeError, ValueError) as error:
        raise _damaged(tensors_file, "hold the network", error) from error
    return network.eval()


def _damaged(file: Path, does: str, error: Exception) -> ValueError:
    reason, *_ = str(error).splitlines() or [type(error).__name__]
    return ValueError(f"{file} does not {does}: {reason[:_LONGEST_REASON]}")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Described:
    """The description of a stored network."""

    architecture: Architecture
    image_shape: ImageShape
    classes: int
    seeds: list[int]

    @classmethod
    def read(cls, text: bytes) -> "_Described":
        """Reads a description; raises ValueError, KeyError or TypeError if it is invalid."""
        if len(text) > _MOST_BYTES:
            raise ValueError(f"`bytes <= {_MOST_BYTES}` must hold, got more")
        table = json.loads(text)
        if table["layout"] != LAYOUT:
            raise ValueError(f"`layout == {LAYOUT}` must hold, got {short(table['layout'])}")
        channels, height, width = (_count(size, "image_shape") for size in table["image_shape"])
        seeds = [_count(seed, "seeds", least=0, most=LARGEST_SEED) for seed in table["seeds"]]
        inputs, most = channels * height * width, LARGEST["synapses"]
        if inputs > most or inputs * len(seeds) > MOST_PARAMETERS:
            raise ValueError(
                f"`inputs <= {most}` and `replicates x inputs <= {MOST_PARAMETERS}` must hold, "
                f"got inputs={inputs}, replicates={len(seeds)}"
            )
        return cls(
            architecture=Architecture(**table["architecture"]),
            image_shape=(channels, height, width),
            classes=_count(table["classes"], "classes"),
            seeds=seeds,
        )

    def outline(self, tensors: Mapping[str, Tensor]) -> Network:
        """The network without values; raises ValueError unless the tensors have as many parameters."""
        stored = sum(
            value.numel() for name, value in tensors.items() if name.endswith((".weight", ".bias"))
        )
        parameters, _ = counts_of(self.architecture, self.image_shape, self.classes)
        if parameters * len(self.seeds) != stored:
            raise ValueError(
                f"each of {len(self.seeds)} replicates must have {parameters} parameters, "
                f"got {stored} in total"
            )
        return outline(self.architecture, self.image_shape, self.classes, self.seeds)


def _count(value: object, name: str, *, least: int = 1, most: int = MOST_PARAMETERS) -> int:
    if not (type(value) is int and least <= value <= most):
        raise ValueError(f"`{least} <= {name} <= {most}` must hold, got {name}={short(value)}")
    return value


def _check_wiring(network: Network) -> None:
    """Raises ValueError if a unit reads inputs that do not exist, which torch's kernels do not check."""
    for layer in network.layers:
        if not isinstance(layer, SparseLayer):
            continue
        for replicate in range(network.replicates):
            inputs, offsets = layer.connections(replicate)
            ends = (0, len(inputs)) == (int(offsets[0]), int(offsets[-1]))
            if not ends or (torch.diff(offsets) < 0).any():
                raise ValueError("the offsets of a layer must rise from 0 to its connections")
            if ((inputs < 0) | (inputs >= layer.inputs)).any():
                raise ValueError(f"`0 <= columns < {layer.inputs}` of a layer must hold")
