"""The checkpoint of a running trial: one file, without pickle."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

_STATE: Final = "state"
_LENGTH_BYTES: Final = 8  # of the header of the format, which has its length before it


def to_bytes(tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> bytes:
    """The contents of a checkpoint; `numbers` are JSON types, and have the trial's `config`."""
    return save(
        # Copies: parameters can be views of one tensor, which safetensors rejects.
        {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()},
        metadata={_STATE: json.dumps(numbers)},
    )


def from_bytes(
    data: bytes, accepts: Callable[[Mapping[str, Any]], bool], device: torch.device
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on the device, and the numbers of a checkpoint.

    Raises ValueError if it is damaged, or `accepts` rejects the configuration of its trial.
    """
    try:
        tensors = load(data)  # checks the header, too
        numbers = json.loads(_metadata(data)[_STATE])
        accepted = accepts(numbers["config"])
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"its checkpoint is damaged: {error}") from error
    if not accepted:
        raise ValueError("its checkpoint is that of another trial")
    return {name: tensor.to(device) for name, tensor in tensors.items()}, numbers


def _metadata(data: bytes) -> dict[str, str]:
    """The metadata in the header, which safetensors reads from files only."""
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    header: dict[str, dict[str, str]] = json.loads(data[_LENGTH_BYTES : _LENGTH_BYTES + length])
    return header["__metadata__"]
