"""The networks and images of the benchmark, and how a step is timed."""

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from models import FAMILIES, Architecture, Network, build
from models.layers import SPARSE_FORMS, SparseForm
from study.training.captured_step import seconds_of
from study.training.split import Split
from study.training.torch_engine import TorchEngine

SHAPE: Final = (1, 28, 28)
CLASSES: Final = 10
SYNAPSES: Final = 16
RATE: Final = 1e-3
_MOST_PARAMETERS: Final = 3e8  # of all replicates: building a larger network takes many seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured; `sizes` are (dendrites, somata), `seconds` are those of one timing."""

    sizes: tuple[tuple[int, int], ...]
    replicates: tuple[int, ...]
    fused: tuple[int, ...]
    processes: tuple[int, ...]
    images: int
    batch: int
    seconds: float


SCALES: Final = {
    "cuda": Scale(
        sizes=((1, 32), (4, 128), (16, 256), (64, 512)),
        replicates=(1, 5, 20),
        fused=(1, 8, 32, 128),
        processes=(1, 2, 4, 8, 16),
        images=54_000,
        batch=128,
        seconds=0.15,
    ),
    "cpu": Scale(
        sizes=((1, 4), (2, 8)),
        replicates=(1, 2),
        fused=(1, 3),
        processes=(1, 2),
        images=300,
        batch=32,
        seconds=0.005,
    ),
}


@dataclass(frozen=True, slots=True)
class Bench:
    """The device and the scale of a step of the benchmark, and the time at which it ends."""

    device: torch.device
    scale: Scale
    deadline: float

    @property
    def late(self) -> bool:
        """Whether the time of the step is over."""
        return time.monotonic() > self.deadline

    def seconds(self, run: Callable[[], object]) -> float:
        """Mean seconds per call, over at least three calls."""
        first = seconds_of(run, self.device, 1)
        repetitions = min(300, max(3, int(self.scale.seconds / max(first, 1e-6))))
        return seconds_of(run, self.device, repetitions)


def network(family: str, size: tuple[int, int], replicates: int) -> Network:
    dendrites, somata = size
    kind = FAMILIES[family]
    architecture = Architecture(
        family=family,
        dendrites=dendrites if kind.has_dendrites else None,
        somata=somata,
        synapses=SYNAPSES if kind.counts_synapses else None,
    )
    return build(architecture, SHAPE, CLASSES, list(range(replicates)))


def engine(made: Network, bench: Bench) -> TorchEngine:
    """The engine that trains the network; the network is moved to the device."""
    made.to(bench.device).train()
    return TorchEngine(made, random_images(bench.scale.images, bench.device), bench.scale.batch)


def release_memory(bench: Bench) -> None:
    """Frees what earlier networks took of the device."""
    gc.collect()
    if bench.device.type == "cuda":
        torch.cuda.empty_cache()


@cache
def random_images(count: int, device: torch.device) -> Split:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, *SHAPE), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, CLASSES, (count,), generator=generator)
    return Split(images, labels).to(device)


def batch_rows(made: Network, bench: Bench) -> Tensor:
    """Indices of the images of a batch, (R, B)."""
    generator = torch.Generator().manual_seed(1)
    shape = (made.replicates, bench.scale.batch)
    return torch.randint(0, bench.scale.images, shape, generator=generator).to(bench.device)


def forms_to_try(made: Network) -> tuple[SparseForm, ...]:
    """All forms where there are sparse layers, else one."""
    return SPARSE_FORMS if made.sparse_layers else SPARSE_FORMS[:1]


def use_form(made: Network, form: SparseForm) -> None:
    for layer in made.sparse_layers:
        layer.form = form


def too_large(family: str, size: tuple[int, int], replicates: int) -> bool:
    """Whether a network has too many weights in dense layers to be built in time."""
    units, somata = size[0] * size[1], size[1]
    cells = units * somata if FAMILIES[family].cables == "all" else 0
    cells += units * 784 if FAMILIES[family].synapses == "all" else 0
    return replicates * cells > _MOST_PARAMETERS


def launches(run: Callable[[], object], device: torch.device) -> int:
    """The number of kernels that a call launches on a GPU; on a CPU, of torch's operators."""
    if device.type == "cpu":
        with counted_operators() as counts:
            run()
        return counts.total()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        run()
        torch.cuda.synchronize(device)
    kind = torch.autograd.DeviceType.CUDA  # type: ignore[attr-defined]  # public, not in __all__
    return sum(event.device_type == kind for event in profile.events())


@contextmanager
def counted_operators() -> Iterator[Counter[str]]:
    counts: Counter[str] = Counter()

    class Count(TorchDispatchMode):
        def __torch_dispatch__(
            self,
            function: Any,  # noqa: ANN401  # torch's operator
            types: Any,  # noqa: ANN401  # as torch calls it
            arguments: Any = (),  # noqa: ANN401
            keywords: Any = None,  # noqa: ANN401
        ) -> Any:  # noqa: ANN401
            counts[str(function)] += 1
            return function(*arguments, **(keywords or {}))

    with Count():  # type: ignore[no-untyped-call]  # of a class within a function
        yield counts
