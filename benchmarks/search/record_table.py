"""Records a test table of benchmarks/search: learning curves of each replicate of a whole space.

    nice -n 19 python -m benchmarks.search.record_table fashion_mnist_5000 --root data --jobs 2
    python -m benchmarks.search.record_table fashion_mnist_5000 --root data --measure 10

The space has families with different settings: dendritic, vanilla, locally connected, convolutional.
The constraint of the spec keeps out what takes too long. Images are those of the official training
split of Fashion-MNIST; the test images are not read. Parts of a few configurations are written to
--parts as they are trained, so a recording that was stopped goes on where it was. The table,
benchmarks/search/tables/NAME.parquet, is written when all parts are there.

Columns, a row a configuration: the settings (null where a family has no such setting),
`trainable_parameters`, `macs`, `seconds` (of training all replicates, on one thread), `failed` (the
epoch in which a replicate diverged; 0 if none did), and `right`, the validation images that the kept
weights classify correctly, epoch after epoch of the first replicate, then of the next.
"""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from sklearn.model_selection import train_test_split

from benchmarks.machine import describe
from models.building import build
from study import StudySpec
from study.search.configuration import Configuration
from study.search.grid import grid
from study.search.space import known_metrics
from study.spec.constraint import all_kept, violations
from study.study_folder import replacing
from study.training.dataset import Dataset
from study.training.split import Split
from study.training.train import NonFiniteLossError, Training

TABLES: Final = Path(__file__).parent / "tables"
SETTINGS: Final = ("family", "somata", "dendrites", "synapses", "layers", "learning_rate")
IMAGE: Final = (1, 28, 28)
CLASSES: Final = 10
_PART: Final = 12  # configurations
_SPLIT_SEED: Final = 0

SPACE: Final[dict[str, Any]] = {
    "families": [
        "dann-r",
        "dann-lrf",
        "dann-grf",
        "pdann",
        "vann",
        "mlp",
        "sparse-mlp",
        "locally-connected",
        "cnn",
    ],
    "constraints": ["macs <= 150000"],
    "space": {
        "somata": [16, 32, 64, 128, 256],
        "dendrites": [1, 2, 4, 8],
        "synapses": [4, 9, 16],
        "weight_decay": 0.0,
        "layers": [1, 2],
        "learning_rate": [6e-4, 2e-3, 6e-3, 2e-2, 6e-2],
    },
}


@dataclass(frozen=True, kw_only=True)
class Recording:
    """How a table is recorded: images of the training split, epochs, and seeds of the replicates."""

    train_size: int
    validation_size: int
    epochs: int
    replicates: int = 5


RECORDINGS: Final = {
    "fashion_mnist_5000": Recording(train_size=5_000, validation_size=5_000, epochs=9),
    # All 50,000 images with five replicates would take ten times as long as the first table.
    "fashion_mnist_20000": Recording(
        train_size=20_000, validation_size=10_000, epochs=9, replicates=3
    ),
}


def spec_of(name: str) -> StudySpec:
    """The study whose space is recorded."""
    recording = RECORDINGS[name]
    return StudySpec.from_dict(
        SPACE
        | {
            "name": f"table-{name}",
            "dataset": {
                "name": "fashion_mnist",
                "train_size": recording.train_size,
                "validation_size": recording.validation_size,
            },
            "replicates": recording.replicates,
            "budget": {"epochs": recording.epochs},
        }
    )


def configurations_of(spec: StudySpec) -> list[dict[str, Any]]:
    """Every configuration that satisfies the constraints, in an order drawn by the seed."""
    return [
        params
        for params in grid(spec)
        if all_kept(violations(spec.constraints, _sizes(spec, params), before_training=True))
    ]


def _sizes(spec: StudySpec, params: dict[str, Any]) -> dict[str, float]:
    return known_metrics(Configuration(spec, given=params).architecture, IMAGE, CLASSES)


@cache
def dataset_of(name: str, root: str) -> Dataset:
    """Training and validation images, both of the official training split; no test images."""
    from torchvision.datasets import FashionMNIST  # noqa: PLC0415  # takes seconds; tests do without

    recording = RECORDINGS[name]
    source = FashionMNIST(root, train=True)
    labels = source.targets.numpy()
    train, validation = train_test_split(
        np.arange(len(labels)),
        train_size=recording.train_size,
        test_size=recording.validation_size,
        random_state=_SPLIT_SEED,
        stratify=labels,
    )

    def split(rows: np.ndarray) -> Split:
        return Split(source.data[rows][:, None].contiguous(), source.targets[rows].contiguous())

    none = np.arange(0)
    return Dataset(
        name=name,
        classes=CLASSES,
        train=split(np.sort(train)),
        validation=split(np.sort(validation)),
        test=split(none),
    )


