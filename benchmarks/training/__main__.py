"""Epochs of the compiled engine, of torch's and of masked dense torch: processor seconds and time.

    python -m benchmarks.training [--quick]

All rivals in one process, in turn, medians; random images of 28 x 28, batch 128, dann-lrf with 16
synapses a dendrite. A rival trains on a random tenth of 54,000 images and validates with 600; figures
are ten times as much, an epoch. One replicate has one thread. Prints tables and writes
benchmarks/results/training.json (not with --quick).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.machine import describe
from benchmarks.training import rivals
from models import count_macs
from study.training.train import keep_freed_memory

RESULT = Path(__file__).parents[1] / "results" / "training.json"
SIZES = ((1, 32), (4, 64), (4, 128), (16, 256), (64, 512))
DENSE = (("vann", (1, 32)), ("vann", (4, 128)), ("vann-r", (4, 128)), ("pdann", (4, 128)))
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


def scaled(timed: Timed, factors: dict[str, float]) -> Timed:
    return {
        name: {kind: factors.get(name, 10) * value for kind, value in times.items()}
        for name, times in timed.items()
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


def compare(size: tuple[int, int], split: rivals.Split, rounds: int) -> Timed:
    steps = 2 if size == SIZES[-1] else rivals.STEPS
    runs = {
        "compiled": rivals.engine("compiled", "dann-lrf", size, 1, split),
        "torch": rivals.engine("torch", "dann-lrf", size, 1, split),
        "masked_dense": rivals.masked_dense("dann-lrf", size, split, steps),
    }
    return scaled(in_turn(runs, rounds), {"masked_dense": 10 * rivals.STEPS / steps})


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

    Three passes of multiply-adds over the live weights; the images read once, as bytes.
    """
    macs = 3 * count_macs(rivals.network("dann-lrf", size, 1)) * rivals.IMAGES
    return {
        "multiply_adds": macs / peak["multiply_adds"] / seconds,
        "memory": rivals.IMAGES * 784 / peak["bytes"] / seconds,
    }


def several(split: rivals.Split, rounds: int) -> Timed:
    """Five replicates of (4, 128) on two threads, and one."""
    torch.set_num_threads(2)
    runs = {
        "one": rivals.engine("compiled", "dann-lrf", (4, 128), 1, split),
        "five": rivals.engine("compiled", "dann-lrf", (4, 128), 5, split),
    }
    timed = scaled(in_turn(runs, rounds), {})
    torch.set_num_threads(1)
    return timed


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, nothing written")
    rounds = 2 if parser.parse_args().quick else 5
    torch.set_num_threads(1)
    keep_freed_memory()
    split = rivals.random_images()
    peak = peaks()
    result: dict[str, object] = {"machine": describe(), "load": os.getloadavg(), "peak": peak}
    for condition in ("alone", "beside a busy core"):
        print(f"an epoch of dann-lrf in processor seconds, {condition}")
        print("  D    S  compiled   torch  masked  torch/compiled (time)  masked/compiled  of peak")
        rows = []
        for size in SIZES if condition == "alone" else SIZES[:-1]:
            if condition == "alone":
                row = compare(size, split, rounds)
            else:
                with busy_core():
                    row = compare(size, split, rounds)
            ours, torchs, dense = (row[name] for name in ("compiled", "torch", "masked_dense"))
            share = floor(size, ours["processor"], peak)
            rows.append({"dendrites": size[0], "somata": size[1], "epoch": row, "floor": share})
            print(
                f"{size[0]:3} {size[1]:4} {ours['processor']:9.3f} {torchs['processor']:7.3f} "
                f"{dense['processor']:7.2f} {torchs['processor'] / ours['processor']:11.1f}x "
                f"({torchs['wall'] / ours['wall']:5.1f}x) "
                f"{dense['processor'] / ours['processor']:14.1f}x {share['multiply_adds']:8.0%}",
                flush=True,
            )
        result[condition] = rows
    dense_rows = {}
    for family, size in DENSE:
        runs = {name: rivals.engine(name, family, size, 1, split) for name in ("compiled", "torch")}
        row = scaled(in_turn(runs, min(rounds, 3)), {})
        dense_rows[f"{family} {size[0]}, {size[1]}"] = row
        ratio = row["torch"]["processor"] / row["compiled"]["processor"]
        print(f"{family} {size}: torch/compiled {ratio:.2f}x", flush=True)
    result["dense"] = dense_rows
    tested = {name: rivals.evaluation(name, (4, 128), split) for name in ("compiled", "torch")}
    result["evaluation"] = shown = in_turn(tested, rounds)
    print("evaluation of 6,000 images at (4, 128):", shown)
    result["several"] = both = several(split, rounds)
    print(f"five replicates / one, two threads: {both['five']['wall'] / both['one']['wall']:.2f}x")
    if rounds > 2:  # noqa: PLR2004  # as above
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
