"""The trainings of benchmarks/recipes, in processes of one thread.

They are not in `__main__`, since a spawned process cannot find there what it is to run.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.recipes.protocol import BARE, NETWORKS, TEACHERS, TRAINING, Case
from benchmarks.trained import trained
from study import load_dataset
from study.spec.sections import DatasetSpec
from study.training.dataset import Dataset
from study.training.train import keep_freed_memory

Logits: TypeAlias = NDArray[np.float32]


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


def begin(root: Path) -> None:
    """Begins a worker, a process with one thread, with the images in a folder."""
    torch.set_num_threads(1)
    keep_freed_memory()
    _data.append(dataset_of(root))


def _teach() -> Logits:
    return teacher_logits(_data[0])


def _train(case: Case, logits: Logits | None) -> dict[str, Any]:
    return train(case, _data[0], logits)


def train(case: Case, dataset: Dataset, logits: Logits | None) -> dict[str, Any]:
    """The row of a case: its names, the accuracy in 0..1, the seconds of the processor.

    `logits`: those of the teacher, for the recipe that has one.
    """
    start = time.process_time()
    done = trained(case.architecture, case.training, dataset, [case.seed], logits)
    return {
        "seed": case.seed,
        "bound": case.bound,
        "family": case.family,
        "recipe": case.recipe,
        "val_accuracy": done.accuracy.mean,
        "seconds": round(time.process_time() - start, 2),
    }


def teacher_logits(dataset: Dataset) -> Logits:
    """Trains the teachers; their mean logits on the training images, (images, classes)."""
    architecture = Case(0, max(NETWORKS), "dann-lrf", BARE).architecture
    network = trained(architecture, TRAINING, dataset, TEACHERS).network.eval()
    with torch.no_grad():
        parts = [network(images).mean(dim=0) for images in dataset.train.images.split(1000)]
    logits: Logits = torch.cat(parts).numpy()
    return logits


def dataset_of(root: Path) -> Dataset:
    """The official Fashion-MNIST in a folder, without its test images.

    Raises BadInputError if it is not there.
    """
    return load_dataset(DatasetSpec(name="fashion_mnist", root=root, withhold_test=True), seed=0)
