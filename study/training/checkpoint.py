"""The checkpoint of a running trial: one file, replaced as a whole, without pickle."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

_SHARE: Final = 20  # of the time of a trial, checkpoints take one part in this many
_FIRST_WRITE_S: Final = 0.005  # a guess, until one is measured
_STATE: Final = "state"


@final
class Checkpoints:
    """The checkpoints of one trial, in a folder shared with its next worker.

    Writing after every epoch would be slow: after a write of 5 ms, the next is due 100 ms later.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "checkpoint.safetensors"
        self._write_s = _FIRST_WRITE_S
        self._written_at = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether enough time has passed since the last checkpoint."""
        return time.monotonic() - self._written_at >= _SHARE * self._write_s

    def save(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Replaces the checkpoint. Raises OSError, and leaves the old one, if it cannot be written."""
        start = time.monotonic()
        new = self._file.with_suffix(".new")
        new.parent.mkdir(parents=True, exist_ok=True)
        try:
            save_file(
                # Copies: parameters can be views of one tensor, which safetensors rejects.
                {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()},
                new,
                metadata={_STATE: json.dumps(numbers)},
            )
            with new.open("rb") as file:
                # Otherwise a power cut could leave an empty file under the new name.
                os.fsync(file.fileno())
        except SafetensorError as error:
            raise OSError(f"cannot write {new}: {error}") from error
        new.replace(self._file)
        self._written_at = time.monotonic()
        self._write_s = self._written_at - start

    def load(
        self, config: Mapping[str, Any], device: torch.device
    ) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Loads the last checkpoint, None if there is none.

        Raises ValueError if it is damaged, or belongs to a trial with another configuration.
        """
        if not self._file.exists():
            return None
        try:
            with safe_open(self._file, framework="pt", device=str(device)) as file:
                numbers = json.loads((file.metadata() or {})[_STATE])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict
        except (SafetensorError, KeyError, OSError, ValueError) as error:
            raise ValueError(f"its checkpoint {self._file} is damaged: {error}") from error
        if numbers.get("config") != config:
            raise ValueError(f"its checkpoint {self._file} is that of another trial")
        return tensors, numbers

    def discard(self) -> None:
        """Deletes a damaged checkpoint."""
        self._file.unlink(missing_ok=True)
