"""What a process that trains waits for its engine, after torch is loaded: processor seconds.

    python -m benchmarks.training.loading

Prints JSON. It compiles where $NUMBA_CACHE_DIR, $XDG_CACHE_HOME and $TMPDIR are empty folders.
"""

import json
import time

import torch

from benchmarks.training import rivals
from study.training.engines import make_engine
from study.training.split import Split


def main() -> None:
    network = rivals.network("dann-lrf", (1, 32), 1)
    split = Split(torch.zeros(16, 1, 28, 28, dtype=torch.uint8), torch.zeros(16).long())
    start, wall = time.process_time(), time.perf_counter()
    engine = make_engine("compiled", network, split, rivals.BATCH)
    spent = {"processor": time.process_time() - start, "wall": time.perf_counter() - wall}
    print(json.dumps(spent | {"compiles": engine.compilation_seconds is not None}))


if __name__ == "__main__":
    main()
