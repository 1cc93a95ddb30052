"""A whole training step, making the batch included, against masked dense torch and plain layers.

    python -m benchmarks.training [--threads N] [--quick]

All rivals in one process, in turn, medians; random images of 28 x 28, batch 128. Prints tables and
writes benchmarks/results/training.json (not with --quick).
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.machine import describe
from models import FAMILIES, Architecture, Network, build, count_macs
from models.layers import GroupedLayer, SparseLayer
from study.training.dataset import Dataset, Split
from study.training.settings import TrainingSettings
from study.training.train import Training, keep_freed_memory

RESULT = Path(__file__).parents[1] / "results" / "training.json"
SIZES = ((1, 32), (4, 128), (16, 256), (64, 512))
IMAGES, BATCH, CLASSES = 54_000, 128, 10


def data() -> Dataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (IMAGES, 1, 28, 28), dtype=torch.uint8, generator=generator)
    split = Split(images, torch.randint(0, CLASSES, (IMAGES,), generator=generator))
    few = Split(split.images[:100], split.labels[:100])
    return Dataset(name="random", classes=CLASSES, train=split, validation=few, test=few)


def network(family: str, dendrites: int, somata: int, replicates: int) -> Network:
    synapses = 16 if FAMILIES[family].counts_synapses else None
    architecture = Architecture(
        family=family, dendrites=dendrites, somata=somata, synapses=synapses
    )
    return build(architecture, (1, 28, 28), CLASSES, list(range(replicates)))


def ours(
    family: str, size: tuple[int, int], replicates: int, dataset: Dataset
) -> Callable[[], object]:
    settings = TrainingSettings(epochs=1000, learning_rate=1e-3, batch_size=BATCH)
    training = Training(network(family, *size, replicates), dataset, settings)
    batch = torch.randint(0, IMAGES, (replicates, BATCH))
    return lambda: training.step(batch)


def plain(size: tuple[int, int], dataset: Dataset, *, masked: bool) -> Callable[[], object]:
    """The same network of torch.nn.Linear's widths; masked: weights times mask, in every step."""
    family = "dann-r" if masked else "vann"
    source = network(family, *size, 1)
    weights = [nn.Parameter(dense(layer).detach().clone()) for layer in source.layers]
    masks = [(weight != 0).float() for weight in weights[:2]] if masked else []
    biases = [nn.Parameter(layer.bias[0, :, 0].detach().clone()) for layer in source.layers]
    optimizer = torch.optim.Adam([*weights, *biases], lr=1e-3, eps=1e-7, fused=True)
    images, labels = dataset.train.images.flatten(1), dataset.train.labels
    batch = torch.randint(0, IMAGES, (BATCH,))

    def step() -> None:
        x = images[batch].float().div_(255)
        for depth, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            live = weight * masks[depth] if masked and depth < len(masks) else weight
            x = functional.linear(x, live, bias)
            x = functional.leaky_relu(x, 0.1) if depth < len(weights) - 1 else x
        optimizer.zero_grad()
        functional.cross_entropy(x, labels[batch]).backward()
        optimizer.step()

    return step


def dense(layer: Any) -> Tensor:  # noqa: ANN401  # any layer of one replicate
    weight = layer.weight[0]
    if isinstance(layer, GroupedLayer):
        return torch.block_diag(*weight)
    if isinstance(layer, SparseLayer):
        inputs, offsets = layer.connections(0)
        units = torch.repeat_interleave(torch.arange(len(offsets) - 1), torch.diff(offsets))
        return torch.zeros(len(offsets) - 1, layer.inputs).index_put((units, inputs.long()), weight)
    return weight


