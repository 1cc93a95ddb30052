"""Whether and how fast networks train on a GPU, in at most eight minutes.

    python -m benchmarks.gpu [--device cpu] [--steps NAME ...] [--to FILE]

Writes all results after each step, by default to benchmarks/results/gpu.json. Needs only torch, numpy,
scipy and safetensors, not Ray, Optuna, MLflow, pydantic or numba. On a CPU, every step that is possible
there runs at small sizes: this tests the script, and measures nothing.
"""

import argparse
import json
import math
import platform
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.gpu import correctness, first_layer, processes, step_times
from benchmarks.gpu.workloads import SCALES, Bench
from study.study_folder import replace_file
from study.training.device import answers, device_name, set_arithmetic, training_device
from study.training.sparse_forms import break_even_density

RESULT: Final = Path(__file__).parents[1] / "results" / "gpu.json"
_ALL_SECONDS: Final = 480

STEPS: Final[dict[str, tuple[Callable[[Bench], dict[str, Any]], float]]] = {
    "families": (correctness.families, 60),
    "reproducible": (correctness.reproducible, 40),
    "left behind": (processes.left_behind, 40),
    "steps": (step_times.eager_and_captured, 150),
    "first layer": (first_layer.forms, 60),
    "fused": (step_times.fused, 50),
    "beside each other": (processes.beside, 60),
}
"""Each step with its limit in seconds on a GPU, which it checks between measurements."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the steps; returns 1 if one failed, or found other results than it should."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", choices=tuple(SCALES), default="cuda")
    parser.add_argument("--steps", nargs="+", choices=tuple(STEPS), default=tuple(STEPS))
    parser.add_argument("--to", type=Path, default=RESULT)
    options = parser.parse_args(arguments)
    set_arithmetic()
    device = training_device(float(options.device == "cuda"))
    if device.type == "cpu":
        torch.set_num_threads(1)
    result: dict[str, Any] = {"machine": _machine(device), "steps": {}}
    over = time.monotonic() + _ALL_SECONDS
    failed = False
    for name in options.steps:
        run, seconds = STEPS[name]
        start = time.monotonic()
        deadline = min(over, start + seconds) if device.type == "cuda" else math.inf
        bench = Bench(device, SCALES[options.device], deadline)
        print(f"{name} ...", flush=True)
        try:
            found = run(bench)
        except Exception:  # noqa: BLE001  # the other steps run all the same
            found = {"error": traceback.format_exc()}
            print(found["error"])
        failed |= "error" in found or bool(found.get("errors")) or found.get("equal") is False
        result["steps"][name] = found | {"seconds": time.monotonic() - start}
        replace_file(options.to, json.dumps(result, indent=1) + "\n", durably=False)
        print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)
        if not answers(device):
            print("the device is lost; run the other steps (--steps) in a new process")
            return 1
    print(f"written to {options.to}")
    return int(failed)


def _machine(device: torch.device) -> dict[str, Any]:
    found: dict[str, Any] = {
        "command": shlex.join(["python", *sys.orig_argv[1:]]),
        "device": device_name(device),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "numpy": np.__version__,
    }
    if device.type == "cuda":
        found["cudnn"] = torch.backends.cudnn.version()
        found["bytes"] = torch.cuda.get_device_properties(device).total_memory
        found["break_even_density"] = break_even_density(device)
    return found


if __name__ == "__main__":
    sys.exit(main())
