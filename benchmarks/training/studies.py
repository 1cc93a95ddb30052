"""Whole studies with either engine: the processor seconds of all their processes, and the time.

    python -m benchmarks.training.studies [--data DIR]

Prints JSON. The default study, and that of Fashion-MNIST in DIR, cut to a few trials. Every process of a
study is a descendant of this one or has its environment, and what each has used is read
four times a second.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
MARK = "STUDY_BENCHMARK"
ENGINES = ("torch", "auto")
TRIALS = 4
"""Of the study of Fashion-MNIST."""


def spent(command: list[str]) -> dict[str, float]:
    """Processor seconds and seconds of a command and of all that it starts."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    start = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603  # our own
        command, cwd=ROOT, env=os.environ | {MARK: mark}, stdout=subprocess.DEVNULL
    )
    used: dict[tuple[int, float], float] = {}
    others: set[tuple[int, float]] = set()
    while process.poll() is None:
        for one in psutil.process_iter():
            key = one.pid, one.create_time()
            if key in others:
                continue
            try:
                if key not in used and one.environ().get(MARK) != mark:
                    others.add(key)
                    continue
                times = one.cpu_times()
            except psutil.Error:
                continue
            used[key] = times.user + times.system
        time.sleep(0.25)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return {"processor": sum(used.values()), "wall": time.perf_counter() - start}


def compare(data: Path | None) -> dict[str, dict[str, dict[str, float]]]:
    """Of each study and each engine."""
    studies = {"digits": ["studies/digits.toml"]}
    if data is not None:
        cut = ["--set", f"dataset.root={data}", "--trials", str(TRIALS)]
        studies["fashion_mnist"] = ["studies/fashion_mnist.toml", *cut]
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, arguments in studies.items():
        for engine in ENGINES:
            with tempfile.TemporaryDirectory() as home:
                found.setdefault(name, {})[engine] = spent(
                    [
                        sys.executable,
                        "-m",
                        "study.cli",
                        "run",
                        *arguments,
                        "--home",
                        home,
                        "--set",
                        f"resources.engine={engine}",
                    ]
                )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training.studies", description=__doc__
    )
    parser.add_argument("--data", type=Path, help="the folder that has FashionMNIST/raw")
    print(json.dumps(compare(parser.parse_args().data)))


if __name__ == "__main__":
    main()
