"""The study studies/fashion_mnist.toml from its beginning, with the test images withheld.

    python -m benchmarks.pages.fashion_mnist --root data

The test images are for the networks that a study ends with; to show a search they are not needed.
Prints the front; writes benchmarks/results/fashion_mnist.json and docs/images/fashion_mnist_front.png
(for which kaleido and a Chrome or Chromium must be there). With --draw the stored result is shown again.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

import study
from benchmarks.machine import describe
from study.cli import tables
from study.report.front import front_figure
from study.report.report import write_picture
from study.results import answers

REPOSITORY = Path(__file__).parents[2]
RESULT = REPOSITORY / "benchmarks" / "results" / "fashion_mnist.json"
PICTURE = REPOSITORY / "docs/images/fashion_mnist_front.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="data", help="folder that holds FashionMNIST/raw")
    parser.add_argument("--draw", action="store_true", help="show the stored result")
    arguments = parser.parse_args()
    if not arguments.draw:
        result = measure(arguments.root)
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    show(json.loads(RESULT.read_text(encoding="utf-8")))


def measure(root: str) -> dict[str, Any]:
    spec_file = REPOSITORY / "studies" / "fashion_mnist.toml"
    changes = [f"dataset.root={root}", "dataset.withhold_test=true", "space.weight_decay=0"]
    spec = study.StudySpec.from_toml(spec_file, changes)
    files = study.load_dataset(spec.dataset).files
    with tempfile.TemporaryDirectory() as folder:
        home = study.Home.find(folder)
        summary = study.run(spec, home=home)
        if summary.stopped is not None:
            raise SystemExit(f"the study stopped, and nothing is written: {summary.stopped}")
        trials = answers.records(spec.name, home=home)
    return {
        "machine": describe(),
        "data": str(files),
        "spec": spec.to_dict(),
        "seconds": round(summary.seconds, 1),
        "hypervolume": summary.hypervolume,
        "trials": [trial.to_dict() for trial in trials],
    }


def show(result: dict[str, Any]) -> None:
    trials = [study.TrialRecord(**trial) for trial in result["trials"]]
    front = sorted(
        (trial for trial in trials if trial.on_front),
        key=lambda trial: trial.trainable_parameters or 0,
    )
    table = tables.trial_table(front, "Fashion-MNIST: Pareto front")
    Console(width=110).print(table)
    spec = study.StudySpec.from_dict(result["spec"])
    write_picture(
        front_figure(spec, trials), "Fashion-MNIST: accuracy and parameter efficiency", PICTURE
    )


if __name__ == "__main__":
    main()
