import copy
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from models import FAMILIES, Architecture, build, load_network, save_network
from models.layers import SPARSE_FORMS, SparseLayer
from models.stage import Stage
from tests.support.architectures import PAPER, SPARSE, architecture
from tests.support.oracle import dense_weight, masked_dense_logits

families = pytest.mark.parametrize("family", FAMILIES)
OPTIONS = [
    {},
    {"leaky_slope": 0.0},
    {"leaky_slope": 1.0},
    {"dendrite_slope": 1.0},
    {"synapse_draw": "global", "cable_draw": "global"},
    {"receptive_field": "square", "synapses_per": "channel"},
]


def tolerance(dtype):
    return (
        {"rtol": 1e-10, "atol": 1e-12} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 2e-5}
    )


@families
@pytest.mark.parametrize("layers", [1, 2, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_outputs_losses_and_gradients_equal_the_masked_dense_network(
    family, layers, dtype, options
):
    network = build(architecture(family, layers=layers, **options), (2, 5, 4), 4, [0, 1]).to(dtype)
    # The same each time: where a sum comes out beside the kink of an activation, by chance once in many
    # draws, two orders of adding up lie on either side of it, and have other gradients.
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(7, 2, 5, 4, dtype=dtype, generator=generator)
    labels = torch.arange(7) % 4
    parameters = list(network.parameters())
    for replicate in range(2):
        logits = network(images)[replicate]
        expected = masked_dense_logits(network, images, replicate)
        torch.testing.assert_close(logits, expected, **tolerance(dtype))
        losses = [functional.cross_entropy(output, labels) for output in (logits, expected)]
        torch.testing.assert_close(*losses, **tolerance(dtype))
        actual, wanted = (
            torch.autograd.grad(loss, parameters, allow_unused=True) for loss in losses
        )
        for gradient, reference in zip(actual, wanted, strict=True):
            expected_gradient = torch.zeros_like(gradient) if reference is None else reference
            torch.testing.assert_close(gradient, expected_gradient, **tolerance(dtype))


@pytest.mark.parametrize("family", SPARSE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("options", [OPTIONS[0], OPTIONS[1], OPTIONS[4]], ids=str)
def test_dense_matrices_give_the_same_as_csr_and_as_the_masked_dense_network(
    family, dtype, options
):
    networks = [
        build(architecture(family, layers=2, **options), (2, 5, 4), 4, [0, 1]).to(dtype)
        for _ in SPARSE_FORMS
    ]
    for network, form in zip(networks, SPARSE_FORMS, strict=True):
        assert network.sparse_layers
        for layer in network.sparse_layers:
            layer.form = form
    images = torch.rand(7, 2, 5, 4, dtype=dtype, generator=torch.Generator().manual_seed(0))
    in_csr, dense = (network(images) for network in networks)
    torch.testing.assert_close(dense, in_csr, **tolerance(dtype))
    expected = torch.stack([masked_dense_logits(networks[1], images, one) for one in (0, 1)])
    torch.testing.assert_close(dense, expected, **tolerance(dtype))
    wanted = torch.autograd.grad(expected.square().sum(), list(networks[1].parameters()))
    for network, logits in zip(networks, (in_csr, dense), strict=True):
        logits.square().sum().backward()
        for parameter, gradient in zip(network.parameters(), wanted, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, **tolerance(dtype))


def test_a_weight_that_changes_before_the_backward_pass_is_an_error_in_both_forms():
    for form in SPARSE_FORMS:
        network = build(architecture("sparse-mlp"), (1, 6, 6), 3, [0])
        (layer,) = network.sparse_layers
        layer.form = form
        loss = network(torch.rand(4, 1, 6, 6)).sum()
        with torch.no_grad():
            layer.weight.mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


@pytest.mark.parametrize("form", SPARSE_FORMS)
@families
def test_ten_steps_of_adam_equal_those_of_the_masked_dense_network(family, form):
    def trained(forward):
        network = build(architecture(family, layers=2), (1, 6, 6), 4, [3]).double()
        for layer in network.sparse_layers:
            layer.form = form
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        generator = torch.Generator().manual_seed(0)
        for _ in range(10):
            images = torch.rand(16, 1, 6, 6, dtype=torch.float64, generator=generator)
            labels = torch.randint(0, 4, (16,), generator=generator)
            optimizer.zero_grad()
            functional.cross_entropy(forward(network, images), labels).backward()
            optimizer.step()
        return list(network.parameters())

    sparse = trained(lambda network, images: network(images)[0])
    dense = trained(lambda network, images: masked_dense_logits(network, images, 0))
    for mine, reference in zip(sparse, dense, strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("family", SPARSE)
def test_blocks_of_somata_give_the_same_numbers(family, monkeypatch):
    results = []
    for block in (1, 2000, 2**30):
        monkeypatch.setattr("models.dendrosomatic._BLOCK_BYTES", block)
        network = build(architecture(family, layers=2), (1, 6, 6), 3, [0, 1])
        network(torch.linspace(0, 1, 36 * 9).view(9, 1, 6, 6)).square().sum().backward()
        results.append([parameter.grad for parameter in network.parameters()])
    for one, two, whole in zip(*results, strict=True):
        torch.testing.assert_close(one, whole)
        torch.testing.assert_close(two, whole)


def test_what_is_kept_for_batch_sizes_is_bounded():
    network = build(architecture("dann-r"), (1, 6, 6), 3, [0])
    for count in range(1, 40):
        network(torch.rand(count, 1, 6, 6))
    (stage,) = (one for one in network.modules() if isinstance(one, Stage))
    assert len(stage._blocks) <= 8  # noqa: SLF001  # memory is no part of the result


@families
def test_a_replicate_does_not_depend_on_the_others(family):
    wanted = architecture(family, layers=2, dropout=0.3)
    images = torch.rand(5, 1, 6, 6)
    alone, among = build(wanted, (1, 6, 6), 3, [7]), build(wanted, (1, 6, 6), 3, [3, 7, 9])
    for network in (alone, among):
        network.seed_dropout(1)
    torch.testing.assert_close(alone(images)[0], among(images)[1])
    assert not torch.allclose(among(images)[0], among(images)[1])


@families
def test_replicates_can_read_images_of_their_own(family):
    network = build(architecture(family), (1, 6, 6), 3, [0, 1])
    images = torch.randint(0, 256, (2, 5, 1, 6, 6), dtype=torch.uint8)
    both = network(images)
    for replicate in range(2):
        torch.testing.assert_close(both[replicate], network(images[replicate])[replicate])
    torch.testing.assert_close(both, network(images.float() / 255))


@families
def test_every_weight_is_trained(family):
    network = build(architecture(family), (1, 6, 6), 3, [0, 1])
    network(torch.rand(50, 1, 6, 6)).square().sum().backward()
    for parameter in network.parameters():
        assert (parameter.grad != 0).float().mean() > 0.9


@families
def test_dropout_silences_its_share_in_training_only(family):
    network = build(architecture(family, dropout=0.5, somata=400, dendrites=15), (1, 6, 6), 3, [0])
    images = torch.rand(4, 1, 6, 6)
    seen = []
    network.readout.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    training = network(images)
    assert 0.45 < (seen[0] == 0).float().mean() < 0.55
    assert not torch.equal(training, network(images))
    network.eval()
    assert torch.equal(network(images), network(images))
    assert (seen[-1] == 0).float().mean() < 0.05


@settings(max_examples=30)
@given(
    seeds=st.lists(st.integers(0, 2**31 - 1), min_size=2, max_size=3, unique=True),
    family=st.sampled_from(SPARSE),
)
def test_replicates_are_wired_independently_and_reproducibly(seeds, family):
    first, again = (build(architecture(family), (1, 8, 8), 3, seeds) for _ in range(2))
    alone = build(architecture(family), (1, 8, 8), 3, seeds[1:2])
    units = first.layers[0]
    assert isinstance(units, SparseLayer)
    for replicate in range(len(seeds)):
        reads, offsets = units.connections(replicate)
        same_reads, same_offsets = again.layers[0].connections(replicate)
        assert torch.equal(reads, same_reads)
        assert torch.equal(offsets, same_offsets)
    assert torch.equal(units.connections(1)[0], alone.layers[0].connections(0)[0])
    assert not torch.equal(units.connections(0)[0], units.connections(1)[0])


@pytest.mark.parametrize("family", ["dann-r", "dann-grf", "dann-lrf", "sann"])
def test_a_soma_reads_exactly_its_own_dendrites(family):
    network = build(architecture(family, dendrites=5), (1, 8, 8), 3, [0, 1])
    cables = dense_weight(network.layers[1], 1)
    assert cables.shape == (12, 60)
    for soma, row in enumerate(cables):
        assert torch.equal(row.nonzero().flatten(), torch.arange(5) + 5 * soma)


@pytest.mark.parametrize("family", [name for name in PAPER if FAMILIES[name].synapses != "all"])
def test_nothing_of_the_size_of_the_dense_matrix_exists(family):
    """Not among the tensors of a network, nor among those that a training step makes."""
    wanted = architecture(family, somata=64, dendrites=8, synapses=4)
    dense = 900 * 512
    network = build(wanted, (1, 30, 30), 10, [0])
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):  # noqa: SLF001  # torch's way to see
        def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
            nonlocal largest
            result = function(*arguments, **(keywords or {}))
            for tensor in result if isinstance(result, tuple | list) else [result]:
                if isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided:
                    largest = max(largest, tensor.untyped_storage().nbytes() // 4)
            return result

    with Watch():
        optimizer = torch.optim.Adam(network.parameters(), fused=True)
        network(torch.rand(2, 1, 30, 30)).sum().backward()
        optimizer.step()
    assert 2000 < largest < dense / 10
    for tensor in network.state_dict().values():
        assert tensor.numel() < dense / 10


@pytest.mark.parametrize(
    ("initialization", "layer", "fan_in", "variance"),
    [
        ("fan_in", 0, 4, 2 / (1.01 * 4)),
        ("fan_in", 1, 3, 2 / (1.01 * 3)),
        ("glorot_dense", 0, 4, 2 / (36 + 3 * 400)),
        ("glorot_dense", 1, 3, 2 / (3 * 400 + 400)),
    ],
)
def test_initial_weights_have_the_variance_of_their_rule(initialization, layer, fan_in, variance):
    wide = architecture("dann-r", somata=400, initialization=initialization)
    weight = build(wide, (1, 6, 6), 3, [0, 1]).layers[layer].weight
    units = 1200 if layer == 0 else 400
    assert weight[0].numel() == units * fan_in
    np.testing.assert_allclose(weight.var().item(), variance, rtol=0.08)


@pytest.mark.parametrize("form", SPARSE_FORMS)
@pytest.mark.parametrize("family", SPARSE)
def test_a_state_dict_brings_its_wiring_also_into_a_network_in_use(family, form):
    wanted = architecture(family, layers=2)
    used, other = build(wanted, (1, 6, 6), 3, [0]), build(wanted, (1, 6, 6), 3, [1])
    names = set(used.state_dict())
    for layer in (*used.sparse_layers, *other.sparse_layers):
        layer.form = form
    images = torch.rand(4, 1, 6, 6)
    used(images).sum().backward()
    copied = copy.deepcopy(used)
    assert set(used.state_dict()) == names
    used.load_state_dict(other.state_dict())
    assert torch.equal(used(images), other(images))
    assert not torch.equal(copied(images), other(images))
    for network in (used, other):
        network.zero_grad()
        network(images).square().sum().backward()
    for mine, theirs in zip(used.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine.grad, theirs.grad)


def test_wrong_images_are_refused_with_both_shapes():
    network = build(architecture("vann"), (1, 6, 6), 3, [0])
    for shape in ((5, 1, 6, 7), (2, 5, 1, 6, 6), (6, 6)):
        with pytest.raises(ValueError, match=re.escape(f"got {shape}")):
            network(torch.rand(shape))


def test_whole_numbers_other_than_bytes_are_refused_since_their_scale_is_not_known():
    network = build(architecture("vann"), (1, 6, 6), 3, [0])
    with pytest.raises(ValueError, match=r"uint8 in 0..255 or float in 0..1, got torch.int64"):
        network(torch.zeros((5, 1, 6, 6), dtype=torch.int64))


def test_sizes_and_seeds_of_numpy_are_whole_numbers(tmp_path):
    sizes = {"somata": np.int64(4), "dendrites": np.int64(2)}
    network = build(Architecture(family="vann", **sizes), (1, 6, 6), 3, np.arange(2))
    save_network(network, tmp_path)
    assert load_network(tmp_path).seeds == (0, 1)
    with pytest.raises(ValueError, match=r"`0 <= seeds <= 1099511627776` must hold, got 0..10"):
        build(architecture("dann-r"), (1, 5, 5), 3, [0, 10**15])
    with pytest.raises(ValueError, match="at least one seed"):
        build(architecture("vann"), (1, 6, 6), 3, np.arange(0))


def test_a_network_needs_a_seed():
    with pytest.raises(ValueError, match="at least one seed"):
        build(architecture("vann"), (1, 6, 6), 3, [])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_activations_of_the_last_layer_are_what_the_readout_reads(family):
    network = build(architecture(family, layers=2), (1, 6, 6), 5, [0, 1])
    images = torch.rand(3, 1, 6, 6)
    found = dict(network.activations(images))
    parts = ("dendrites", "somata") if FAMILIES[family].has_dendrites else ("somata",)
    assert list(found) == [f"layer{layer}_{part}" for layer in (1, 2) for part in parts]
    logits = network.readout(found["layer2_somata"]).transpose(1, 2)
    assert torch.allclose(logits, network(images), atol=1e-5)


@pytest.mark.parametrize("variance", [None, np.ones((4, 5)), -np.ones((5, 4))])
def test_centres_by_variance_need_that_of_such_images(variance):
    wanted = architecture("dann-lrf", centres="variance")
    with pytest.raises(ValueError, match="must have a number from 0 for each of 5 x 4 pixels"):
        build(wanted, (1, 5, 4), 3, [0], variance)


def test_centres_by_variance_are_those_of_each_replicate_and_of_the_first_layer():
    wanted = architecture("dann-lrf", centres="variance", synapses=1, layers=2)
    variance = np.zeros((5, 4))
    variance[2, 1] = 1.0
    alone, among = (build(wanted, (1, 5, 4), 3, seeds, variance) for seeds in ([7], [3, 7]))
    first, second = (
        [
            network.sparse_layers[depth].connections(network.replicates - 1)[0]
            for network in (alone, among)
        ]
        for depth in (0, 1)
    )
    # With one synapse, the ring rule takes one of the nine pixels around the centre.
    assert set(first[0].tolist()) <= {row * 4 + column for row in (1, 2, 3) for column in (0, 1, 2)}
    assert len(set(second[0].tolist())) > 9
    for mine, shared in (first, second):
        assert torch.equal(mine, shared)
