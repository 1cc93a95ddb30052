"""Whole studies with either engine: the processor seconds of all their processes, and the time.

    python -m benchmarks.training.studies [--data DIR] [--before FOLDER]

Prints JSON, and writes benchmarks/results/training_studies.json. The default study, and that of
Fashion-MNIST in DIR. `--before`: a checkout of commit 66fd0a8, whose studies are run, too. Every process
of a study is a descendant of this one or has its environment, and what each has used is read four times
a second.
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

from benchmarks.machine import describe

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "training_studies.json"
MARK = "STUDY_BENCHMARK"
ENGINES = ("torch", "auto")
MAIN = "from study.cli import main; main()"
"""The command of a checkout that has no `study.cli.__main__`."""


def spent(command: list[str], root: Path = ROOT) -> dict[str, float]:
    """Processor seconds and seconds of a command in a checkout, and of all that it starts."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    start = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603  # our own
        command,
        cwd=root,
        env=os.environ | {MARK: mark, "PYTHONPATH": str(root)},
        stdout=subprocess.DEVNULL,
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


def compare(data: Path | None, before: Path | None) -> dict[str, dict[str, dict[str, float]]]:
    """Of each study: before, and with each engine."""
    studies = {"digits": ["studies/digits.toml"]}
    if data is not None:
        root = f"dataset.root={data.resolve()}"
        studies["fashion_mnist"] = ["studies/fashion_mnist.toml", "--set", root]
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, arguments in studies.items():
        of_study = found.setdefault(name, {})
        if before is not None:
            of_study["before"] = _of_study(["-c", MAIN, "run", *arguments], before.resolve())
        for engine in ENGINES:
            chosen = ["--set", f"resources.engine={engine}"]
            of_study[engine] = _of_study(["-m", "study.cli", "run", *arguments, *chosen], ROOT)
    return found


def _of_study(arguments: list[str], root: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as home:
        return spent([sys.executable, *arguments, "--home", home], root)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training.studies", description=__doc__
    )
    parser.add_argument("--data", type=Path, help="the folder that has FashionMNIST/raw")
    parser.add_argument("--before", type=Path, help="a checkout of commit 66fd0a8")
    options = parser.parse_args()
    result = {"machine": describe(), "studies": compare(options.data, options.before)}
    print(json.dumps(result))
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
