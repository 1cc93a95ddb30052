import pytest

from models import Architecture
from models.architecture import check_fits, soma_grid


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": "dan"}, "`family` must be one of dann-r, dann-lrf, vann, got 'dan'"),
        ({"somata": 0}, "`somata >= 1` must hold, got somata=0"),
        ({"leaky_slope": 1.5}, "`0 <= leaky_slope <= 1` must hold, got leaky_slope=1.5"),
        ({"initialization": "he"}, "`initialization` must be one of fan_in, glorot_dense"),
        ({"synapses": None}, "`synapses >= 1` must hold for family dann-r, got synapses=None"),
        ({"family": "vann"}, "`synapses` must be left out for family vann"),
    ],
)
def test_an_impossible_architecture_is_refused_with_rule_and_value(changes, message):
    sizes = {"family": "dann-r", "dendrites": 2, "somata": 8, "synapses": 4}
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        Architecture(**(sizes | changes))


@pytest.mark.parametrize(
    ("somata", "grid"),
    [(256, (16, 16)), (512, (32, 16)), (128, (16, 8)), (32, (8, 4)), (7, (7, 1))],
)
def test_the_next_layer_reads_the_somata_as_the_papers_grid(somata, grid):
    assert soma_grid(somata) == (1, *grid)


@pytest.mark.parametrize(
    ("family", "synapses", "shape", "layers", "fits"),
    [
        ("dann-r", 64, (1, 8, 8), 1, True),
        ("dann-r", 65, (1, 8, 8), 1, False),
        ("dann-r", 192, (3, 8, 8), 1, True),
        ("dann-lrf", 64, (3, 8, 8), 1, True),
        ("dann-lrf", 65, (3, 8, 8), 1, False),
        ("dann-r", 16, (1, 28, 28), 2, False),  # the second layer has 8 inputs only
        ("dann-r", 8, (1, 28, 28), 2, True),
    ],
)
def test_a_dendrite_cannot_need_more_inputs_than_there_are(family, synapses, shape, layers, fits):
    architecture = Architecture(
        family=family, dendrites=2, somata=8, synapses=synapses, layers=layers
    )
    if fits:
        check_fits(architecture, shape)
    else:
        with pytest.raises(ValueError, match=rf"must hold .* got synapses={synapses}"):
            check_fits(architecture, shape)


def test_a_label_names_family_and_sizes():
    architecture = Architecture(family="dann-lrf", dendrites=4, somata=128, synapses=16, layers=2)
    assert architecture.label() == "dann-lrf D4 S128 K16 L2"
    assert Architecture(family="vann", dendrites=1, somata=32).label() == "vann D1 S32"
