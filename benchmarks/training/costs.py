"""Processor seconds of an epoch of networks of the paper's plan, for `python -m paper plan`.

    python -m benchmarks.training.costs

Random images of 28 x 28, batch 128, one replicate on one thread, with the engine that a study would
choose. Trains a fifth of an epoch's 54,000 images, three times, and takes the median times five. Writes
paper/costs.json.
"""

import json
import statistics
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.machine import describe
from benchmarks.training.rivals import BATCH, CLASSES, IMAGES, random_images
from models import Architecture, build
from models.counting import counts_of
from study.engine.recipe import Recipe
from study.training.engines import make_engine
from study.training.split import Split

RESULT: Final = Path(__file__).parents[2] / "paper" / "costs.json"
PART: Final = 5
ROUNDS: Final = 3
CASES: Final[dict[str, list[dict[str, Any]]]] = {
    "sparse": [
        {"family": "dann-lrf", "dendrites": dendrites, "somata": somata, "synapses": 16}
        for dendrites, somata in ((1, 32), (4, 128), (16, 256), (16, 512), (64, 512))
    ],
    "dense": [
        {"family": "vann", "dendrites": dendrites, "somata": somata}
        for dendrites, somata in ((1, 32), (1, 256), (2, 256), (4, 512))
    ],
    "torch dense": [{"family": "vann", "dendrites": 8, "somata": 512}],
    "convolution": [
        {"family": "cnn", "somata": somata, "synapses": 9, "layers": 2} for somata in (12, 36, 81)
    ],
    "shared dendrites": [
        {"family": "dann-conv", "dendrites": dendrites, "somata": somata, "synapses": 16}
        for dendrites, somata in ((1, 4), (1, 16), (4, 16), (8, 80))
    ],
}


def main() -> None:
    torch.set_num_threads(1)
    whole = random_images()
    split = Split(whole.images[: IMAGES // PART], whole.labels[: IMAGES // PART])
    measured = {
        kind: [_row(Architecture(**sizes), split) for sizes in cases]
        for kind, cases in CASES.items()
    }
    result = {
        "machine": describe() | {"command": "python -m benchmarks.training.costs"},
        "images": IMAGES,
        "epoch": measured,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _row(architecture: Architecture, split: Split) -> dict[str, Any]:
    """The network, its multiply-accumulates for an image, and the processor seconds of an epoch."""
    network = build(architecture, (1, 28, 28), CLASSES, [0])
    engine = make_engine("auto", network, split, BATCH, Recipe())
    images = len(split.labels)
    order = torch.randperm(images)[None]
    rates = np.full(-(-images // BATCH), 1e-3)
    spent = []
    for _ in range(ROUNDS + 1):  # the first warms up
        start = time.process_time()
        engine.train_epoch(1, order, rates, range(1))
        spent.append(time.process_time() - start)
    row = {
        "network": architecture.label(),
        "macs": counts_of(architecture, (1, 28, 28), CLASSES)[1],
        "seconds": round(PART * statistics.median(spent[1:]), 4),
    }
    print(json.dumps(row), flush=True)
    return row


if __name__ == "__main__":
    main()
