"""An epoch as commit 66fd0a8 trained it, before there were engines: prints JSON.

    git worktree add FOLDER 66fd0a8
    PYTHONPATH=FOLDER python benchmarks/training/before.py DENDRITES SOMATA THREADS

Run as a file, so that `study` is the one of that commit.
"""

import json
import statistics
import sys
import time

import torch

from models import Architecture, build
from study.data import Dataset, Split
from study.train import Training
from study.training_settings import TrainingSettings

EPOCHS = 2
TRAINED, VALIDATED = 54_000, 6_000


def images(count: int) -> Split:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 1, 28, 28), dtype=torch.uint8, generator=generator)
    return Split(images, torch.randint(0, 10, (count,), generator=generator))


def main() -> None:
    dendrites, somata, threads = map(int, sys.argv[1:])
    torch.set_num_threads(threads)
    architecture = Architecture(family="dann-lrf", dendrites=dendrites, somata=somata, synapses=16)
    network = build(architecture, (1, 28, 28), 10, [0])
    dataset = Dataset(
        name="random",
        classes=10,
        train=images(TRAINED),
        validation=images(VALIDATED),
        test=images(1),
    )
    settings = TrainingSettings(epochs=EPOCHS + 1, learning_rate=1e-3)
    training = Training(network, dataset, settings)
    times = []
    for _ in range(EPOCHS + 1):  # the first one warms up
        start, wall = time.process_time(), time.perf_counter()
        training.run_epoch()
        times.append((time.process_time() - start, time.perf_counter() - wall))
    processor, seconds = map(statistics.median, zip(*times[1:], strict=True))
    print(json.dumps({"processor": processor, "wall": seconds}))


if __name__ == "__main__":
    main()
