"""Records what a user sees who submits a study to a cluster of which a machine dies.

Makes a head, two workers with one CPU each, an MLflow server with a password and PostgreSQL, and a
desk, each a machine in network namespaces (`tests/support/cluster.py`); types commands at the desk, and
writes them with what they print. The disk of each machine is written as ~.

    python -m benchmarks.pages.cluster_run [--to docs/cluster_run.txt]
"""

import argparse
import re
import shlex
import time
from pathlib import Path

from benchmarks.machine import describe
from tests.support.cluster import Cluster, cluster_with_records  # the machines of the tests

STUDY = (
    *("submit", "studies/digits.toml", "--trials", "8", "--set", "budget.epochs=80"),
    *("--set", "space.dendrites=16", "--set", "space.somata=[64,128,256]"),
)


class Recording:
    """What was typed and printed, in order, with the seconds since the start."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._start = time.monotonic()
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        passed = time.monotonic() - self._start
        self.lines += ["", f"# {passed:.0f} s: {text}"]
        print(self.lines[-1])

    def type(self, *arguments: object, **settings: str) -> None:
        """Runs a `study` command at the desk to its end."""
        self.lines.append(f"$ study {shlex.join(map(str, arguments))}")
        print(self.lines[-1])
        with self._cluster.following(*arguments, **settings) as process:
            for line in process.stdout:
                self.lines.append(line.rstrip())
                print(self.lines[-1])


def record(cluster: Cluster) -> list[str]:
    """The run: submit, status, a machine dies, logs, list, best."""
    made = Recording(cluster)
    where = ("--address", cluster.address)
    store = ("--tracking-uri", cluster.records)
    made.say("a study is submitted from the desk, which need not stay")
    made.type(*STUDY, *where, *store, **cluster.user)
    time.sleep(30)
    made.say("while it runs")
    made.type("status", "digits", *where)
    made.say("the machine worker1 is switched off")
    cluster.machine("worker1").kill()
    made.type("logs", "digits", "-f", *where)
    made.say("the study is done")
    made.type("list", *where)
    made.type("best", "digits", "--limit", 5, *store, **cluster.user)
    return made.lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, help="the file to write; by default none")
    options = parser.parse_args()
    with cluster_with_records() as cluster:
        lines = [line.replace(str(cluster.place), "~") for line in record(cluster)]
    text = "\n".join(re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines).lstrip("\n")
    if options.to:
        found = describe()
        versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
        head = f"# {found['command']}\n# {found['cores']} cores for all machines, {versions}\n\n"
        options.to.write_text(head + text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
