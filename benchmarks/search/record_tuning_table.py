"""Records a tuning table of benchmarks/search, as a study of a full grid.

    python -m benchmarks.search.record_tuning_table fashion_mnist --root data --home runs
    python -m benchmarks.search.record_tuning_table digits --home runs

375 configurations (five families, five numbers of dendrites and of somata, three learning rates) of
15 epochs and two replicates, nothing stopped early. Stopped and started again, it goes on. Writes
benchmarks/search/tables/NAME.npz, which replay_table.py describes.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from mlflow import MlflowClient

import study
from benchmarks.machine import describe
from study.results import answers

TABLES = Path(__file__).parent / "tables"
EPOCHS = 15
DATASETS: dict[str, dict[str, Any]] = {
    "digits": {"name": "digits", "validation_size": 300},
    "fashion_mnist": {"name": "fashion_mnist", "train_size": 10_000, "validation_size": 5_000},
}


def grid_spec(dataset: str, root: str) -> study.StudySpec:
    table = DATASETS[dataset]
    return study.StudySpec.from_dict(
        {
            "name": f"table-{dataset}",
            "dataset": table if dataset == "digits" else table | {"root": root},
            "families": ["dann-r", "dann-lrf", "dann-grf", "pdann", "vann"],
            "replicates": 2,
            "sampler": "grid",
            "space": {
                "somata": [16, 32, 64, 128, 256],
                "dendrites": [1, 2, 4, 8, 16],
                "synapses": 16,
                "learning_rate": [2e-3, 6e-3, 2e-2],
                "weight_decay": 0.0,
            },
            "budget": {"epochs": EPOCHS},
            "stopping": {"scheduler": "none"},
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", choices=DATASETS)
    parser.add_argument("--root", default="data", help="folder that holds FashionMNIST/raw")
    parser.add_argument("--home", default="runs", help="folder of the study")
    arguments = parser.parse_args()
    spec = grid_spec(arguments.dataset, arguments.root)
    home = study.Home.find(arguments.home)
    study.run(spec, home=home)
    TABLES.mkdir(exist_ok=True)
    np.savez_compressed(TABLES / f"{arguments.dataset}.npz", **columns(spec, home))


def columns(spec: study.StudySpec, home: study.Home) -> dict[str, Any]:
    """The columns of the table, a row a configuration."""
    records = answers.records(spec.name, home=home)
    unfinished = [record.trial for record in records if record.state != "COMPLETE"]
    if unfinished:
        raise SystemExit(f"every trial must be complete, got others: {unfinished}")
    configurations = [
        {
            "family": record.family,
            "somata": record.architecture["somata"],
            "dendrites": record.architecture["dendrites"],
            "learning_rate": record.training["learning_rate"],
        }
        for record in records
    ]
    store = MlflowClient(home.tracking_uri)
    return {
        "configurations": json.dumps(configurations),
        "machine": json.dumps(describe()),
        "spec": json.dumps(spec.to_dict()),
        "trainable_parameters": np.array([record.trainable_parameters for record in records]),
        "macs": np.array([record.macs for record in records]),
        "seconds": np.array([record.seconds for record in records], dtype=np.float32),
        **{
            name: np.array([curve(store, record.run_id, name) for record in records], np.float32)
            for name in ("val_accuracy", "val_accuracy_sem")
        },
    }


def curve(store: MlflowClient, run_id: str, metric: str) -> list[float]:
    """The values of a metric after each epoch."""
    points = {point.step: point.value for point in store.get_metric_history(run_id, metric)}
    return [points[epoch] for epoch in range(1, EPOCHS + 1)]


if __name__ == "__main__":
    main()
