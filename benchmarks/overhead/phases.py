"""Where the time of a driver goes: a clock around methods, each charged only what is its own."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any, final

import psutil


@final
class Phases:
    """Seconds by phase. A method that is timed within another one is not charged to that one.

    `wall` counts what passes, `processor` what the thread computes, without its waiting.
    """

    def __init__(self) -> None:
        self.wall: defaultdict[str, float] = defaultdict(float)
        self.processor: defaultdict[str, float] = defaultdict(float)
        self._within = threading.local()

    def time(self, owner: type, *methods: str, phase: str) -> None:
        """From now on these methods of a class are timed."""
        for method in methods:
            setattr(owner, method, self._timed(getattr(owner, method), phase))

    def _timed(self, call: Callable[..., Any], phase: str) -> Callable[..., Any]:
        @wraps(call)
        def timed(*arguments: object, **named: object) -> object:
            stack = self._within.__dict__.setdefault("stack", [])
            stack.append([0.0, 0.0])
            wall, processor = time.perf_counter(), time.thread_time()
            try:
                return call(*arguments, **named)
            finally:
                wall, processor = time.perf_counter() - wall, time.thread_time() - processor
                inner_wall, inner_processor = stack.pop()
                self.wall[phase] += wall - inner_wall
                self.processor[phase] += processor - inner_processor
                if stack:
                    stack[-1][0] += wall
                    stack[-1][1] += processor

        return timed


def resident_mb() -> float:
    """The memory that this process holds now, in MiB."""
    return float(psutil.Process().memory_info().rss / 2**20)
