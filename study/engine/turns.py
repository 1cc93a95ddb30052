"""Spreads work on several replicates over threads, each replicate in short turns."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Memory = TypeVar("_Memory")


def take_turns(
    tasks: Sequence[Iterator[Callable[[_Memory], None]]], memories: Sequence[_Memory]
) -> None:
    """Runs all turns of all tasks, those of one task in order, with a thread for each memory.

    A thread takes the task that has waited longest for one turn, and hands the turn its memory. So all
    tasks end at about the same time even where the threads do not divide them. Raises what a turn
    raises.
    """
    waiting = deque(tasks)

    def run(memory: _Memory) -> None:
        # A thread without a task ends: what the others hold is not more than they can do.
        while waiting:
            try:
                task = waiting.popleft()
            except IndexError:
                return
            turn = next(task, None)
            if turn is not None:
                turn(memory)
                waiting.append(task)

    if len(memories) == 1 or len(tasks) == 1:
        run(memories[0])
        return
    with ThreadPoolExecutor(len(memories)) as threads:
        for done in [threads.submit(run, memory) for memory in memories]:
            done.result()
