"""The latency and the memory of an exported network for one image, on this processor.

Measured is each replicate alone, in NumPy on one thread, as `study export` writes it.
"""

import math
import tempfile
import time
import tracemalloc
from copy import copy
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from models.network import Network
from models.portable import Portable
from models.storage import save_network

_MEASURED_S: Final = 0.1  # of the processor, for each replicate
_FEWEST: Final = 5  # calls


def latency_of(network: Network) -> dict[str, Tensor]:
    """`latency_ms` and `memory_mb` of each replicate, shape (R,) each.

    The latency is that of the fastest call within a tenth of a second of processor time: other
    processes, such as other trials, make calls slower, and with them a mean or a median. The memory, in
    10^6 bytes, is that of the tensors and of the largest sum of arrays at once; it is the same in every
    measurement.
    """
    with tempfile.TemporaryDirectory() as folder:
        save_network(network, folder)
        portable = Portable(Path(folder))
    image = np.zeros((1, *portable.image_shape), dtype=np.uint8)
    latencies, memories = [], []
    with threadpool_limits(1):
        for number in range(portable.replicates):
            replicate = replicate_of(portable, number)
            memories.append(_memory(replicate, image))  # also the first calls, which take longer
            latencies.append(_latency(replicate, image))
    return {
        "latency_ms": torch.tensor(latencies, dtype=torch.float64),
        "memory_mb": torch.tensor(memories, dtype=torch.float64),
    }


def replicate_of(network: Portable, number: int) -> Portable:
    """A network of one replicate alone, from 0."""
    one = copy(network)
    one.replicates = 1
    one.tensors = {
        name: value[number : number + 1]
        for name, value in network.tensors.items()
        if not name.endswith((".columns", ".offsets"))
    }
    for name in [name for name in network.tensors if name.endswith(".offsets")]:
        layer = name.removesuffix(".offsets")
        offsets, columns = network.tensors[name], network.tensors[f"{layer}.columns"]
        units = (len(offsets) - 1) // network.replicates
        own = offsets[number * units : (number + 1) * units + 1]
        # Each replicate reads its own inputs, which follow those of the one before.
        inputs = _inputs(network, layer)
        one.tensors[f"{layer}.columns"] = columns[own[0] : own[-1]] - number * inputs
        one.tensors[name] = own - own[0]
    return one


def _inputs(network: Portable, layer: str) -> int:
    """The number of inputs of a layer of one replicate."""
    read = math.prod(network.image_shape)
    for stage in range(network.architecture["layers"]):
        for part in ("units", "cables"):
            if layer == f"stages.{stage}.{part}":
                return read
            bias = network.tensors.get(f"stages.{stage}.{part}.bias")
            read = read if bias is None else bias.size // network.replicates
    return read


def _latency(network: Portable, image: NDArray[np.uint8]) -> float:
    calls, fastest = 0, math.inf
    end = time.thread_time() + _MEASURED_S
    while calls < _FEWEST or time.thread_time() < end:
        start = time.perf_counter()
        network.probabilities(image)
        fastest = min(fastest, time.perf_counter() - start)
        calls += 1
    return 1000 * fastest


def _memory(network: Portable, image: NDArray[np.uint8]) -> float:
    network.probabilities(image)  # the first call allocates more, once in a process
    tracemalloc.start()
    try:
        network.probabilities(image)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (peak + sum(tensor.nbytes for tensor in network.tensors.values())) / 1e6
