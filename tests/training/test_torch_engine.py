"""What the torch engine does on a GPU, as far as a CPU can show it."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from models import FAMILIES, build
from models.layers import SPARSE_FORMS
from study.engine.recipe import Recipe
from study.training.captured_step import captured, unchanged
from study.training.sparse_forms import (
    break_even_density,
    choose_forms,
    forms_of,
    restore_forms,
)
from study.training.split import Split
from study.training.torch_engine import TorchEngine
from tests.support.architectures import architecture

CPU = torch.device("cpu")
GENERATOR = torch.Generator().manual_seed(0)
IMAGES = Split(
    torch.randint(0, 256, (40, 1, 6, 6), dtype=torch.uint8, generator=GENERATOR),
    torch.randint(0, 4, (40,), generator=GENERATOR),
)
BATCH = torch.tensor([[3, 1, 4, 15, 9, 2], [6, 5, 35, 8, 9, 7]])


ALL = Recipe(0.1, 0.1, 0.9, shift=1, flip=0.5, teacher_weight=0.5, temperature=2.0)


def engine(family="dann-r", form="csr", recipe=Recipe(), **changes):  # noqa: B008  # a tuple
    network = build(architecture(family, layers=2, **changes), (1, 6, 6), 4, [0, 1])
    for layer in network.sparse_layers:
        layer.form = form
    network.train()
    targets = torch.full((40, 4), 0.25) if recipe.teacher_weight else None
    return TorchEngine(network, IMAGES, 6, recipe, targets), network


@pytest.mark.parametrize(
    ("family", "form", "recipe"),
    [
        *((family, form, Recipe()) for family in FAMILIES for form in SPARSE_FORMS),
        *((family, "csr", ALL) for family in ("dann-lrf", "cnn")),
    ],
)
def test_a_step_reads_no_number_from_the_device(family, form, recipe):
    """Else it could not be captured: the processor would have to wait for the device in each step."""
    made, _ = engine(family, form, recipe)
    rate = torch.tensor(0.01)
    made.step(BATCH, rate)  # which makes what is kept of the wiring

    class NoNumbers(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
            assert function not in (
                torch.ops.aten._local_scalar_dense.default,  # noqa: SLF001  # its name
                torch.ops.aten.nonzero.default,
            )
            return function(*arguments, **(keywords or {}))

    with NoNumbers():
        made.step(BATCH, rate)


@pytest.mark.parametrize("family", ["dann-lrf", "vann", "cnn"])
def test_a_rate_as_a_tensor_gives_the_same_step(family):
    results = []
    for rate in (0.01, torch.tensor(0.01)):
        made, network = engine(family)
        losses = [made.step(BATCH, rate) for _ in range(5)]
        results.append([*losses, *network.parameters()])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_what_a_step_changes_is_known():
    """A capture, which takes steps to warm up, restores just that."""
    made, network = engine()
    everything = [*network.state_dict().values(), *made.state().values()]
    before = [tensor.clone() for tensor in everything]
    with unchanged(made.changed):
        made.step(BATCH, 0.01)
        assert not all(map(torch.equal, everything, before))
    assert all(map(torch.equal, everything, before))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU captures the step")
def test_a_step_that_cannot_be_captured_is_taken_as_it_is_and_the_reason_is_known():
    made, network = engine()
    before = [tensor.clone() for tensor in made.changed]
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(
            parameter
        )  # as of a capture that fails in its backward pass
    step, reason = captured(made.step, made.changed, BATCH, network.zero_grad)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert step == made.step
    assert reason.startswith("RuntimeError: ")
    assert all(map(torch.equal, made.changed, before))


def test_layers_are_dense_from_a_density_on_where_the_memory_holds_them():
    _, network = engine("dann-r", synapses=9)  # 9 of 36 inputs, then 9 of 12
    forms = {}
    for break_even in (0.2, 0.25, 0.5, 0.8):
        choose_forms(network, break_even, memory=2**40)
        forms[break_even] = [layer.form for layer in network.sparse_layers]
    assert forms == {
        0.2: ["dense", "dense"],
        0.25: ["dense", "dense"],
        0.5: ["csr", "dense"],
        0.8: ["csr", "csr"],
    }
    choose_forms(network, 0.0, memory=8 * 4 * 2 * 36 * 12)  # of the second, whose inputs are fewer
    assert [layer.form for layer in network.sparse_layers] == ["csr", "dense"]


def test_a_density_is_measured_at_which_both_forms_take_equally_long():
    assert 0 < break_even_density(CPU, units=64) < float("inf")


def test_a_checkpoint_brings_the_forms_in_which_it_was_trained():
    order = torch.arange(40).expand(2, -1)
    rates = np.full(7, 0.01)
    made, network = engine(form="dense")
    made.train_epoch(1, order, rates, range(2))
    stored = made.state()
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    other, continued = engine()
    continued.load_state_dict(weights)
    other.restore(stored)
    assert [layer.form for layer in continued.sparse_layers] == ["dense", "dense"]
    losses = [one.train_epoch(2, order, rates, range(2)) for one in (made, other)]
    assert torch.equal(*losses)
    assert all(map(torch.equal, network.parameters(), continued.parameters()))


def test_a_network_without_sparse_layers_has_no_forms():
    _, network = engine("vann")
    restore_forms(network, forms_of(network).tolist())
    assert forms_of(network).shape == (0,)
