"""Runs a command on the head of a Ray cluster whose machines are in network namespaces.

    python -m benchmarks.on_cluster [--workers N] [--lose MINUTES] COMMAND [ARGUMENT ...]

The head has no CPUs for trials, each worker one (`tests/support/cluster.py`). $RAY_ADDRESS of the
command is the cluster; files outside the disks of the machines are shared. With `--lose`, a worker
is switched off, each in turn, so many minutes after the last one came back, and on again when the head
believes it dead. The exit status is that of the command, 1 if a worker did not come back.
"""

import argparse
import sys
import threading
import time
from collections.abc import Sequence
from itertools import cycle
from typing import final

from tests.support.cluster import Cluster, machines


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    parser.add_argument(
        "--lose", type=float, metavar="MINUTES", help="by default no worker is lost"
    )
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(words)
    if not given.command:
        parser.error("a COMMAND must be given")
    if given.workers < 1 or (given.lose is not None and given.lose <= 0):
        parser.error(
            f"`workers >= 1` and `lose > 0` must hold, got workers={given.workers}, lose={given.lose}"
        )
    names = [f"worker{number}" for number in range(1, given.workers + 1)]
    with machines() as (cables, folder):
        cluster = Cluster(cables, folder)
        for name in names:
            cluster.start_worker(name)
        cluster.wait_for_head()
        cluster.wait_for_nodes("head", *names)
        if given.lose is None:
            return int(cluster.run_on_head(*given.command))
        losses = _Losses(cluster, names, given.lose)
        losses.start()
        status = cluster.run_on_head(*given.command)
        losses.ended.set()
        losses.join()
        return status or int(losses.failed)


@final
class _Losses(threading.Thread):
    """Switches a worker off and on again, until `ended`; `failed` if one did not come back."""

    def __init__(self, cluster: Cluster, names: Sequence[str], minutes: float) -> None:
        super().__init__(daemon=True)
        self._cluster, self._names, self._minutes = cluster, names, minutes
        self.ended, self.failed = threading.Event(), False

    def run(self) -> None:
        for name in cycle(self._names):
            if self.ended.wait(60 * self._minutes):
                return
            self._say(f"{name} is switched off")
            self._cluster.machine(name).kill()
            try:
                self._cluster.wait_for_nodes("head", *(one for one in self._names if one != name))
                self._cluster.start_worker(name)
                self._cluster.wait_for_nodes("head", *self._names)
            except AssertionError as error:
                self._say(f"{name} did not come back: {error}")
                self.failed = True
                return
            self._say(f"{name} is back")

    def _say(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
