"""The compiled engine against the masked dense reference and against torch's engine."""

import copy
import ctypes
import warnings
from functools import partial
from types import FunctionType

import numpy as np
import pytest
import torch
from scipy.linalg import cython_blas
from threadpoolctl import threadpool_info, threadpool_limits
from torch.nn import functional
from torch.nn.utils import parameters_to_vector

from models import FAMILIES, Architecture, build
from study.engine import sparse
from study.engine.arrays import LANES
from study.engine.compilation import inner
from study.engine.compiled_engine import CompiledEngine
from study.engine.layout import parameters_of
from study.training.split import Split
from study.training.torch_engine import TorchEngine
from tests.support.oracle import masked_dense_logits

BATCH = 24  # of 40 images, so that the second of two batches is not full, and no tile either


def architecture(family, **changes):
    kind = FAMILIES[family]
    sizes = {
        "somata": 6,
        "dendrites": 3 if kind.has_dendrites else None,
        "synapses": (9 if kind.synapses == "convolution" else 5) if kind.counts_synapses else None,
    }
    return Architecture(family=family, **(sizes | changes))


def split(shape=(1, 7, 5), count=40):
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=generator)
    images[:, :, 0] = 0  # as at the border of real images: some units have nothing to read
    return Split(images, torch.randint(0, 10, (count,), generator=generator))


def order(replicates, count=40):
    rows = [np.random.default_rng(seed).permutation(count) for seed in range(replicates)]
    return torch.from_numpy(np.stack(rows))


def compiled(network, data, *, threads=1, batch_size=BATCH):
    return CompiledEngine(network, data.images, data.labels, batch_size, threads)


def rates(steps):
    return np.linspace(1e-2, 5e-3, steps)


def dropout_of(share, seed, epoch, step, number, x):
    """The engine's masks, worked again: counters from the mix of a unit with the key of its layer."""
    (key,) = np.random.SeedSequence([3, seed, epoch]).generate_state(1)
    key = mixed(key ^ mixed(np.uint32(step)))
    key = mixed(key + np.uint32(number))
    batch, units = x.shape
    place = mixed(np.arange(units, dtype=np.uint32) ^ key)[None]
    place = place + np.arange(batch, dtype=np.uint32)[:, None]
    kept = mixed(place) >= np.uint32(share * 2**32)
    return x * torch.from_numpy(kept) / (1 - share)


