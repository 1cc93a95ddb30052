"""Whole studies with either engine: the processor seconds of all their processes, and the time.

    python -m benchmarks.training.studies [--data DIR]

Prints JSON, and writes benchmarks/results/training_studies.json. The default study, and that of
Fashion-MNIST in DIR. What each process of a study has used is read four times a second
(`benchmarks.processor_time`).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import describe
from benchmarks.processor_time import spent

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "training_studies.json"
_EVERY_S = 0.25
ENGINES = ("torch", "auto")


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
            chosen = ["--set", f"resources.engine={engine}", "--set", "space.weight_decay=0"]
            of_study[engine] = _of_study(["-m", "study.cli", "run", *arguments, *chosen])
    return found


def _of_study(arguments: list[str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, *arguments, "--home", home]
        done = spent(command, _EVERY_S, stdout=subprocess.DEVNULL, PYTHONPATH=str(ROOT))
    if done.status:
        raise subprocess.CalledProcessError(done.status, command)
    return {"processor": done.processor.total(), "wall": done.seconds}


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
