"""How much `latency_ms` varies when it is measured again: the table in docs/diagnostics.md.

    chrt -r 10 python -m benchmarks.pages.latency

Each network is measured six times alone on a core, and six times beside a busy process on the same core.
`chrt` gives the benchmark its core on a machine with other work.
"""

import json
import multiprocessing
import os
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks import markdown
from benchmarks.machine import describe
from models import Architecture, build
from study.training.latency import latency_of

RESULT: Final = Path(__file__).parents[1] / "results/latency.json"
NETWORKS: Final = (
    Architecture(family="dann-r", dendrites=3, somata=32, synapses=16),
    Architecture(family="dann-lrf", dendrites=8, somata=256, synapses=16),
    Architecture(family="mlp", somata=256),
)
REPEATS: Final = 6
SEEDS: Final = [0, 1, 2]


def main() -> None:
    core = min(os.sched_getaffinity(0))
    machine = describe()
    os.sched_setaffinity(0, {core})
    alone = [measure(network) for network in NETWORKS]
    other = multiprocessing.Process(target=be_busy, daemon=True)
    other.start()
    busy = [measure(network) for network in NETWORKS]
    other.kill()
    rows = [
        {"network": network.label(), "alone": one, "busy": two}
        for network, one, two in zip(NETWORKS, alone, busy, strict=True)
    ]
    result = {"machine": machine, "repeats": REPEATS, "networks": rows}
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print("\n".join(map(line, rows)))


def measure(architecture: Architecture) -> dict[str, float]:
    """The mean of repeated measurements (ms), and as shares of it their spread and mean sem."""
    network = build(architecture, (1, 28, 28), 10, SEEDS)
    trials = torch.stack([latency_of(network)["latency_ms"] for _ in range(REPEATS)])
    mean = trials.mean().item()
    sems = trials.std(dim=1) / len(SEEDS) ** 0.5
    return {
        "latency_ms": mean,
        "spread": trials.mean(dim=1).std().item() / mean,
        "sem": sems.mean().item() / mean,
    }


def be_busy() -> None:
    while True:
        sum(range(1000))


def line(row: dict[str, Any]) -> str:
    """A row of the table in docs/diagnostics.md."""
    cells = [
        f"{part['latency_ms']:.3f} | {100 * part['spread']:.1f} % | {100 * part['sem']:.1f} %"
        for part in (row["alone"], row["busy"])
    ]
    return markdown.row([row["network"], *cells])


if __name__ == "__main__":
    main()
