"""Spreads work on several replicates over threads, each replicate in short turns."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, TypeVar, final

_Memory = TypeVar("_Memory")


@final
class Turns(Generic[_Memory]):
    """Threads that share tasks, each with a memory of its own.

    Each works in a context of its own from `within`, and the caller waits for them in another one. The
    threads stay: new ones often begin on one core, and wait milliseconds for the other.
    """

    def __init__(
        self,
        memories: Sequence[_Memory],
        within: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._memories = memories
        self._within = within
        self._threads = ThreadPoolExecutor(len(memories)) if len(memories) > 1 else None

    def take(self, tasks: Sequence[Iterator[Callable[[_Memory], None]]]) -> None:
        """Runs all turns of all tasks, those of one task in order.

        A thread takes the task that has waited longest for one turn, and hands the turn its memory. So
        all tasks end at about the same time even where the threads do not divide them. Raises what a
        turn raises.
        """
        waiting = deque(tasks)

        def run(memory: _Memory) -> None:
            # A thread without a task ends: what the others hold is not more than they can do.
            with self._within():
                while waiting:
                    try:
                        task = waiting.popleft()
                    except IndexError:
                        return
                    turn = next(task, None)
                    if turn is not None:
                        turn(memory)
                        waiting.append(task)

        if self._threads is None or len(tasks) == 1:
            run(self._memories[0])
            return
        with self._within():
            for done in [self._threads.submit(run, memory) for memory in self._memories]:
                done.result()
