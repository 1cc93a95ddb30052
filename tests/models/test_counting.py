import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import FAMILIES, build, count_macs, count_parameters
from models.counting import counts_of, stored_bytes, wiring_bits
from models.layers import ConvolutionLayer
from tests.support.architectures import PAPER, architecture
from tests.support.oracle import dense_weight, paper_parameters


@pytest.mark.parametrize(
    ("dendrites", "somata", "dendritic", "vanilla_field", "partial", "vanilla"),
    [
        # The paper's own counts for 784 inputs, 16 synapses, 10 classes.
        (1, 32, 938, 1_930, 25_514, 26_506),
        (1, 128, 3_722, 19_978, 102_026, 118_282),
        (2, 256, 12_042, 142_602, 405_258, 535_818),
        (4, 128, 10_634, 75_658, 403_850, 468_874),
    ],
)
def test_counts_are_the_papers(dendrites, somata, dendritic, vanilla_field, partial, vanilla):
    expected = dict.fromkeys(("dann-r", "dann-grf", "dann-lrf"), dendritic)
    expected |= dict.fromkeys(("sann", "sann-grf", "sann-lrf"), dendritic)
    expected |= dict.fromkeys(("vann-r", "vann-grf", "vann-lrf"), vanilla_field)
    expected |= {"pdann": partial, "psann": partial, "vann": vanilla}
    assert set(expected) == set(PAPER)
    for family, parameters in expected.items():
        wanted = architecture(family, dendrites=dendrites, somata=somata, synapses=16)
        assert count_parameters(build(wanted, (1, 28, 28), 10, [0])) == parameters


@pytest.mark.parametrize(
    ("family", "per", "parameters"),
    [
        # CIFAR-10: 16 inputs a dendrite, or 16 pixels in three channels.
        ("dann-r", "dendrite", 42_506),
        ("dann-lrf", "dendrite", 42_506),
        ("dann-r", "channel", 108_042),
        ("dann-lrf", "channel", 108_042),
        ("dann-grf", "channel", 108_042),
    ],
)
def test_colour_is_counted_truly(family, per, parameters):
    wanted = architecture(family, dendrites=4, somata=512, synapses=16, synapses_per=per)
    assert count_parameters(build(wanted, (3, 32, 32), 10, [0])) == parameters


def test_more_classes_and_deeper_networks_are_counted_truly():
    """The published analysis counts ten classes and 784 inputs for every data set and layer."""
    wanted = architecture("dann-r", dendrites=4, somata=512, synapses=16)
    assert count_parameters(build(wanted, (1, 28, 28), 47, [0])) == 61_487
    deep = architecture("dann-lrf", dendrites=8, somata=128, synapses=16, layers=2)
    assert count_parameters(build(deep, (1, 28, 28), 10, [0])) == 38_410
    vanilla = architecture("vann", dendrites=8, somata=128, layers=2)
    second = (128 + 1) * 1024 + (1024 + 1) * 128
    first = (784 + 1) * 1024 + (1024 + 1) * 128
    assert count_parameters(build(vanilla, (1, 28, 28), 10, [0])) == first + second + 1290


@settings(max_examples=80)
@given(
    family=st.sampled_from(PAPER),
    dendrites=st.integers(1, 5),
    somata=st.integers(4, 12),
    synapses=st.integers(1, 4),
    layers=st.integers(1, 3),
    classes=st.integers(2, 5),
    replicates=st.integers(1, 3),
    draw=st.sampled_from(["constant", "global"]),
)
def test_counts_equal_the_closed_formula_and_the_weights_that_connect(
    family, dendrites, somata, synapses, layers, classes, replicates, draw
):
    sizes = {"dendrites": dendrites, "somata": somata, "synapses": synapses, "layers": layers}
    wanted = architecture(family, **sizes, synapse_draw=draw, cable_draw=draw)
    network = build(wanted, (1, 4, 5), classes, list(range(replicates)))
    assert count_parameters(network) == paper_parameters(wanted, 20, classes)
    for replicate in range(replicates):
        live = sum(int((dense_weight(layer, replicate) != 0).sum()) for layer in network.layers)
        biases = sum(layer.bias[0].numel() for layer in network.layers)
        assert count_macs(network) == live
        assert count_parameters(network) == live + biases


