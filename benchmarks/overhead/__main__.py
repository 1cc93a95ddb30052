"""The overhead per trial: a study of trials that train nothing, compared with plain Ray Tune.

    python -m benchmarks.overhead
    python -m benchmarks.overhead --parts trial --trials 60 --stock-trials 15 --repetitions 1

Each measurement is a process of its own; the kinds take turns, and medians are given. The time a trial
is that between the ends of the first third of the trials and of the last, so no start-up counts. Three
parts: `trial` (five reports each, beside plain Ray Tune and its stock Optuna and MLflow), `growth` (the
1,000th trial beside the 100th) and `decision` (a study on 256 simulated workers, without Ray).
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import describe
from benchmarks.process import measured

RESULT: Final = Path(__file__).parents[1] / "results" / "overhead.json"
PARTS: Final = ("trial", "growth", "decision")
# Sampler, scheduler, and whether a step is an epoch or goes on to the next rung.
OURS: Final = (
    ("ehvi", "none", "every"),
    ("tpe", "none", "every"),
    ("random", "none", "every"),
    ("ehvi", "none", "rung"),
    ("ehvi", "pareto", "rung"),
)
SIMULATED: Final = ("ehvi", "tpe", "random")
PHASES: Final = (
    "ask",
    "tell",
    "halving",
    "storage",
    "tracking",
    "scoreboard",
    "progress",
    "observer",
)


def main() -> None:
    options = _options()
    found: dict[str, Any] = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {}
    if "trial" in options.parts:
        found["trial"] = trial(options.trials, options.stock_trials, options.repetitions)
        print_trial(found["trial"])
    if "growth" in options.parts:
        found["growth"] = growth(options.growth_trials)
        print_growth(found["growth"])
    if "decision" in options.parts:
        found["decision"] = decision(options.decision_trials, options.workers, options.limit)
        print_decision(found["decision"])
    found |= {"machine": describe()}
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def trial(trials: int, stock_trials: int, repetitions: int) -> dict[str, Any]:
    """Medians over repetitions of each kind, in milliseconds a trial."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for _ in range(repetitions):
        runs.setdefault("raw", []).append(measured("overhead.tune", "raw", trials))
        stock = measured("overhead.tune", "stock", stock_trials)
        runs.setdefault("stock", []).append(stock)
        for kind in OURS:
            ours = measured("overhead.ours", trials, *kind)
            runs.setdefault(" ".join(kind), []).append(ours)
    return {
        kind: {
            "ms": statistics.median(one["steady"]["ms"] for one in found),
            "drain_s": statistics.median(one.get("drain_s", 0.0) for one in found),
            "processor_ms": statistics.median(_processor(one) for one in found),
            "sender_processor_ms": statistics.median(
                one.get("sender_processor_ms", 0.0) for one in found
            ),
            "runs": found,
        }
        for kind, found in runs.items()
    }


def growth(trials: int) -> dict[str, Any]:
    return {
        kind: measured("overhead.ours", trials, "ehvi", kind, "rung") for kind in ("pareto", "none")
    }


def decision(trials: int, workers: int, limit_s: float) -> dict[str, Any]:
    return {
        sampler: measured("overhead.decision", trials, sampler, workers, limit_s)
        for sampler in SIMULATED
    }


def _processor(run: dict[str, Any]) -> float:
    """The processor time of the driver, all of its threads, in milliseconds a trial."""
    return float(run["steady"]["processor"]["driver"])


def print_trial(found: dict[str, Any]) -> None:
    raw = found["raw"]["ms"]
    print(
        f"{'':22} {'ms/trial':>9} {'x raw':>6} {'driver CPU ms':>14} {'sender CPU ms':>14} "
        f"{'drained after s':>16}"
    )
    for kind, one in found.items():
        print(
            f"{kind:22} {one['ms']:9.1f} {one['ms'] / raw:6.2f} {one['processor_ms']:14.1f} "
            f"{one['sender_processor_ms']:14.1f} {one['drain_s']:16.1f}"
        )


def print_growth(found: dict[str, Any]) -> None:
    names = ("all", *PHASES)
    print(f"\n{'ms/trial (CPU)':22} " + " ".join(f"{name:>12}" for name in names))
    for kind, one in found.items():
        for at, window in one["growth"].items():
            cells = [(window["ms"], window["processor"]["driver"])]
            cells += [
                (window["wall"].get(name, 0.0), window["processor"].get(name, 0.0))
                for name in names[1:]
            ]
            row = " ".join(f"{f'{wall:.1f} ({cpu:.1f})':>12}" for wall, cpu in cells)
            print(f"{f'{kind}, trial {at}':22} {row}")
        print(f"{kind}: MiB after trials: {one['memory_mb']}, drained after {one['drain_s']:.1f} s")


def print_decision(found: dict[str, Any]) -> None:
    print("\nmicroseconds a decision: median / 99th percentile / most")
    for sampler, one in found.items():
        for at, mark in one["marks"].items():
            cells = [
                f"{kind} {mark[kind]['median']:,.0f} / {mark[kind]['p99']:,.0f} / "
                f"{mark[kind]['max']:,.0f}"
                for kind in ("ask", "report", "tell")
            ]
            memory = f"{mark['memory_mb']:.0f} MiB, late by {mark['latest_s']:.1f} s at most"
            print(f"{sampler:7} {at:>6} trials: {'; '.join(cells)}; {memory}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overhead", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--trials", type=int, default=300, help="of plain Ray Tune and of ours")
    parser.add_argument("--stock-trials", type=int, default=60)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--growth-trials", type=int, default=1000)
    parser.add_argument("--decision-trials", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=256, help="simulated, of the decisions")
    parser.add_argument("--limit", type=float, default=600, help="seconds a simulation may take")
    return parser.parse_args()


if __name__ == "__main__":
    main()
