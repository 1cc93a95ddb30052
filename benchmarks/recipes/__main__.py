"""What each training recipe changes, for dendritic networks and controls of three sizes.

    python -m benchmarks.recipes --root FOLDER [--jobs J] [--minutes M] [--seeds N] [--bounds B]
                                 [--families F] [--plan]
    python -m benchmarks.recipes --picture

On Fashion-MNIST. Trains replicates of one network each, seed by seed, `--jobs` at a time, for up to
`--minutes`, and writes each into benchmarks/results/recipes.json; the same command continues.
Validation accuracy is that of the kept weights on the 6,000 images of the split with seed 0. Test images
are not read. Prints the table of docs/recipes.md; `--picture` draws its picture, and `--plan` prints how
long the rest takes; both train nothing.
"""

import argparse
import json
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.machine import describe
from benchmarks.recipes.effects import table
from benchmarks.recipes.protocol import BARE, NETWORKS, SEEDS, TEACHERS, TRAINING, Case, cases
from models import build
from models.counting import counts_of
from study import BadInputError, StudyError, load_dataset
from study.spec.sections import DatasetSpec
from study.training.dataset import Dataset
from study.training.settings import TrainingSettings
from study.training.train import Training, keep_freed_memory

Logits: TypeAlias = NDArray[np.float32]
RESULT = Path(__file__).parents[1] / "results" / "recipes.json"
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "recipes.png"


def main() -> None:
    given = _arguments()
    if given.picture:
        from benchmarks.recipes.figure import draw  # noqa: PLC0415  # needs what training does not

        draw(json.loads(RESULT.read_text(encoding="utf-8")), PICTURE)
        return
    start = time.monotonic()
    stored = _stored()
    done = {_key(row) for row in stored.get("rows", [])}
    left = [
        case
        for case in cases(given.bounds, given.families, given.seeds)
        if (case.seed, case.bound, case.family, case.recipe) not in done
    ]
    if given.plan:
        hours = sum(case.core_hours for case in left)
        print(f"{len(left):,} trainings are left, about {hours:.1f} core-hours")
        return
    try:
        result = _checked(stored, _dataset(given.root).sha256())
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_status) from error
    with ProcessPoolExecutor(given.jobs, get_context("spawn"), _begin, (given.root,)) as workers:
        for row in rows_of(left, workers, given.jobs, start + 60 * given.minutes):
            result["rows"].append(row)
            _write(result)
            print(json.dumps(row), flush=True)
    print(table(result["rows"]))


def rows_of(
    left: Sequence[Case], workers: Executor, jobs: int, end: float
) -> Iterator[dict[str, Any]]:
    """The rows of the cases as they end; none begins after `end`, a time of `time.monotonic`."""
    waiting, logits = deque(left), None
    running: set[Future[dict[str, Any]]] = set()
    while True:
        while waiting and len(running) < jobs and time.monotonic() < end:
            case = waiting.popleft()
            if logits is None and "teacher" in case.training:
                logits = workers.submit(_teach).result()
            running.add(
                workers.submit(_train, case, logits if "teacher" in case.training else None)
            )
        if not running:
            return
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for one in done:
            yield one.result()


_data: list[Dataset] = []  # of a worker


def _begin(root: Path) -> None:
    """Begins a worker, a process with one thread."""
    torch.set_num_threads(1)
    keep_freed_memory()
    _data.append(_dataset(root))


def _teach() -> Logits:
    return teacher_logits(_data[0])


def _train(case: Case, logits: Logits | None) -> dict[str, Any]:
    return train(case, _data[0], logits)


def train(case: Case, dataset: Dataset, logits: Logits | None) -> dict[str, Any]:
    """The row of a case: its names, the accuracy in 0..1, the seconds of the processor.

    `logits`: those of the teacher, for the recipe that has one.
    """
    start = time.process_time()
    architecture = case.architecture
    variance = dataset.train.pixel_variance() if architecture.centres == "variance" else None
    shape, classes = dataset.image_shape, dataset.classes
    network = build(architecture, shape, classes, [case.seed], variance)
    training = Training(network, dataset, TrainingSettings(**case.training), logits=logits)
    while not training.over:
        epoch = training.run_epoch()
    return {
        "seed": case.seed,
        "bound": case.bound,
        "family": case.family,
        "recipe": case.recipe,
        "val_accuracy": epoch.kept_accuracy.mean,
        "seconds": round(time.process_time() - start, 2),
    }


def teacher_logits(dataset: Dataset) -> Logits:
    """Trains the teachers; their mean logits on the training images, (images, classes)."""
    architecture = Case(0, max(NETWORKS), "dann-lrf", BARE).architecture
    network = build(architecture, dataset.image_shape, dataset.classes, TEACHERS)
    training = Training(network, dataset, TrainingSettings(**TRAINING))
    while not training.over:
        training.run_epoch()
    training.restore_kept()
    network.eval()
    with torch.no_grad():
        parts = [network(images).mean(dim=0) for images in dataset.train.images.split(1000)]
    logits: Logits = torch.cat(parts).numpy()
    return logits


def _dataset(root: Path) -> Dataset:
    return load_dataset(DatasetSpec(name="fashion_mnist", root=root, withhold_test=True), seed=0)


def _stored() -> dict[str, Any]:
    """The stored result, empty if there is none."""
    result: dict[str, Any] = {}
    return json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else result


def _checked(stored: dict[str, Any], images: str) -> dict[str, Any]:
    """The stored result, a new one if it is empty. Raises BadInputError if it is of other images."""
    if stored:
        if stored["images"] != images:
            raise BadInputError(
                f"{RESULT} must hold results of the same images, with SHA-256 {stored['images']}, "
                f"got {images}"
            )
        return stored
    parameters = {
        str(bound): {
            family: counts_of(Case(0, bound, family, "bare").architecture, (1, 28, 28), 10)[0]
            for family in networks
        }
        for bound, networks in NETWORKS.items()
    }
    return {
        # Of several runs, whose arguments say when they stopped and where the data were.
        "machine": describe() | {"command": "python -m benchmarks.recipes"},
        "data": "official Fashion-MNIST, 54,000 training and 6,000 validation images",
        "images": images,
        "training": TRAINING,
        "parameters": parameters,
        "rows": [],
    }


def _key(row: dict[str, Any]) -> tuple[int, int, str, str]:
    return row["seed"], row["bound"], row["family"], row["recipe"]


def _write(result: dict[str, Any]) -> None:
    """Writes a row in each line; never a part of the file."""
    rows = ",\n  ".join(json.dumps(row) for row in result["rows"])
    head = json.dumps({name: value for name, value in result.items() if name != "rows"}, indent=1)
    part = RESULT.with_suffix(".part")
    part.write_text(f'{head[:-2]},\n "rows": [\n  {rows}\n ]\n}}\n', encoding="utf-8")
    part.rename(RESULT)


def _arguments() -> argparse.Namespace:
    families = list(NETWORKS[8_000])
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recipes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--root", type=Path, default=Path("data"), help="folder of FashionMNIST/raw"
    )
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="none begins later")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--bounds", type=int, nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--families", nargs="+", choices=families, default=families)
    parser.add_argument("--plan", action="store_true", help="how long the rest takes")
    parser.add_argument("--picture", action="store_true", help="draws the picture alone")
    return parser.parse_args()


if __name__ == "__main__":
    main()
