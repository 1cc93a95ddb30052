"""The first layer alone, forward and backward, in each form that it could take."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.workloads import SYNAPSES, Bench, network
from models.layers import SparseLayer
from study.training.captured_step import captured


def forms(bench: Bench) -> dict[str, Any]:
    """Seconds of each form, eager and captured, for each size and some replicates."""
    rows: list[dict[str, Any]] = []
    for replicates in bench.scale.replicates[:2]:
        for size in bench.scale.sizes:
            row: dict[str, Any] = {"size": size, "replicates": replicates, "seconds": {}}
            rows.append(row)
            layer = network("dann-lrf", size, replicates).to(bench.device).sparse_layers[0]
            table = torch.rand(replicates, layer.inputs, bench.scale.batch, device=bench.device)
            for name, run in _runs(layer, table).items():
                if bench.late:
                    row["left_out"] = "no time"
                    break
                try:
                    row["seconds"][name] = _seconds(run, bench)
                except RuntimeError as error:
                    row["seconds"][name] = str(error).splitlines()[0]
    return {"rows": rows}


def _runs(layer: SparseLayer, table: Tensor) -> dict[str, Callable[[], Tensor]]:
    runs: dict[str, Callable[[], Tensor]] = {
        "csr": lambda: _in_form(layer, table, "csr"),
        "sddmm": lambda: layer.pattern.sampled_products(left, flat),
        "gather": lambda: _gathered(layer, table),
        "dense fp32": lambda: _in_form(layer, table, "dense"),
        "dense bf16": lambda: _in_form(half, table.bfloat16(), "dense"),
    }
    half = copy.deepcopy(layer).bfloat16()
    left = torch.rand(layer.bias.numel(), table.shape[-1], device=table.device)
    flat = table.flatten(0, 1)
    if table.device.type == "cuda":
        runs["dense tf32"] = lambda: _in_tf32(layer, table)
    return runs


def _seconds(run: Callable[[], Tensor], bench: Bench) -> dict[str, Any]:
    found: dict[str, Any] = {"eager": bench.seconds(run)}
    nothing = torch.zeros(1, dtype=torch.int64, device=bench.device)
    # A run returns its gradient and leaves none, so there is nothing to clear.
    step, reason = captured(lambda _rows, _rate: run(), [], nothing, lambda: None)
    if reason is None:
        found["captured"] = bench.seconds(lambda: step(nothing, 0.0))
    else:
        found["not_captured"] = reason
    return found


def _in_form(layer: SparseLayer, table: Tensor, form: Any) -> Tensor:  # noqa: ANN401  # a SparseForm
    layer.form = form
    return _gradient(layer(table), layer.weight)


def _in_tf32(layer: SparseLayer, table: Tensor) -> Tensor:
    torch.set_float32_matmul_precision("high")
    try:
        return _in_form(layer, table, "dense")
    finally:
        torch.set_float32_matmul_precision("highest")


def _gathered(layer: SparseLayer, table: Tensor) -> Tensor:
    rows = table.flatten(0, 1).index_select(0, layer.columns)
    rows = rows.view(layer.bias.numel(), SYNAPSES, -1)
    sums = torch.einsum("uk,ukb->ub", layer.weight.view(-1, SYNAPSES), rows)
    return _gradient(sums.view(*layer.bias.shape[:2], -1) + layer.bias, layer.weight)


def _gradient(outputs: Tensor, weight: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(outputs, [weight], torch.ones_like(outputs))
    return gradient
