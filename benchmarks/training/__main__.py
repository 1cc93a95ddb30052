"""Epochs of the compiled engine, of torch's and of masked dense torch: processor seconds and time.

    python -m benchmarks.training [--quick] [--rounds N]

All rivals in one process, in turn, medians; random images of 28 x 28, batch 128, dann-lrf with 16
synapses a dendrite. Figures are those of an epoch of 54,000 images that validates with 6,000; masked
dense does a tenth of it, or two steps. Prints tables and writes benchmarks/results/training.json (not
with --quick). `--several` measures five replicates on all cores again, in that file, `--recipes` what
training recipes cost, `--dense` the families with dense layers, `--convolutions` those that share
weights. The module `studies` measures whole studies.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import describe
from benchmarks.process import measured
from benchmarks.training import rivals
from models import Architecture, build, count_macs
from study.engine.recipe import Recipe
from study.training.split import Split
from study.training.train import keep_freed_memory

RESULT = Path(__file__).parents[1] / "results" / "training.json"
SIZES = ((1, 32), (4, 64), (4, 128), (16, 256), (64, 512))
DENSE = (("vann", (1, 32)), ("vann", (4, 128)), ("vann", (4, 512)), ("pdann", (4, 128)))
CONVOLUTIONS = (
    Architecture(family="cnn", somata=12, synapses=9, layers=2),
    Architecture(family="cnn", somata=36, synapses=9, layers=2),
    Architecture(family="cnn", somata=81, synapses=9, layers=2),
    Architecture(family="dann-conv", dendrites=5, somata=9, synapses=16),
    Architecture(family="dann-conv", dendrites=8, somata=24, synapses=16),
)
RECIPES = {
    "bare": Recipe(),
    "label_smoothing": Recipe(label_smoothing=0.1),
    "weight_decay": Recipe(weight_decay=0.1),
    "average": Recipe(average=0.99),
    "shift": Recipe(shift=1),
    "flip": Recipe(flip=0.5),
    "all": Recipe(label_smoothing=0.1, weight_decay=0.1, average=0.99, shift=1, flip=0.5),
}
Timed = dict[str, dict[str, float]]


def in_turn(runs: dict[str, Callable[[], object]], rounds: int) -> Timed:
    """The median processor seconds and seconds of each rival, each having its turn in every round."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            start, wall = time.process_time(), time.perf_counter()
            run()
            if number:  # the first warms up
                spent = time.process_time() - start, time.perf_counter() - wall
                found[name].append(spent)
    return {
        name: dict(
            zip(
                ("processor", "wall"), map(statistics.median, zip(*times, strict=True)), strict=True
            )
        )
        for name, times in found.items()
    }


