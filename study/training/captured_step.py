"""A training step as a CUDA graph: captured once, then replayed on other images, at another rate.

For a small network, launching the kernels of a step one by one takes longer than the kernels; a replay
launches all of them at once (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs). A
graph has fixed kernels, and fixed memory for its inputs and results.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias, final

import torch
from torch import Tensor

from study.training.device import answers

Step: TypeAlias = Callable[[Tensor, float | Tensor], Tensor]
"""Image indices of a batch, (R, B), and a learning rate to the summed losses, (R,)."""

_WARM_UP: Final = 3  # steps before the capture, in which libraries allocate their workspaces


@final
class CapturedStep:
    """A step as a CUDA graph, for batches of the shape of `rows`.

    `state`: all tensors that a step changes; the capture leaves them unchanged. A call returns the same
    tensor each time. Raises the errors of the step and of its capture.
    """

    def __init__(self, step: Step, state: Sequence[Tensor], rows: Tensor) -> None:
        device = rows.device
        self._rows = rows.clone()
        self._rate = torch.zeros((), device=device)
        # If a capture fails, torch leaves its stream the current one; this context does not.
        with unchanged(state), torch.cuda.stream(torch.cuda.current_stream(device)):
            stream = torch.cuda.Stream(device)
            stream.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UP):
                    step(self._rows, self._rate)
            torch.cuda.current_stream(device).wait_stream(stream)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._losses = step(self._rows, self._rate)

    def __call__(self, rows: Tensor, rate: float | Tensor) -> Tensor:
        self._rows.copy_(rows)
        if isinstance(rate, Tensor):
            self._rate.copy_(rate)
        else:
            self._rate.fill_(rate)
        self._graph.replay()
        return self._losses


def captured(
    step: Step, state: Sequence[Tensor], rows: Tensor, clear: Callable[[], object]
) -> tuple[Step, str | None]:
    """The captured step and None; or, if the capture fails, the step itself and the reason.

    `clear` clears the gradients that a failed step has left, which the next one would add to. Raises
    the error of the capture if the device does not answer any more.
    """
    try:
        return CapturedStep(step, state, rows), None
    except RuntimeError as error:
        if not answers(rows.device):
            raise
        clear()
        return step, f"{type(error).__name__}: {' '.join(str(error).split())}"


@contextmanager
def unchanged(tensors: Sequence[Tensor]) -> Iterator[None]:
    """A context that restores the values of the tensors at its end."""
    before = [tensor.detach().clone() for tensor in tensors]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, old in zip(tensors, before, strict=True):
                tensor.copy_(old)


def seconds_of(run: Callable[[], object], device: torch.device, repetitions: int = 10) -> float:
    """Mean seconds per call on the device, after one call to warm up."""
    run()
    _wait_for(device)
    start = time.perf_counter()
    for _ in range(repetitions):
        run()
    _wait_for(device)
    return (time.perf_counter() - start) / repetitions


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