def row_of(spec: StudySpec, params: dict[str, Any], dataset: Dataset) -> dict[str, Any]:
    """The row of a configuration: trains all its replicates to the last epoch."""
    trial = Configuration(spec, given=params).for_trial(0)
    images = len(dataset.validation.labels)
    right = np.zeros((spec.replicates, spec.budget.epochs), dtype=np.uint16)
    start, failed = time.process_time(), 0
    network = build(trial.architecture, dataset.image_shape, dataset.classes, trial.seeds)
    training = Training(network, dataset, trial.training)
    for epoch in range(spec.budget.epochs):
        try:
            training.run_epoch()
        except NonFiniteLossError:
            failed = epoch + 1
            break
        kept = training.state()[0]["kept_accuracy"].numpy()
        right[:, epoch] = np.rint(kept * images)
    return {
        **{name: params.get(name) for name in SETTINGS},
        **_sizes(spec, params),
        "seconds": time.process_time() - start,
        "failed": failed,
        "right": right.ravel().tolist(),
    }


SCHEMA: Final = pa.schema(
    [
        ("family", pa.string()),
        *[(name, pa.int32()) for name in SETTINGS[1:-1]],
        ("learning_rate", pa.float64()),
        ("trainable_parameters", pa.int64()),
        ("macs", pa.int64()),
        ("seconds", pa.float32()),
        ("failed", pa.int16()),
        ("right", pa.list_(pa.uint16())),
    ]
)


def record_part(name: str, root: str, parts: str, number: int) -> int:
    """Trains the configurations of a part and writes it; returns its number."""
    torch.set_num_threads(1)
    spec = spec_of(name)
    some = configurations_of(spec)[number * _PART : (number + 1) * _PART]
    rows = [row_of(spec, params, dataset_of(name, root)) for params in some]
    write(pa.Table.from_pylist(rows, schema=SCHEMA), part_file(parts, number))
    return number


def write(table: pa.Table, path: Path) -> None:
    """Writes a table in one step, so that a file is complete or not there."""
    with replacing(path) as new:
        pq.write_table(table, new, compression="zstd", compression_level=19)


def part_file(parts: str, number: int) -> Path:
    return Path(parts) / f"part-{number:04}.parquet"


def measure(name: str, root: str, count: int) -> None:
    """Prints how long some configurations take, and an estimate for all."""
    torch.set_num_threads(1)
    spec = spec_of(name)
    found = configurations_of(spec)
    row_of(spec, found[0], dataset_of(name, root))  # loads the compiled engine
    rows = [row_of(spec, params, dataset_of(name, root)) for params in found[1 : count + 1]]
    for row in rows:
        settings = " ".join(str(row[setting]) for setting in SETTINGS)
        best = max(row["right"]) / RECORDINGS[name].validation_size
        print(f"{row['seconds']:7.2f} s  {best:.3f}  {row['macs']:>7} macs  {settings}")
    mean = float(np.mean([row["seconds"] for row in rows]))
    print(f"{len(found)} configurations x {mean:.2f} s = {len(found) * mean / 60:.0f} core minutes")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search.record_table")
    parser.add_argument("name", choices=RECORDINGS)
    parser.add_argument("--root", default="data", help="folder that holds FashionMNIST/raw")
    parser.add_argument("--parts", help="folder of the parts; by default runs/table-NAME")
    parser.add_argument("--jobs", type=int, default=1, help="processes, each on one thread")
    parser.add_argument("--measure", type=int, metavar="N", help="only time N configurations")
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.name, arguments.root, arguments.measure)
        return
    parts = arguments.parts or f"runs/table-{arguments.name}"
    Path(parts).mkdir(parents=True, exist_ok=True)
    spec = spec_of(arguments.name)
    count = -(-len(configurations_of(spec)) // _PART)
    missing = [number for number in range(count) if not part_file(parts, number).exists()]
    print(f"{len(missing)} of {count} parts are missing", flush=True)
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        same = (arguments.name, arguments.root, parts)
        for number in pool.map(record_part, *zip(*[(*same, one) for one in missing], strict=True)):
            print(f"part {number}", flush=True)
    table = pa.concat_tables([pq.read_table(part_file(parts, number)) for number in range(count)])
    facts = {"spec": spec.to_dict(), "machine": describe()}
    metadata = {name: json.dumps(fact) for name, fact in facts.items()}
    write(table.replace_schema_metadata(metadata), TABLES / f"{arguments.name}.parquet")


if __name__ == "__main__":
    main()
