"""Several processes on one device, and the state of a process after an error of the device.

    python -m benchmarks.gpu.processes train cuda
    python -m benchmarks.gpu.processes errors cuda

are these processes; `beside` and `left_behind` start them.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.gpu.workloads import RATE, SCALES, Bench, batch_rows, engine, network
from benchmarks.process import measured
from study.training.device import is_lost, set_arithmetic

_REPOSITORY: Final = Path(__file__).parents[2]
_SECONDS: Final = {"cuda": 3.0, "cpu": 0.2}
_SHARE: Final = 0.05  # of the memory, for the process in which it runs out


def beside(bench: Bench) -> dict[str, Any]:
    """Steps per second of 1, 2, 4 ... processes together, each of which trains a trial."""
    kind = bench.device.type
    counts = [n for n in bench.scale.processes if n == 1 or n <= (os.cpu_count() or 1)]
    command = [sys.executable, "-m", "benchmarks.gpu.processes", "train", kind]
    started = [
        subprocess.Popen(  # noqa: S603  # our own
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_REPOSITORY,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for _ in range(max(counts))
    ]
    try:
        for process in started:
            _answer(process)
        rows = []
        for count in counts:
            if bench.late:
                rows.append({"processes": count, "left_out": "no time"})
                continue
            for process in started[:count]:
                _tell(process, str(_SECONDS[kind]))
            steps = [float(_answer(process)) for process in started[:count]]
            rows.append({"processes": count, "steps_a_second": sum(steps)})
        return {"rows": rows}
    finally:
        for process in started:
            process.kill()
            process.communicate()


def left_behind(bench: Bench) -> dict[str, Any]:
    """Whether a process can still train after memory ran out, and after a device-side assert."""
    return measured("gpu.processes", "errors", bench.device.type)


def _tell(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin is not None  # noqa: S101  # a pipe
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def _answer(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None  # noqa: S101  # a pipe
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"a process ended with {process.wait()}")
    return line


def _train(bench: Bench) -> None:
    """Trains for the seconds in each line of standard input; prints the steps per second."""
    torch.set_num_threads(1)
    made = network("dann-lrf", bench.scale.sizes[1], 3)
    trained = engine(made, bench)
    rows, rate = batch_rows(made, bench), torch.tensor(RATE, device=bench.device)
    order, rates = rows.repeat(1, 20), [RATE] * 20
    trained.step(rows, rate)
    print("ready", flush=True)
    for line in sys.stdin:
        start, steps = time.monotonic(), 0
        while time.monotonic() - start < float(line):
            trained.train_epoch(1, order, torch.tensor(rates).double().numpy(), range(3))
            steps += len(rates)
        print(steps / (time.monotonic() - start), flush=True)


def _errors(bench: Bench) -> dict[str, Any]:
    """Each error, whether it counts as a lost device, and the result of the next training."""
    found = {"out of memory": _after(lambda: _exhaust(bench), bench)}
    if bench.device.type == "cuda":
        found["device assert"] = _after(lambda: _fail_an_assertion(bench), bench)
    return found


def _after(run: Callable[[], object], bench: Bench) -> dict[str, Any]:
    try:
        run()
    except RuntimeError as error:
        found: dict[str, Any] = {"error": _said(error), "is_lost": is_lost(error, bench.device)}
    else:
        return {"error": None}
    try:
        made = network("dann-lrf", bench.scale.sizes[0], 1)
        losses = engine(made, bench).step(batch_rows(made, bench), RATE)
        found["next"] = bool(losses.isfinite().all())
    except RuntimeError as error:
        found["next"] = _said(error)
    return found


def _exhaust(bench: Bench) -> torch.Tensor:
    if bench.device.type == "cpu":
        return torch.empty(2**60)
    torch.cuda.set_per_process_memory_fraction(_SHARE)
    free, _ = torch.cuda.mem_get_info(bench.device)
    return torch.empty(free // 2, dtype=torch.uint8, device=bench.device)


def _fail_an_assertion(bench: Bench) -> None:
    """Reads beyond the end of a tensor, against which the kernel has an assertion."""
    torch.zeros(1, device=bench.device)[torch.tensor([5], device=bench.device)]
    torch.cuda.synchronize(bench.device)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0]}"


if __name__ == "__main__":
    set_arithmetic()
    bench = Bench(torch.device(sys.argv[2]), SCALES[sys.argv[2]], time.monotonic() + 600)
    if sys.argv[1] == "train":
        _train(bench)
    else:
        print(json.dumps(_errors(bench)), flush=True)
        os._exit(0)  # without a device, the process cannot exit normally
