"""The device of a training, and which errors end its process."""

import subprocess
import sys

import pytest
import torch

from study.errors import StudyError
from study.training.device import UNUSABLE, device_name, is_lost, training_device

CPU = torch.device("cpu")


def test_a_trial_without_a_gpu_is_trained_on_the_cpu():
    assert training_device(0.0) == CPU
    assert device_name(CPU) == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="the GPU of this machine can be used")
def test_a_gpu_that_torch_cannot_use_is_refused_with_the_reason(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(StudyError) as caught:
        training_device(0.5)
    message = str(caught.value)
    assert message.startswith(f"{UNUSABLE}, got 0.5 GPUs on ")
    for part in ("CUDA_VISIBLE_DEVICES=3", "driver: ", f"torch {torch.__version__} built for CUDA"):
        assert part in message
    reason = message.partition("torch.cuda: ")[2]
    assert reason
    assert "\n" not in message


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (torch.AcceleratorError("CUDA error: device-side assert triggered"), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_the_device_is_told_from_one_of_the_trial(error, lost):
    assert is_lost(error, CPU) is lost


def test_a_gpu_whose_memory_ran_out_outside_of_torchs_allocator_is_not_lost():
    error = torch.AcceleratorError("CUDA error: out of memory")
    error.error_code = 2  # as torch sets it, from cudaErrorMemoryAllocation
    assert not is_lost(error, CPU)


@pytest.mark.slow
def test_the_arithmetic_is_single_precision_and_reproducible():
    """In a process of its own, in which something else was set before."""
    code = """
import os, torch
torch.set_float32_matmul_precision("medium")
torch.backends.cudnn.benchmark = True
from study.training.device import set_arithmetic
set_arithmetic()
assert torch.get_float32_matmul_precision() == "highest"
assert not torch.backends.cuda.matmul.allow_tf32
cudnn = torch.backends.cudnn
assert (cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark) == (False, True, False)
assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
