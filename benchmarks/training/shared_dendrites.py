"""dann-conv beside cnn on Fashion-MNIST, at equal parameters and at equal multiply-accumulates.

    python -m benchmarks.training.shared_dendrites --root data --minutes 15

Validation accuracy of the kept weights; test images are not read. The seeds of all networks grow in
turn until the processor minutes are spent; the same command continues the stored result. Prints the
table and writes benchmarks/results/shared_dendrites.json.
"""

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks import markdown
from benchmarks.machine import describe
from benchmarks.trained import trained
from models import Architecture
from models.counting import counts_of
from study import Dataset, load_dataset
from study.results.format import percent
from study.spec.sections import DatasetSpec
from study.training.evaluation import Estimate
from study.training.train import keep_freed_memory

RESULT: Final = Path(__file__).parents[1] / "results" / "shared_dendrites.json"
TRAINING: Final[dict[str, Any]] = {
    "epochs": 10,
    "learning_rate": 1e-2,
    "schedule": "cosine",
    "batch_size": 128,
}
IMAGES: Final[dict[str, Any]] = {"train_size": 20_000, "validation_size": 6_000}

_TILES: Final = {"family": "dann-conv", "synapses": 16, "dendrite_slope": 0.0}
_SMALL: Final = _TILES | {"dendrites": 5, "somata": 9}
_CNN: Final = {"family": "cnn", "synapses": 9, "layers": 2}
NETWORKS: Final[dict[str, dict[str, Any]]] = {
    "shared dendrites": _SMALL,
    "linear branches": _SMALL | {"dendrite_slope": 1.0},
    "one branch": _TILES | {"dendrites": 1, "somata": 13},
    "cnn, equal parameters": _CNN | {"somata": 12},
    "cnn, equal multiply-accumulates": _CNN | {"somata": 7},
}
"""The architectures by their part in the comparison: the largest of at most 8,000 parameters, and the
largest cnn with at most as many multiply-accumulates.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("data"), help="holds FashionMNIST/raw")
    parser.add_argument("--minutes", type=float, default=15, help="processor minutes of this run")
    parser.add_argument("--to", type=Path, default=RESULT, help="the result, which is continued")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    spec = DatasetSpec(name="fashion_mnist", root=arguments.root, withhold_test=True, **IMAGES)
    measure(load_dataset(spec, seed=0), arguments.minutes, arguments.to)
    print(table(json.loads(arguments.to.read_text(encoding="utf-8"))))


def measure(
    dataset: Dataset, minutes: float, file: Path, networks: dict[str, dict[str, Any]] = NETWORKS
) -> None:
    """Adds seeds to the result in a file, one of each network in turn, until the time is spent."""
    result = _begun(dataset, networks)
    if file.exists():
        result = json.loads(file.read_text(encoding="utf-8"))
    start = time.process_time()
    while True:
        row = min(result["rows"], key=lambda row: len(row["val_accuracy"]))
        row["val_accuracy"].append(_accuracy(dataset, row, seed=len(row["val_accuracy"])))
        file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        if time.process_time() - start >= 60 * minutes:
            return


def _begun(dataset: Dataset, networks: dict[str, dict[str, Any]]) -> dict[str, Any]:
    rows = []
    for part, options in networks.items():
        architecture = Architecture(**options)
        parameters, macs = counts_of(architecture, dataset.image_shape, dataset.classes)
        rows.append(
            {
                "part": part,
                "network": architecture.label(),
                "dendritic": architecture.is_dendritic,
                "architecture": options,
                "trainable_parameters": parameters,
                "macs": macs,
                "val_accuracy": [],
            }
        )
    return {"machine": describe(), "images": IMAGES, "training": TRAINING, "rows": rows}


def _accuracy(dataset: Dataset, row: dict[str, Any], seed: int) -> float:
    return trained(Architecture(**row["architecture"]), TRAINING, dataset, [seed]).accuracy.mean


def table(result: dict[str, Any]) -> str:
    """The result as a Markdown table; accuracies in percent with standard errors."""
    cells = []
    for row in result["rows"]:
        accuracy = Estimate.over(torch.tensor(row["val_accuracy"], dtype=torch.float64))
        cells.append(
            [
                row["part"],
                row["network"],
                "yes" if row["dendritic"] else "no",
                f"{row['trainable_parameters']:,}",
                f"{row['macs']:,}",
                percent(accuracy.mean, None if math.isnan(accuracy.sem) else accuracy.sem),
                str(len(row["val_accuracy"])),
            ]
        )
    head = "| | network | dendritic | parameters | multiply-accumulates | validation % | seeds |"
    return "\n".join(markdown.table(head, cells))


if __name__ == "__main__":
    main()
