"""What a decision costs without Ray, for benchmarks/overhead: a study on many simulated workers."""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.overhead.ours import spec
from benchmarks.simulation import Simulation
from study import environment

_MARKS: Final = (1000, 5000, 10_000)  # ended trials
_WINDOW: Final = 500  # ended trials up to a mark, whose decisions are summarised


def simulate(trials: int, sampler: str, workers: int, limit_s: float) -> dict[str, Any]:
    """Up to so many trials end, or until the simulation itself has taken `limit_s`."""
    environment.prepare()
    begun = time.monotonic()
    marks: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        simulation = Simulation(spec(trials, sampler, "pareto"), workers, Path(folder))
        over = False
        while simulation.ended < trials and not over:
            if not simulation.step():
                continue
            over = time.monotonic() - begun >= limit_s
            if over or simulation.ended in {*_MARKS, trials}:
                marks[str(simulation.ended)] = simulation.summary() | {
                    "real_s": time.monotonic() - begun
                }
            if simulation.ended % _WINDOW == 0:
                simulation.begin_window()
    return {"sampler": sampler, "workers": workers, "trials": simulation.ended, "marks": marks}


if __name__ == "__main__":
    count, chosen, simulated, limit = sys.argv[1:]
    print(json.dumps(simulate(int(count), chosen, int(simulated), float(limit))))
