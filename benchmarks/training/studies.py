"""Whole studies with either engine: the processor seconds of all their processes, and the time.

    python -m benchmarks.training.studies [--data DIR]

Prints JSON, and writes benchmarks/results/training_studies.json. The default study, and that of
Fashion-MNIST in DIR. Every process of a study is a descendant of this one or has its environment, and
what each has used is read four times a second.
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


def spent(command: list[str]) -> dict[str, float]:
    """Processor seconds and seconds of a command, and of all that it starts."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    start = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603  # our own
        command,
        cwd=ROOT,
        env=os.environ | {MARK: mark, "PYTHONPATH": str(ROOT)},
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


def compare(data: Path | None) -> dict[str, dict[str, dict[str, float]]]:
    """Of each study, with each engine."""
    studies = {"digits": ["studies/digits.toml"]}
    if data is not None:
        studies["fashion_mnist"] = ["studies/fashion_mnist.toml"]
        for setting in (f"dataset.root={data.resolve()}", "dataset.withhold_test=true"):
            studies["fashion_mnist"] += ["--set", setting]
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, arguments in studies.items():
        of_study = found.setdefault(name, {})
        for engine in ENGINES:
            chosen = ["--set", f"resources.engine={engine}"]
            of_study[engine] = _of_study(["-m", "study.cli", "run", *arguments, *chosen])
    return found


def _of_study(arguments: list[str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as home:
        return spent([sys.executable, *arguments, "--home", home])


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training.studies", description=__doc__
    )
    parser.add_argument("--data", type=Path, help="the folder that has FashionMNIST/raw")
    options = parser.parse_args()
    result = {"machine": describe(), "studies": compare(options.data)}
    print(json.dumps(result))
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
