"""Runs a command on the head of a Ray cluster whose machines are in network namespaces.

    python -m benchmarks.on_cluster [--workers N] [--lose MINUTES] COMMAND [ARGUMENT ...]

The head has no CPUs for trials, each worker one (`tests/support/cluster.py`). $RAY_ADDRESS of the
command is the cluster; files outside the disks of the machines are shared. With `--lose`, a worker
is switched off every so many minutes, each in turn, and on again when the head believes it dead.
The exit status is that of the command.
"""

import argparse
import sys
import threading
import time
from collections.abc import Sequence
from itertools import cycle

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
    names = [f"worker{number}" for number in range(1, given.workers + 1)]
    with machines() as (cables, folder):
        cluster = Cluster(cables, folder)
        for name in names:
            cluster.start_worker(name)
        cluster.wait_for_head()
        cluster.wait_for_nodes("head", *names)
        ended = threading.Event()
        losses = threading.Thread(target=_lose, args=(cluster, names, given.lose, ended))
        if given.lose is not None:
            losses.start()
        try:
            return cluster.run_on_head(*given.command)
        finally:
            ended.set()
            if losses.is_alive():
                losses.join()


def _lose(cluster: Cluster, names: Sequence[str], minutes: float, ended: threading.Event) -> None:
    """Switches a worker off and on again every so many minutes, until the command has ended."""
    for name in cycle(names):
        if ended.wait(60 * minutes):
            return
        print(f"{time.strftime('%H:%M:%S')} {name} is switched off", flush=True)
        cluster.machine(name).kill()
        cluster.wait_for_nodes("head", *(one for one in names if one != name))
        cluster.start_worker(name)
        cluster.wait_for_nodes("head", *names)
        print(f"{time.strftime('%H:%M:%S')} {name} is back", flush=True)


if __name__ == "__main__":
    sys.exit(main())
