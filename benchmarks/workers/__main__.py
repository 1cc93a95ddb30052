"""A real Ray with many workers whose trials train nothing, beside the simulation of docs/scaling.md.

    python -m benchmarks.workers
    python -m benchmarks.workers --workers 20 --trials 200

One study for each number of workers, on this machine: whether the driver's loop, its memory, and the
sender of the records keep up. Beside it the simulated study of as many workers. It prints the table of
docs/scaling.md. A case that was measured before is kept; `--again` measures all of them.
"""

import argparse
import json
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import describe
from benchmarks.process import measured
from benchmarks.workers.real import SAMPLER
from benchmarks.workers.table import table

RESULT: Final = Path(__file__).parents[1] / "results" / "workers.json"
_NO_MINUTES: Final = 1e-6  # a simulated trial, so that the driver is never idle


def main() -> None:
    options = _options()
    cases: dict[str, Any] = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {}
    for workers in options.workers:
        kept = cases.get(str(workers))
        if kept is None or kept["real"]["trials"] != options.trials or options.again:
            cases[str(workers)] = case(workers, options.trials)
            RESULT.write_text(json.dumps(cases, indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(cases)))


def case(workers: int, trials: int) -> dict[str, Any]:
    """Both studies, in processes of their own. Each computes on one thread, as in benchmarks/scaling."""
    one_thread = {"OMP_NUM_THREADS": "1"}
    real = measured("workers.real", workers, trials, progress=True, environment=one_thread)
    simulated = measured(
        "scaling.simulation", workers, _NO_MINUTES, SAMPLER, trials, environment=one_thread
    )
    return {"real": real, "simulated": simulated, "machine": describe()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.workers", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--again", action="store_true", help="measure all cases")
    return parser.parse_args()


if __name__ == "__main__":
    main()
