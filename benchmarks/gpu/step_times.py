"""Seconds per training step: eager and captured, in each form, and with many replicates at once."""

import traceback
from typing import Any

import torch

from benchmarks.gpu.correctness import TRAINED
from benchmarks.gpu.workloads import (
    RATE,
    Bench,
    batch_rows,
    engine,
    forms_to_try,
    launches,
    network,
    release_memory,
    too_large,
    use_form,
)
from models import Network, count_parameters
from models.layers import SparseForm
from study.training.captured_step import captured
from study.training.torch_engine import TorchEngine


def eager_and_captured(bench: Bench) -> dict[str, Any]:
    """Seconds per step of three families by size and replicates, and the launches of an eager step."""
    rows: list[dict[str, Any]] = []
    # In order of replicates, so that only the largest networks are left out if time runs out.
    for replicates in bench.scale.replicates:
        for size in bench.scale.sizes:
            for family in TRAINED:
                row: dict[str, Any] = {"family": family, "size": size, "replicates": replicates}
                rows.append(row)
                if bench.late or too_large(family, size, replicates):
                    row["left_out"] = "no time" if bench.late else "too large"
                else:
                    row |= _step(family, size, replicates, bench)
    return {"rows": rows, "errors": sum("error" in row for row in rows)}


def _step(family: str, size: tuple[int, int], replicates: int, bench: Bench) -> dict[str, Any]:
    release_memory(bench)
    made = network(family, size, replicates)
    found: dict[str, Any] = {"parameters": count_parameters(made)}
    try:
        trained = engine(made, bench)
        found["chosen"] = [layer.form for layer in made.sparse_layers]
        found["fallback"] = trained.fallback
        for form in forms_to_try(made):
            use_form(made, form)
            found[form] = _forms_times(made, trained, bench)
    except torch.OutOfMemoryError as error:
        found["out_of_memory"] = str(error).splitlines()[0]
    except RuntimeError:  # the other networks are measured all the same
        found["error"] = traceback.format_exc()
    return found


def _forms_times(made: Network, trained: TorchEngine, bench: Bench) -> dict[str, Any]:
    rows, rate = batch_rows(made, bench), torch.tensor(RATE, device=bench.device)
    found: dict[str, Any] = {"eager": bench.seconds(lambda: trained.step(rows, rate))}
    step, reason = captured(trained.step, trained.changed, rows, made.zero_grad)
    if reason is None:
        found["captured"] = bench.seconds(lambda: step(rows, rate))
    else:
        found["not_captured"] = reason
    if made.replicates == 1:
        found["launches"] = launches(lambda: trained.step(rows, rate), bench.device)
    return found


def fused(bench: Bench) -> dict[str, Any]:
    """Seconds per step of many replicates of small networks: an upper bound for fused trials."""
    rows: list[dict[str, Any]] = []
    for size in bench.scale.sizes[:2]:
        for replicates in bench.scale.fused:
            row: dict[str, Any] = {"size": size, "replicates": replicates}
            rows.append(row)
            if bench.late:
                row["left_out"] = "no time"
                continue
            if bench.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(bench.device)
            row |= _step("dann-lrf", size, replicates, bench)
            if bench.device.type == "cuda":
                row["bytes"] = torch.cuda.max_memory_allocated(bench.device)
            forms: tuple[SparseForm, ...] = ("csr", "dense")
            times = [time for form in forms for time in _times(row.get(form, {}))]
            row["steps_a_second"] = replicates / min(times) if times else None
    return {"rows": rows, "errors": sum("error" in row for row in rows)}


def _times(found: dict[str, Any]) -> list[float]:
    return [found[kind] for kind in ("eager", "captured") if kind in found]