def in_turn(rivals: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median of each rival's seconds, each having its turn in every round."""
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for number in range(rounds + 2):
        for name, run in rivals.items():
            start = time.perf_counter()
            run()
            if number >= 2:  # noqa: PLR2004  # the first two warm up
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def several(run: Callable[[], object], steps: int) -> Callable[[], None]:
    """Some steps as one, so that a rival finds its own data in the cache, as in training."""

    def steps_in_a_row() -> None:
        for _ in range(steps):
            run()

    return steps_in_a_row


def compare(size: tuple[int, int], dataset: Dataset, rounds: int) -> dict[str, float]:
    steps = 1 if size == SIZES[-1] else 10
    rivals = {
        "ours": ours("dann-r", size, 1, dataset),
        "ours_x5": ours("dann-r", size, 5, dataset),
        "masked_dense": plain(size, dataset, masked=True),
    }
    if size != SIZES[-1]:
        rivals |= {
            "vann": ours("vann", size, 1, dataset),
            "plain_linear": plain(size, dataset, masked=False),
        }
    timed = in_turn({name: several(run, steps) for name, run in rivals.items()}, rounds)
    return {name: seconds / steps for name, seconds in timed.items()}


def epoch(dataset: Dataset) -> dict[str, float]:
    """Processor seconds of an epoch of one (4, 128) replicate, on one thread: others spin, idle."""
    spent: dict[str, float] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for name, run in (
        ("ours", ours("dann-r", (4, 128), 1, dataset)),
        ("masked_dense", plain((4, 128), dataset, masked=True)),
    ):
        several(run, 20)()
        start, wall = time.process_time(), time.perf_counter()
        several(run, -(-IMAGES // BATCH))()
        spent[f"{name}_cpu_seconds"] = time.process_time() - start
        spent[f"{name}_seconds"] = time.perf_counter() - wall
    torch.set_num_threads(threads)
    return spent


def roofline(seconds: float) -> dict[str, float | str]:
    """What the machine can do, and how much of it a (64, 512) step of `seconds` reaches.

    The least that a step must do: three passes of multiply-adds over the live weights (forward, and
    the gradients of weights and of dendrites), and the dendrites' activations written and read once
    in each direction.
    """
    net = network("dann-r", *SIZES[-1], 1)
    flops = 2 * 3 * count_macs(net) * BATCH
    traffic = 4 * net.architecture.units * BATCH * 4
    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    source, target = torch.rand(2**26), torch.empty(2**26)
    timed = in_turn({"multiply": lambda: a @ b, "stream": lambda: target.copy_(source)}, 5)
    flop_rate = 2 * 2048**3 / timed["multiply"]
    bandwidth = 2 * 4 * 2**26 / timed["stream"]
    bounds = {"arithmetic": flops / flop_rate, "memory": traffic / bandwidth}
    bound = max(bounds, key=lambda name: bounds[name])
    return {
        "gflops": flop_rate / 1e9,
        "gigabytes_per_second": bandwidth / 1e9,
        "arithmetic_seconds": bounds["arithmetic"],
        "memory_seconds": bounds["memory"],
        "bound": bound,
        "fraction": bounds[bound] / seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="few rounds, nothing written")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    dataset = data()
    rounds = 3 if arguments.quick else 15
    print(f"a training step in ms, batch {BATCH}, {arguments.threads} threads")
    print("  D    S     ours  ours x5  masked     vs masked  five/one   vann  Linear  vann/Linear")
    rows = []
    for size in SIZES:
        row = compare(size, dataset, rounds)
        rows.append({"dendrites": size[0], "somata": size[1], "seconds": row})
        faster, five = row["masked_dense"] / row["ours"], row["ours_x5"] / row["ours"]
        line = f"{size[0]:3} {size[1]:4} {1e3 * row['ours']:8.3f} {1e3 * row['ours_x5']:8.3f} "
        line += f"{1e3 * row['masked_dense']:7.2f} {faster:12.1f}x {five:8.2f}x"
        if "vann" in row:
            line += f" {1e3 * row['vann']:6.2f} {1e3 * row['plain_linear']:7.2f} "
            line += f"{row['vann'] / row['plain_linear']:11.2f}x"
        print(line, flush=True)
    whole = epoch(dataset)
    ratio = whole["masked_dense_cpu_seconds"] / whole["ours_cpu_seconds"]
    print(
        f"an epoch of {IMAGES:,} images, one (4, 128) replicate, processor seconds: "
        f"ours {whole['ours_cpu_seconds']:.2f}, masked dense "
        f"{whole['masked_dense_cpu_seconds']:.2f}, {ratio:.1f}x"
    )
    roof = roofline(rows[-1]["seconds"]["ours"])  # type: ignore[index]  # made above
    print(
        f"roofline at (64, 512): {roof['gflops']:.0f} GFLOP/s, "
        f"{roof['gigabytes_per_second']:.1f} GB/s; bound by {roof['bound']}; "
        f"{100 * float(roof['fraction']):.0f} % reached"
    )
    if not arguments.quick:
        result = {
            "machine": describe(),
            "threads": arguments.threads,
            "batch": BATCH,
            "steps": rows,
            "epoch": whole,
            "roofline": roof,
        }
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
