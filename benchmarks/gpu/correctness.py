"""Whether all families agree with masked dense matrices on the device, and are reproducible there."""

import copy
from typing import Any, Final

import numpy as np
import torch

from benchmarks.gpu.workloads import (
    RATE,
    Bench,
    batch_rows,
    engine,
    forms_to_try,
    network,
    use_form,
)
from models import FAMILIES, Network, build
from study.training import checkpoint
from study.training.captured_step import seconds_of
from study.training.torch_engine import TorchEngine
from tests.support.architectures import architecture
from tests.support.oracle import masked_dense_logits

TRAINED: Final = ("dann-lrf", "vann", "cnn")
_TOLERANCE: Final = 1e-3  # of the largest value; single precision, sums of some hundred products
_STEPS: Final = 10


def families(bench: Bench) -> dict[str, Any]:
    """Logits and gradients of each family on the device, beside the oracle's on the CPU."""
    rows: list[dict[str, Any]] = []
    for family in FAMILIES:
        for replicates in (1, 3):
            wanted = architecture(family, layers=2, somata=32, dendrites=4, synapses=16)
            made = build(wanted, (1, 12, 12), 10, list(range(replicates)))
            for form in forms_to_try(made):
                if bench.late:
                    return {"rows": rows, "left_out": True, "equal": False}
                rows.append({"family": family, "replicates": replicates, "form": form})
                rows[-1] |= _errors(made, form, bench)
    worst = max(max(row["logits"], row["gradients"]) for row in rows)
    return {"rows": rows, "worst": worst, "equal": worst < _TOLERANCE}


def _errors(made: Network, form: Any, bench: Bench) -> dict[str, float]:  # noqa: ANN401  # a SparseForm
    """The largest differences to the oracle, relative to the largest value."""
    images = torch.rand(16, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([masked_dense_logits(made, images, r) for r in range(made.replicates)])
    wanted = torch.autograd.grad(expected.square().sum(), list(made.parameters()))
    on_device = copy.deepcopy(made).to(bench.device)
    use_form(on_device, form)
    logits = on_device(images.to(bench.device))
    logits.square().sum().backward()
    gradients = [parameter.grad for parameter in on_device.parameters()]
    return {
        "logits": _error(logits, expected),
        "gradients": max(map(_error, gradients, wanted)),
    }


def _error(found: Any, expected: torch.Tensor) -> float:  # noqa: ANN401  # a tensor, or no gradient
    wanted = expected.detach()
    return float((found.detach().cpu() - wanted).abs().max() / wanted.abs().max())


def reproducible(bench: Bench) -> dict[str, Any]:
    """Whether a training is bit-identical again and after an interruption, and where it waits."""
    found: dict[str, Any] = {"equal": True}
    for family in TRAINED:
        if bench.late:
            return found | {"left_out": True}
        whole = _trained(family, bench, epochs=2)
        found[family] = {
            "again": _equal(whole, _trained(family, bench, epochs=2)),
            "after a checkpoint": _equal(whole, _continued(family, bench)),
            "waits for the device": _waits(family, bench),
        }
        found["equal"] &= found[family]["again"] and found[family]["after a checkpoint"]
    if bench.device.type == "cuda":
        torch.backends.cudnn.deterministic = False
        runs = [_trained("cnn", bench, epochs=2) for _ in range(2)]
        found["cnn, not deterministic"] = {"again": _equal(*runs)}
        torch.backends.cudnn.deterministic = True
    return found


def _made(family: str, bench: Bench) -> tuple[Network, TorchEngine]:
    made = network(family, bench.scale.sizes[1], 2)
    return made, engine(made, bench)


def _train(trained: TorchEngine, bench: Bench, epoch: int) -> None:
    generator = torch.Generator().manual_seed(epoch)
    images, batch = bench.scale.images, bench.scale.batch
    order = torch.stack([torch.randperm(images, generator=generator) for _ in range(2)])
    # The last batch is not full, and so not captured.
    order = order[:, : min(images, _STEPS * batch - 1)]
    steps = -(-order.shape[1] // batch)
    trained.train_epoch(epoch, order, np.full(steps, RATE), range(2))


def _trained(family: str, bench: Bench, epochs: int) -> list[torch.Tensor]:
    made, trained = _made(family, bench)
    for epoch in range(epochs):
        _train(trained, bench, epoch)
    return list(made.parameters())


def _continued(family: str, bench: Bench) -> list[torch.Tensor]:
    """The same, but with a new network and engine from a checkpoint after the first epoch."""
    made, trained = _made(family, bench)
    _train(trained, bench, 0)
    weights = {f"weight.{name}": value for name, value in made.named_parameters()}
    stored = checkpoint.to_bytes(weights | trained.state(), {"config": {}})
    tensors, _ = checkpoint.from_bytes(stored, {}.__eq__, bench.device)
    other, continued = _made(family, bench)
    with torch.no_grad():
        for name, parameter in other.named_parameters():
            parameter.copy_(tensors[f"weight.{name}"])
    continued.restore(tensors)
    _train(continued, bench, 1)
    return list(other.parameters())


def _waits(family: str, bench: Bench) -> str | None:
    """The operation in which an eager step waits for the GPU, None if there is none."""
    if bench.device.type == "cpu":
        return None
    made, trained = _made(family, bench)
    rows, rate = batch_rows(made, bench), torch.tensor(RATE, device=bench.device)
    seconds_of(lambda: trained.step(rows, rate), bench.device, 3)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(20):
            trained.step(rows, rate)
    except RuntimeError as error:
        return str(error)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return None


def _equal(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(map(torch.equal, one, other))
