"""How a study behaves from 1 to 1,000 GPUs: trials an hour, load of the driver, storage and memory.

    python -m benchmarks.scaling
    python -m benchmarks.scaling --parts simulation --rounds 1

Three parts: `simulation` (simulated GPUs; the real searcher, halving and journal), `storage` (what a
trial leaves behind, counted in a small study) and `memory` (eight trials that share a CPU and the data).
It prints the tables of docs/scaling.md and draws docs/images/scaling.png.
"""

import argparse
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import describe
from benchmarks.process import measured
from benchmarks.scaling.figure import draw
from benchmarks.scaling.table import tables

REPOSITORY: Final = Path(__file__).parents[2]
RESULT: Final = REPOSITORY / "benchmarks" / "results" / "scaling.json"
PICTURE: Final = REPOSITORY / "docs/images/scaling.png"
PARTS: Final = ("simulation", "storage", "memory")
GPUS: Final = (1, 8, 64, 256, 1000)
MINUTES: Final = (1, 10, 60)
_FEWEST: Final = 100  # trials of a simulation
_LARGE_MB: Final = 200


def main() -> None:
    options = _options()
    found: dict[str, Any] = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {}
    if "memory" in options.parts:
        found["memory"] = _measured("memory", _LARGE_MB)
    if "storage" in options.parts:
        found["storage"] = _measured("storage")
    if "simulation" in options.parts:
        found["simulation"] = simulation(options.rounds)
    found["machine"] = describe()
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print("\n\n".join("\n".join(rows) for rows in tables(found).values()))
    draw(found, PICTURE)


def simulation(rounds: float) -> list[dict[str, Any]]:
    """Every size and length with the default sampler, and the others where the driver has most to do."""
    cases = [(gpus, minutes, "ehvi") for minutes in MINUTES for gpus in GPUS]
    cases += [(GPUS[-1], MINUTES[0], sampler) for sampler in ("tpe", "random")]

    def one(case: tuple[int, int, str]) -> dict[str, Any]:
        gpus = case[0]
        found = _measured("simulation", *case, max(_FEWEST, int(rounds * gpus)))
        print(json.dumps(found), file=sys.stderr, flush=True)
        return found

    # Each counts its own processor time, so they may share the machine; the longest ones first.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = list(pool.map(one, reversed(cases)))
    return found[::-1]


def _measured(part: str, *arguments: object) -> dict[str, Any]:
    # One thread: processor time is to be that of one decision after another.
    return measured(f"scaling.{part}", *arguments, environment={"OMP_NUM_THREADS": "1"})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=float, default=1.5, help="trials of each simulated GPU")
    return parser.parse_args()


if __name__ == "__main__":
    main()
