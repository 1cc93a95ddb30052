import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import masked_dense_logits
from torch.nn import functional

from models import FAMILIES, Architecture, build
from models.layers import SparseLayer


def architecture(family, **changes):
    sizes = {"dendrites": 3, "somata": 12, "synapses": 5} | changes
    if FAMILIES[family].synapses == "all":
        sizes["synapses"] = None
    return Architecture(family=family, **sizes)


families = pytest.mark.parametrize("family", FAMILIES)


@families
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("slope", [0.0, 0.1, 1.0])
def test_outputs_and_gradients_equal_the_masked_dense_network(family, layers, slope):
    network = build(
        architecture(family, layers=layers, leaky_slope=slope), (2, 5, 4), 4, [0, 1]
    ).double()
    images = torch.rand(7, 2, 5, 4, dtype=torch.float64)
    labels = torch.arange(7) % 4
    for replicate in range(2):
        logits = network(images)[replicate]
        expected = masked_dense_logits(network, images, replicate)
        torch.testing.assert_close(logits, expected)
        parameters = list(network.parameters())
        actual = torch.autograd.grad(functional.cross_entropy(logits, labels), parameters)
        wanted = torch.autograd.grad(functional.cross_entropy(expected, labels), parameters)
        for gradient, reference in zip(actual, wanted, strict=True):
            torch.testing.assert_close(gradient, reference)


@families
def test_a_replicate_does_not_depend_on_the_others(family):
    shape = (1, 6, 6)
    alone = build(architecture(family), shape, 3, [7])
    among = build(architecture(family), shape, 3, [3, 7, 9])
    images = torch.rand(5, *shape)
    torch.testing.assert_close(alone(images)[0], among(images)[1], rtol=1e-6, atol=1e-6)
    assert not torch.allclose(among(images)[0], among(images)[1])


@families
def test_replicates_can_read_images_of_their_own(family):
    network = build(architecture(family), (1, 6, 6), 3, [0, 1])
    images = torch.randint(0, 256, (2, 5, 1, 6, 6), dtype=torch.uint8)
    both = network(images)
    for replicate in range(2):
        shared = network(images[replicate])
        torch.testing.assert_close(both[replicate], shared[replicate])
    torch.testing.assert_close(both, network(images.float() / 255))


@families
def test_every_weight_is_trained(family):
    network = build(architecture(family), (1, 6, 6), 3, [0, 1])
    network(torch.rand(50, 1, 6, 6)).square().sum().backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert (parameter.grad != 0).float().mean() > 0.95


@settings(max_examples=30, deadline=None)
@given(
    seeds=st.lists(st.integers(0, 2**31 - 1), min_size=2, max_size=3, unique=True),
    family=st.sampled_from([name for name in FAMILIES if FAMILIES[name].synapses != "all"]),
)
def test_replicates_are_wired_independently_and_reproducibly(seeds, family):
    first = build(architecture(family), (1, 8, 8), 3, seeds)
    again = build(architecture(family), (1, 8, 8), 3, seeds)
    for layer, same in zip(first.hidden, again.hidden, strict=True):
        assert (layer.weight == same.weight).all()
        if isinstance(layer, SparseLayer):
            assert (layer.connections == same.connections).all()
            assert (layer.connections[0] != layer.connections[1]).any()


def test_sparse_layers_store_nothing_of_the_size_of_the_dense_matrix():
    network = build(architecture("dann-r", somata=64), (1, 20, 20), 10, [0])
    dense = 400 * 3 * 64
    for tensor in [*network.parameters(), *network.buffers()]:
        assert tensor.numel() < dense / 50


@pytest.mark.parametrize(
    ("initialization", "layer", "fan_in", "variance"),
    [
        ("fan_in", 0, 5, 2 / (1.01 * 5)),
        ("fan_in", 1, 3, 2 / (1.01 * 3)),
        ("glorot_dense", 0, 5, 2 / (36 + 3 * 400)),
        ("glorot_dense", 1, 3, 2 / (3 * 400 + 400)),
    ],
)
def test_initial_weights_have_the_variance_of_their_rule(initialization, layer, fan_in, variance):
    wide = architecture("dann-r", somata=400, initialization=initialization)
    weight = build(wide, (1, 6, 6), 3, [0, 1]).hidden[layer].weight
    assert weight.shape[-1] == fan_in
    np.testing.assert_allclose(weight.var().item(), variance, rtol=0.08)


def test_wrong_images_are_refused_with_both_shapes():
    network = build(architecture("vann"), (1, 6, 6), 3, [0])
    with pytest.raises(ValueError, match=r"got \(5, 1, 6, 7\)"):
        network(torch.rand(5, 1, 6, 7))


def test_a_network_needs_a_seed():
    with pytest.raises(ValueError, match="at least one seed"):
        build(architecture("vann"), (1, 6, 6), 3, [])
