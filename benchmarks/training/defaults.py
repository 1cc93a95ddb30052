"""What each option is worth on Fashion-MNIST: one changed at a time, from the defaults.

    python -m benchmarks.training.defaults --root data

Networks of 128 somata with 8 dendrites of 16 synapses, 10 epochs, learning rate 3e-3, batch 128,
three replicates; validation accuracy of the kept weights, for the test set must not choose.
Prints a table and writes benchmarks/results/defaults.json.
"""

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.machine import describe
from benchmarks.trained import trained
from models import FAMILIES, Architecture
from study import Dataset, load_dataset
from study.spec.sections import DatasetSpec
from study.training.evaluation import Estimate
from study.training.train import keep_freed_memory

RESULT = Path(__file__).parents[1] / "results" / "defaults.json"
SIZES: Final[dict[str, Any]] = {"dendrites": 8, "somata": 128, "synapses": 16}
TRAINING = {"epochs": 10, "learning_rate": 3e-3, "schedule": "cosine", "batch_size": 128}
CHANGES: list[dict[str, Any]] = [
    {},
    {"initialization": "glorot_dense"},
    {"leaky_slope": 0.0},
    {"leaky_slope": 0.2},
    {"dendrite_slope": 0.0},
    {"dendrite_slope": 1.0},
    {"dropout": 0.1},
    {"receptive_field": "square"},
    {"synapse_draw": "global"},
    {"schedule": "constant"},
    {"schedule": "one_cycle"},
    {"learning_rate": 1e-3},
    {"learning_rate": 1e-2},
    {"learning_rate": 1e-2, "schedule": "constant"},
    {"learning_rate": 1e-2, "dendrite_slope": 0.0},
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="data", help="folder that holds FashionMNIST/raw")
    arguments = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    keep_freed_memory()
    dataset = load_dataset(DatasetSpec(name="fashion_mnist", root=Path(arguments.root)), seed=0)
    assert dataset.files is not None  # noqa: S101  # as of every Fashion-MNIST
    rows = []
    for family in ("dann-lrf", "dann-r"):
        for changes in CHANGES:
            known = (
                *FAMILIES[family].options,
                *TRAINING,
                "initialization",
                "leaky_slope",
                "dropout",
            )
            if not set(changes) <= set(known):
                continue
            accuracy = measure(family, changes, dataset)
            rows.append({"family": family, "changes": changes, "val_accuracy": asdict(accuracy)})
            said = ", ".join(f"{key} {value}" for key, value in changes.items()) or "unchanged"
            print(
                f"{family:9} {said:28} {100 * accuracy.mean:.2f} ± {100 * accuracy.sem:.2f}",
                flush=True,
            )
    result = {"machine": describe(), "data": str(dataset.files), "sizes": SIZES, "rows": rows}
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def measure(family: str, changes: dict[str, Any], dataset: Dataset) -> Estimate:
    training = TRAINING | {key: value for key, value in changes.items() if key in TRAINING}
    options = {key: value for key, value in changes.items() if key not in TRAINING}
    architecture = Architecture(family=family, **SIZES, **options)
    return trained(architecture, training, dataset, [0, 1, 2]).accuracy


if __name__ == "__main__":
    main()
