"""What recording costs: Tune's loop a report, and points a second, ours and Ray's own callback.

Each runs in a process of its own, in turns, on the embedded SQLite store and on an MLflow server
with PostgreSQL (whose programs must be on this machine).
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import describe
from benchmarks.process import measured
from tests.support.servers import postgres, tracking_server

RESULT: Final = Path(__file__).parents[1] / "results" / "tracking.json"


def compared(store: str, options: argparse.Namespace) -> dict[str, Any]:
    """The medians of each over repetitions, and how often ours is cheaper."""
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "rays": []}
    for _ in range(options.repetitions):
        runs["ours"].append(
            measured("tracking.loop", "ours", store, options.trials, options.epochs)
        )
        runs["rays"].append(
            measured("tracking.loop", "rays", store, options.rays_trials, options.epochs)
        )
    found: dict[str, Any] = {
        kind: {name: statistics.median(one[name] for one in runs[kind]) for name in runs[kind][0]}
        for kind in runs
    }
    found["ratios_of_mean"] = [
        rays["mean_ms"] / ours["mean_ms"]
        for ours, rays in zip(runs["ours"], runs["rays"], strict=True)
    ]
    found["times_less"] = statistics.median(found["ratios_of_mean"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tracking", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--rays-trials", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    found = {"sqlite": compared("sqlite", options)}
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres() as database,
        tracking_server(Path(folder), database) as server,
    ):
        found["server with PostgreSQL"] = compared(server.uri, options)
    print(f"{'':24} {'ms a report':>12} {'p99':>8} {'points/s':>9}")
    for store, one in found.items():
        for kind in ("ours", "rays"):
            row = one[kind]
            print(
                f"{store + ', ' + kind:24} {row['mean_ms']:12.3f} {row['p99_ms']:8.3f} "
                f"{row['points_a_second']:9.0f}"
            )
        print(f"{store}: {one['times_less']:.0f} times less of the loop")
    RESULT.write_text(json.dumps({"machine": describe()} | found, indent=2) + "\n")


if __name__ == "__main__":
    main()
