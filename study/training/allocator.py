"""Keeps freed memory in the process, so that a training step does not fetch it anew each time."""

import ctypes
import sys
from typing import Final

# From glibc's malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_THRESHOLD: Final = 2**30


def keep_freed_memory() -> None:
    """On Linux with glibc: activations of some megabytes come from the heap, and go back to it.

    Otherwise each is mapped and unmapped in every step, and its pages are made anew: up to half of
    the time of a step (benchmarks/training.py). Elsewhere this does nothing.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _THRESHOLD)
