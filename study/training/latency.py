"""The latency and the memory of an exported network for one image, on this processor.

Measured is each replicate alone, in NumPy on one thread, as `study export` writes it.
"""

import math
import tempfile
import time
import tracemalloc
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
            replicate = portable.replicate(number)
            memories.append(_memory(replicate, image))  # also the first calls, which take longer
            latencies.append(_latency(replicate, image))
    return {
        "latency_ms": torch.tensor(latencies, dtype=torch.float64),
        "memory_mb": torch.tensor(memories, dtype=torch.float64),
    }


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