@contextmanager
def busy_core() -> Iterator[None]:
    """Another process computes all the time."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])  # our own
    try:
        yield
    finally:
        process.kill()
        process.wait()


def compare(size: tuple[int, int], split: Split, rounds: int) -> Timed:
    steps = 2 if size == SIZES[-1] else -(-rivals.STEPS // 10)
    runs = {
        "compiled": rivals.engine("compiled", "dann-lrf", size, split),
        "torch": rivals.engine("torch", "dann-lrf", size, split),
        "masked_dense": rivals.masked_dense("dann-lrf", size, split, steps),
    }
    timed = in_turn(runs, rounds)
    dense = timed["masked_dense"]
    timed["masked_dense"] = {kind: rivals.STEPS / steps * dense[kind] for kind in dense}
    return timed


def on_all_cores(size: tuple[int, int], split: Split) -> Timed:
    """An epoch of torch with a thread for each core; on a machine with other users threads wait."""
    with rivals.all_cores():
        return in_turn({"torch_all_cores": rivals.engine("torch", "dann-lrf", size, split)}, 1)


def loading() -> dict[str, Any]:
    """What a process waits for the engine: the first one on a machine, and any later one."""
    with tempfile.TemporaryDirectory() as folder:
        places = dict.fromkeys(("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "TMPDIR"), folder)
        first, *later = (measured("training.loading", environment=places) for _ in range(4))
    return {
        "first": first,
        "later": {kind: statistics.median(one[kind] for one in later) for kind in first},
    }


def peaks() -> dict[str, float]:
    """What one core can do: multiply-adds of a large matrix product, bytes of a copy, a second."""
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    source, target = torch.rand(2**25), torch.empty(2**25)
    timed = in_turn({"multiply": lambda: a @ b, "copy": lambda: target.copy_(source)}, 9)
    return {
        "multiply_adds": 1024**3 / timed["multiply"]["processor"],
        "bytes": 2 * 4 * 2**25 / timed["copy"]["processor"],
    }


def floor(size: tuple[int, int], seconds: float, peak: dict[str, float]) -> dict[str, float]:
    """Which share of an epoch's time its arithmetic and its traffic with memory would take.

    Multiply-adds over the live weights, forward, for their gradients and for those of the inputs, which
    the first layer does without; the images read once, as bytes.
    """
    network = rivals.network("dann-lrf", size, 1)
    macs = 3 * count_macs(network) - network.layers[0].weight[0].numel()
    return {
        "multiply_adds": macs * rivals.IMAGES / peak["multiply_adds"] / seconds,
        "memory": rivals.IMAGES * 784 / peak["bytes"] / seconds,
    }


def several(split: Split, rounds: int) -> dict[str, Any]:
    """Five replicates of (4, 128) on all cores, and one."""
    with rivals.all_cores():
        runs = {
            "one": rivals.engine("compiled", "dann-lrf", (4, 128), split),
            "five": rivals.engine("compiled", "dann-lrf", (4, 128), split, replicates=5),
        }
        timed = in_turn(runs, rounds)
    for kind in ("processor", "wall"):
        ratio = timed["five"][kind] / timed["one"][kind]
        print(f"five replicates / one, {rivals.CORES} threads, {kind}: {ratio:.2f}x", flush=True)
    return timed | {"machine": describe()}


def dense(split: Split, rounds: int) -> dict[str, Any]:
    """An epoch of networks whose first layer reads all inputs."""
    found: dict[str, Any] = {"machine": describe(), "load": os.getloadavg()}
    for family, size in DENSE:
        runs = {name: rivals.engine(name, family, size, split) for name in ("compiled", "torch")}
        row = in_turn(runs, rounds)
        found[f"{family} {size[0]}, {size[1]}"] = row
        ratio = row["torch"]["processor"] / row["compiled"]["processor"]
        print(f"{family} {size}: torch/compiled {ratio:.2f}x", flush=True)
    return found


def convolutions(split: Split, rounds: int) -> dict[str, Any]:
    """An epoch of networks of up to 8,000, 30,000 and 100,000 parameters that share weights."""
    found: dict[str, Any] = {"machine": describe(), "load": os.getloadavg()}
    for architecture in CONVOLUTIONS:
        runs = {
            name: rivals.epoch_of(
                name, build(architecture, (1, 28, 28), rivals.CLASSES, [0]), split
            )
            for name in ("compiled", "torch")
        }
        row = in_turn(runs, rounds)
        found[architecture.label()] = row
        ratio = row["torch"]["processor"] / row["compiled"]["processor"]
        print(f"{architecture.label()}: torch/compiled {ratio:.2f}x", flush=True)
    return found


def recipes(split: Split, rounds: int) -> dict[str, Any]:
    """An epoch of the compiled engine with each recipe, in turn."""
    found: dict[str, Any] = {"machine": describe(), "load": os.getloadavg()}
    for size in SIZES[:3]:
        runs = {
            name: rivals.engine("compiled", "dann-lrf", size, split, recipe=recipe)
            for name, recipe in RECIPES.items()
        }
        row = in_turn(runs, rounds)
        found[f"{size[0]}, {size[1]}"] = row
        ratios = {name: row[name]["processor"] / row["bare"]["processor"] for name in row}
        print(size, ", ".join(f"{name} {ratio:.2f}x" for name, ratio in ratios.items()), flush=True)
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="nothing is written")
    parser.add_argument("--several", action="store_true", help="the replicates alone")
    parser.add_argument("--recipes", action="store_true", help="the recipes alone")
    parser.add_argument("--dense", action="store_true", help="the dense layers alone")
    parser.add_argument("--convolutions", action="store_true", help="the convolutions alone")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each rival")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    rounds = given.rounds
    torch.set_num_threads(1)
    keep_freed_memory()
    split = rivals.random_images()
    alone = {"several": several} if given.several else {}
    alone |= {"recipes": recipes} if given.recipes else {}
    alone |= {"dense": dense} if given.dense else {}
    alone |= {"convolutions": convolutions} if given.convolutions else {}
    if alone:
        kept = json.loads(RESULT.read_text(encoding="utf-8"))
        kept |= {name: measure(split, rounds) for name, measure in alone.items()}
        RESULT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        return
    peak = peaks()
    result: dict[str, Any] = {"machine": describe(), "load": os.getloadavg(), "peak": peak}
    result["loading"] = loading()
    print("to wait for the engine:", result["loading"], flush=True)
    for condition in ("alone", "beside a busy core"):
        print(f"an epoch of dann-lrf in processor seconds, {condition}")
        print("  D    S  compiled   torch (cores)  masked  torch/  masked/  of peak")
        rows = []
        for size in SIZES if condition == "alone" else SIZES[:-1]:
            with nullcontext() if condition == "alone" else busy_core():
                row = compare(size, split, rounds)
            if condition == "alone":
                row |= on_all_cores(size, split)
            seconds = {name: timed["processor"] for name, timed in row.items()}
            ours = seconds["compiled"]
            share = floor(size, ours, peak)
            rows.append({"dendrites": size[0], "somata": size[1], "epoch": row, "floor": share})
            print(
                f"{size[0]:3} {size[1]:4} {ours:9.4f} {seconds['torch']:7.3f} "
                f"{seconds.get('torch_all_cores', 0):11.3f} {seconds['masked_dense']:7.2f} "
                f"{seconds['torch'] / ours:6.1f}x {seconds['masked_dense'] / ours:7.1f}x "
                f"{share['multiply_adds']:8.0%}",
                flush=True,
            )
        result[condition] = rows
    result["dense"] = dense(split, min(rounds, 3))
    tested = {name: rivals.evaluation(name, (4, 128), split) for name in ("compiled", "torch")}
    result["evaluation"] = shown = in_turn(tested, rounds)
    print("evaluation of 6,000 images at (4, 128):", shown)
    result["several"] = several(split, rounds)
    result["recipes"] = recipes(split, rounds)
    result["convolutions"] = convolutions(split, min(rounds, 3))
    if not given.quick:
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