def mixed(number):
    with np.errstate(over="ignore"):
        number = np.uint32(number) ^ (np.uint32(number) >> np.uint32(17))
        number = number * np.uint32(0xED5AD4BB)
        number = number ^ (number >> np.uint32(11))
        number = number * np.uint32(0xAC4C1B51)
        number = number ^ (number >> np.uint32(15))
        number = number * np.uint32(0x31848BAB)
        return number ^ (number >> np.uint32(14))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_losses_and_gradients_are_those_of_masked_dense_matrices(family, layers, dropout):
    data = split()
    network = build(
        architecture(family, layers=layers, dropout=dropout), data.images.shape[1:], 10, [7]
    )
    engine = compiled(network, data)
    reference = copy.deepcopy(network).double()
    images, labels = data.images.double() / 255, data.labels
    first = order(1)[:, :BATCH]
    loss = engine.train_epoch(4, first, np.zeros(1), [0])
    drop = partial(dropout_of, dropout, 7, 4, 0) if dropout else lambda _, x: x
    logits = masked_dense_logits(reference, images[first[0]], 0, drop)
    expected = functional.cross_entropy(logits, labels[first[0]])
    expected.backward()
    torch.testing.assert_close(loss[0], expected.detach(), rtol=1e-6, atol=1e-6)
    # Adam's first moment after one step is a tenth of the gradient.
    found = 10 * engine.state()["adam.mean"][0].double()
    gradients = parameters_of(reference, [parameter.grad for parameter in reference.parameters()])
    gradients = torch.cat([gradient[0].flatten() for gradient in gradients])
    torch.testing.assert_close(found[: len(gradients)], gradients, rtol=1e-4, atol=2e-7)
    accuracy, loss = engine.evaluate(data.images, labels)
    logits = masked_dense_logits(reference, images, 0)
    assert accuracy[0] == (logits.argmax(dim=1) == labels).double().mean()
    torch.testing.assert_close(
        loss[0], functional.cross_entropy(logits, labels).detach(), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_epochs_are_those_of_torch(family, layers):
    """Ten steps of three replicates, each with an order of its own."""
    data = split(shape=(3, 4, 6))
    own = build(
        architecture(family, layers=layers, synapses_per="channel"),
        data.images.shape[1:],
        10,
        [0, 3, 5],
    )
    its = copy.deepcopy(own)
    ours, torchs = compiled(own, data, threads=2), TorchEngine(its, data, BATCH)
    for epoch in range(1, 6):
        losses = [
            engine.train_epoch(epoch, order(3), rates(2), range(3)) for engine in (ours, torchs)
        ]
        torch.testing.assert_close(*losses, rtol=1e-5, atol=1e-6)
    mine, others = (parameters_to_vector(one.parameters()) for one in (own, its))
    # A gradient of the size of its rounding moves a weight like any other, by Adam: a few may differ.
    torch.testing.assert_close(mine, others, rtol=1e-4, atol=1e-4)
    assert torch.isclose(mine, others, rtol=1e-4, atol=2e-5).double().mean() > 0.995
    for one, other in zip(
        ours.evaluate(data.images, data.labels),
        torchs.evaluate(data.images, data.labels),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"synapse_draw": "global"},  # units that read nothing
        {"family": "sann", "cable_draw": "global"},  # dendrites that nothing reads
        {"dendrite_slope": 1.0},
        {"dendrite_slope": 0.0, "leaky_slope": 0.0},
        {"somata": 40, "synapses": 29, "dendrites": 9, "layers": 3},
        {"family": "cnn", "somata": 11, "synapses": 25, "layers": 2},  # no multiple of a block
        {"family": "dann-conv", "somata": 7, "dendrites": 5, "synapses": 16, "layers": 2},
    ],
)
def test_options_are_those_of_torch(changes):
    data = split()
    made = architecture(**({"family": "dann-r"} | changes))
    own = build(made, data.images.shape[1:], 10, [0, 1])
    its = copy.deepcopy(own)
    for engine in (compiled(own, data), TorchEngine(its, data, BATCH)):
        engine.train_epoch(1, order(2), rates(2), range(2))
    for mine, other in zip(own.parameters(), its.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 16, 64, 200])