@settings(max_examples=80)
@given(
    family=st.sampled_from(list(FAMILIES)),
    dendrites=st.integers(1, 5),
    somata=st.integers(4, 12),
    synapses=st.sampled_from([1, 4]),
    layers=st.integers(1, 3),
    channels=st.integers(1, 3),
    per=st.sampled_from(["dendrite", "channel"]),
    draw=st.sampled_from(["constant", "global"]),
)
def test_what_is_counted_without_building_is_what_the_built_network_has(
    family, dendrites, somata, synapses, layers, channels, per, draw
):
    sizes = {"dendrites": dendrites, "somata": somata, "synapses": synapses, "layers": layers}
    options = {"synapse_draw": draw, "cable_draw": draw, "synapses_per": per}
    wanted, shape = architecture(family, **sizes, **options), (channels, 5, 4)
    network = build(wanted, shape, 3, [0])
    assert counts_of(wanted, shape, 3) == (count_parameters(network), count_macs(network))


def test_controls_are_counted():
    counts = {
        family: count_parameters(
            build(architecture(family, somata=20, synapses=9), (1, 8, 8), 10, [0])
        )
        for family in FAMILIES
        if family not in PAPER
    }
    readout = 21 * 10
    assert counts == {
        "mlp": 65 * 20 + readout,
        "sparse-mlp": 10 * 20 + readout,
        "locally-connected": 10 * 20 + readout,
        "cnn": 10 * 20 + (20 * 16 + 1) * 10,
        # Three dendrites of 20 soma types; 3 x 3 positions, each with 20 somata.
        "dann-conv": 10 * 60 + (60 + 20) * 9 + (20 * 9 + 1) * 10,
    }


def test_a_convolution_uses_its_weights_at_every_position():
    network = build(architecture("cnn", somata=5, synapses=9), (2, 7, 8), 3, [0, 1])
    convolution, readout = network.layers
    assert isinstance(convolution, ConvolutionLayer)
    positions = 4 * 4
    assert count_macs(network) == positions * 5 * 2 * 9 + 5 * positions * 3
    assert readout.weight.shape == (2, 3, 5 * positions)


def test_shared_dendrites_have_cables_at_each_position():
    wanted = architecture("dann-conv", somata=5, dendrites=3, synapses=9)
    network = build(wanted, (2, 7, 8), 3, [0, 1])
    dendrites, cables, readout = network.layers
    positions = 3 * 3
    assert dendrites.weight.shape == (2, 15, 2, 3, 3)
    assert cables.weight.shape == (2, 5, 3, positions)
    assert readout.weight.shape == (2, 3, 5 * positions)
    assert count_macs(network) == positions * (15 * 2 * 9 + 15) + 5 * positions * 3


@pytest.mark.parametrize("family", FAMILIES)
def test_networks_that_no_memory_could_hold_are_counted(family):
    wanted = architecture(family, dendrites=16, somata=10**7, synapses=16)
    assert counts_of(wanted, (3, 32, 32), 10)[0] > 10**8


def test_what_does_not_fit_the_images_is_not_counted():
    wanted = architecture("dann-r", dendrites=2, somata=4, synapses=21)
    with pytest.raises(ValueError, match="must hold"):
        counts_of(wanted, (1, 4, 5), 3)


@pytest.mark.parametrize(
    ("family", "changes", "bits"),
    [
        ("vann", {}, 0),
        ("psann", {}, 0),  # each dendrite reads all inputs, so their order makes no difference
        ("psann", {"cable_draw": "global"}, 64),
        ("cnn", {}, 0),
        ("dann-conv", {}, 0),
        ("dann-lrf", {}, 64),
        ("dann-lrf", {"centres": "variance"}, 64 + 36 * 6),  # a centre among 64 pixels
        ("dann-grf", {"centres": "variance"}, 64 + 12 * 6),  # of somata
        ("locally-connected", {"centres": "variance"}, 64 + 12 * 6),
        ("dann-lrf", {"rewiring": 0.3, "centres": "variance"}, 36 * 4 * 8),
        ("dann-lrf", {"rewiring": 0.3}, 36 * 4 * 8),  # an input of 192 in 8 bits
        ("dann-lrf", {"rewiring": 0.3, "synapses_per": "channel"}, 36 * 4 * 6),  # a pixel of 64
        # Receptive fields are not drawn over the matrix.
        ("dann-lrf", {"rewiring": 0.3, "synapse_draw": "global"}, 36 * 4 * 8),
        ("dann-r", {"rewiring": 0.3, "synapse_draw": "global"}, 36 * (4 * 8 + 8)),
        ("sann", {"rewiring": 0.3}, 36 * 4 * 8),
        ("sann", {"rewiring": 0.3, "cable_draw": "global"}, 36 * 4 * 8 + 64),
        ("sparse-mlp", {"rewiring": 0.3, "layers": 2}, 12 * 4 * (8 + 4)),
    ],
)
def test_the_bits_of_a_wiring(family, changes, bits):
    assert wiring_bits(architecture(family, **changes), (3, 8, 8)) == bits


def test_what_is_stored_are_weights_and_wiring():
    assert stored_bytes(100, 64) == 408
    assert stored_bytes(100, 9) == 402
