import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import dense_weight, paper_parameters

from models import FAMILIES, Architecture, build, count_macs, count_parameters


@pytest.mark.parametrize(
    ("dendrites", "somata", "dendritic", "vanilla"),
    [
        # The paper's own counts for 784 inputs, 16 synapses, 10 classes.
        (1, 32, 938, 26_506),
        (1, 128, 3_722, 118_282),
        (2, 256, 12_042, 535_818),
        (4, 128, 10_634, 468_874),
        (4, 512, 42_506, 2_661_898),
    ],
)
def test_counts_are_the_papers(dendrites, somata, dendritic, vanilla):
    shape = (1, 28, 28)
    for family in ("dann-r", "dann-lrf"):
        sparse = Architecture(family=family, dendrites=dendrites, somata=somata, synapses=16)
        assert count_parameters(build(sparse, shape, 10, [0])) == dendritic
    dense = Architecture(family="vann", dendrites=dendrites, somata=somata)
    assert count_parameters(build(dense, shape, 10, [0])) == vanilla


def test_colour_is_counted_truly():
    # CIFAR-10: 16 pixels in three channels for a local dendrite, 16 values for a random one.
    shape = (3, 32, 32)
    local = Architecture(family="dann-lrf", dendrites=4, somata=512, synapses=16)
    random = Architecture(family="dann-r", dendrites=4, somata=512, synapses=16)
    assert count_parameters(build(local, shape, 10, [0])) == 108_042
    assert count_parameters(build(random, shape, 10, [0])) == 42_506


@settings(max_examples=60, deadline=None)
@given(
    family=st.sampled_from(sorted(FAMILIES)),
    dendrites=st.integers(1, 5),
    somata=st.integers(4, 12),
    synapses=st.integers(1, 4),
    layers=st.integers(1, 3),
    channels=st.integers(1, 3),
    classes=st.integers(2, 5),
    replicates=st.integers(1, 3),
)
def test_counts_equal_the_closed_formula_and_the_weights_that_connect(
    family, dendrites, somata, synapses, layers, channels, classes, replicates
):
    architecture = Architecture(
        family=family,
        dendrites=dendrites,
        somata=somata,
        synapses=None if FAMILIES[family].synapses == "all" else synapses,
        layers=layers,
    )
    shape = (channels, 4, 5)
    network = build(architecture, shape, classes, list(range(replicates)))
    expected = paper_parameters(architecture, channels * 20, classes, channels)
    assert count_parameters(network) == expected

    live = sum(int((dense_weight(layer, 0) != 0).sum()) for layer in network.layers)
    biases = sum(layer.bias[0].numel() for layer in network.layers)
    assert count_macs(network) == live
    assert count_parameters(network) == live + biases