def test_any_size_of_a_batch_gives_the_steps_of_torch(batch_size):
    data = split(count=230)
    own = build(architecture("dann-lrf"), data.images.shape[1:], 10, [0])
    its = copy.deepcopy(own)
    steps = min(4, -(-230 // batch_size))
    some = order(1, 230)[:, : steps * batch_size]
    for engine in (compiled(own, data, batch_size=batch_size), TorchEngine(its, data, batch_size)):
        engine.train_epoch(1, some, rates(steps), [0])
    for mine, other in zip(own.parameters(), its.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["sann-grf", "vann"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_replicate_alone_is_the_same_among_others_bit_by_bit(threads, family):
    data, made = split(), architecture(family, layers=2, dropout=0.2)
    alone = build(made, data.images.shape[1:], 10, [5])
    among = build(made, data.images.shape[1:], 10, [2, 5, 9])
    measured = []
    for network, orders in ((alone, order(3)[1:2]), (among, order(3))):
        engine = compiled(network, data, threads=threads)
        losses = engine.train_epoch(1, orders, rates(2), range(len(orders)))
        engine.train_epoch(2, orders, rates(2), range(len(orders)))
        measured.append(torch.stack([losses, *engine.evaluate(data.images[:39], data.labels[:39])]))
    for mine, shared in zip(alone.parameters(), among.parameters(), strict=True):
        assert torch.equal(mine[0], shared[1])
    assert torch.equal(measured[0][:, 0], measured[1][:, 1])


@pytest.mark.parametrize("family", ["dann-r", "vann"])
def test_an_engine_goes_on_from_a_state_bit_by_bit(family):
    data, made = split(), architecture(family, dropout=0.2)
    networks = [build(made, data.images.shape[1:], 10, [0, 1]) for _ in range(2)]
    whole = compiled(networks[0], data)
    whole.train_epoch(1, order(2), rates(2), range(2))
    networks[1].load_state_dict(networks[0].state_dict())
    resumed = compiled(networks[1], data)
    resumed.restore({name: value.clone() for name, value in whole.state().items()})
    for engine in (whole, resumed):
        engine.train_epoch(2, order(2), rates(2), range(2))
    for one, other in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_replicate_that_has_stopped_is_not_trained():
    data = split()
    network = build(architecture("dann-r"), data.images.shape[1:], 10, [0, 1])
    before = [parameter.detach().clone() for parameter in network.parameters()]
    compiled(network, data).train_epoch(1, order(2), rates(2), [1])
    for parameter, old in zip(network.parameters(), before, strict=True):
        assert torch.equal(parameter[0], old[0])
    assert not torch.equal(network.readout.weight[1], before[-2][1])


def test_weights_that_are_not_finite_give_losses_that_are_not():
    data = split()
    network = build(architecture("dann-r"), data.images.shape[1:], 10, [0, 1])
    with torch.no_grad():
        network.readout.weight[1, 0, 0] = torch.inf
    engine = compiled(network, data)
    _, loss = engine.evaluate(data.images, data.labels)
    trained = engine.train_epoch(1, order(2), rates(2), range(2))
    assert loss.isfinite().tolist() == trained.isfinite().tolist() == [True, False]


def test_read_only_images_serve():
    data = split()
    network = build(architecture("dann-r"), data.images.shape[1:], 10, [0])
    frozen = data.images.numpy().copy()
    frozen.flags.writeable = False
    with warnings.catch_warnings(action="ignore"):  # torch warns once in a process
        images = torch.from_numpy(frozen)
    found = compiled(network, data).evaluate(images, data.labels)
    expected = TorchEngine(network, data, BATCH).evaluate(data.images, data.labels)
    torch.testing.assert_close(found, expected)


def test_a_layer_that_is_not_known_is_refused():
    data = split()
    network = build(architecture("dann-r"), data.images.shape[1:], 10, [0])
    network.stages[0].units = unknown = torch.nn.Module()
    unknown.weight, unknown.bias = torch.zeros(1, 18, 5), torch.zeros(1, 18, 1)
    with pytest.raises(TypeError, match=r"must be one of models.layers, got Module"):
        compiled(network, data)


def test_the_threads_of_blas_do_not_change_a_bit_and_are_as_before_in_the_end():
    data = split((1, 28, 28), 128)
    found = []
    for threads in (1, 2):
        network = build(architecture("vann", dendrites=4, somata=128), (1, 28, 28), 10, [0, 1])
        engine = compiled(network, data, threads=2, batch_size=128)
        with threadpool_limits(threads, user_api="blas"):
            engine.train_epoch(1, order(2, 128), rates(1), range(2))
            engine.evaluate(data.images, data.labels)
            assert {
                one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"
            } == {threads}
        found.append(parameters_to_vector(network.parameters()))
    assert torch.equal(*found)


def test_a_blas_with_other_integers_is_refused_with_what_to_do(monkeypatch):
    name = b"void (char *, char *, int64_t *, int64_t *, int64_t *, float *)"
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = (
        ctypes.py_object,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p],
    )
    monkeypatch.setitem(cython_blas.__pyx_capi__, "sgemm", new(1, name, None))
    network = build(architecture("vann"), (1, 7, 5), 10, [0])
    with pytest.raises(RuntimeError, match=r"arguments `int \*`, got b'void .* \"torch\"` trains"):
        compiled(network, split())
    compiled(build(architecture("dann-r"), (1, 7, 5), 10, [0]), split())  # which needs none


def of_processor(compile_, function, **values):
    """A function of the engine, compiled as for a processor with other values of its constants."""
    source = function.py_func
    return compile_(FunctionType(source.__code__, source.__globals__ | values))


def test_the_number_of_registers_does_not_change_a_bit_of_a_gradient():
    """Registers decide how many sums are made at a time, not the order of additions in a sum."""
    lanes = 2 * LANES
    draw = np.random.default_rng(0)
    x, through = (draw.normal(size=(rows, lanes)).astype(np.float32) for rows in (7, 3))
    found = []
    for avx512 in (False, True):
        add = of_processor(inner, sparse.four_products, AVX512=avx512)
        found.append(add(x, 6, 0, 3, 2, through, 1, lanes))
    assert found[0] == found[1]
    assert found[0] == pytest.approx(x[[6, 0, 3, 2]] @ through[1], abs=1e-4)
