"""The device that trains a network, and its arithmetic, which is the same for all families."""

import os
import socket
from pathlib import Path
from typing import Final

import torch

from study.errors import StudyError

UNUSABLE: Final = "torch must be able to use the GPU that a trial is given"
"""The rule that a node breaks if its driver or its torch does not support its GPU."""

_OF_MEMORY: Final = 0.9  # of a trial's share of a GPU; CUDA itself takes the rest
_OUT_OF_MEMORY: Final = 2  # cudaErrorMemoryAllocation
_DRIVER: Final = Path("/proc/driver/nvidia/version")


def training_device(gpus: float) -> torch.device:
    """The device for a trial with this share of a GPU: the CPU for 0.

    The process is limited to nine tenths of that share of the memory, since Ray only counts shares.
    Raises StudyError, with the reason, if torch cannot use the GPU.
    """
    if not gpus:
        return torch.device("cpu")
    device = torch.device("cuda")
    try:
        torch.zeros(1, device=device)
    except (AssertionError, RuntimeError) as error:  # torch without CUDA fails an assertion
        raise StudyError(
            f"{UNUSABLE}, got {gpus:g} GPUs on {socket.gethostname()} "
            f"(CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES', 'unset')}), "
            f"driver: {_driver()}, torch {torch.__version__} built for CUDA "
            f"{torch.version.cuda or 'not at all'}; torch.cuda: {' '.join(str(error).split())}"
        ) from error
    if gpus < 1:
        torch.cuda.set_per_process_memory_fraction(_OF_MEMORY * gpus)
    return device


def set_arithmetic() -> None:
    """Sets the arithmetic of this process for all families: single precision, and reproducible.

    Without TF32, cuDNN's default for convolutions, whose mantissa has 10 bits; with the deterministic
    algorithms of cuDNN and cuBLAS, and without cuDNN's benchmarks, which choose algorithms by speed.
    """
    # Must be set before CUDA starts: docs.nvidia.com/cuda/cublas, "Results reproducibility".
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def device_name(device: torch.device) -> str:
    """The type of the device, and the model of a GPU: `cpu`, `cuda (NVIDIA H100 80GB HBM3)`."""
    if device.type != "cuda":
        return device.type
    return f"{device.type} ({torch.cuda.get_device_name(device)})"


def is_lost(error: Exception, device: torch.device) -> bool:
    """Whether the process can no longer use its device after this error of a trial.

    Most errors of a GPU, such as an illegal access, are permanent: every later call fails with them
    until the process ends. A lack of memory is not.
    """
    if isinstance(error, torch.AcceleratorError):
        return getattr(error, "error_code", None) != _OUT_OF_MEMORY
    # A later call reports the error of a kernel, and cuBLAS raises plain RuntimeErrors.
    return not answers(device)


def answers(device: torch.device) -> bool:
    """Whether the device still computes."""
    if device.type == "cuda":
        try:
            torch.cuda.synchronize(device)  # needs no memory, and raises what happened before
        except torch.AcceleratorError:
            return False
    return True


def _driver() -> str:
    try:
        return _DRIVER.read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError):
        return f"none ({_DRIVER} does not exist)"
