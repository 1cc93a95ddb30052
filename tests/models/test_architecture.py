import json
import re
from dataclasses import asdict

import numpy as np
import pytest

from models import FAMILIES, Architecture
from models.architecture import CHOICES
from models.shapes import check_fits, layer_shapes, soma_grid
from tests.support.architectures import architecture


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": "dan"}, "`family` must be one of dann-r, dann-grf"),
        ({"somata": 0}, "`1 <= somata <= 10000000` must hold for family dann-r, got somata=0"),
        (
            {"somata": 10**18 + 3},
            "`1 <= somata <= 10000000` must hold for family dann-r, got somata=1",
        ),
        ({"layers": 10**6}, "`1 <= layers <= 100` must hold for family dann-r, got layers=1000000"),
        ({"layers": "2"}, "`1 <= layers <= 100` must hold for family dann-r, got layers='2'"),
        (
            {"dendrites": None},
            "`1 <= dendrites <= 1000000` must hold for family dann-r, got dendrites=None",
        ),
        (
            {"synapses": None},
            "`1 <= synapses <= 10000000` must hold for family dann-r, got synapses=None",
        ),
        ({"family": "vann"}, "`synapses` must be left out for family vann"),
        ({"family": "sparse-mlp"}, "`dendrites` must be left out for family sparse-mlp"),
        (
            {"family": "cnn", "dendrites": None, "synapses": 8},
            "`synapses` must be the area of a square kernel for family cnn, got synapses=8",
        ),
        (
            {"family": "dann-conv", "synapses": 15},
            "`synapses` must be the area of a square kernel for family dann-conv, got synapses=15",
        ),
        ({"leaky_slope": 1.5}, "`0 <= leaky_slope <= 1` must hold, got leaky_slope=1.5"),
        ({"dendrite_slope": -1}, "`0 <= dendrite_slope <= 1` must hold, got dendrite_slope=-1"),
        ({"dropout": 1.0}, "`0 <= dropout < 1` must hold, got dropout=1.0"),
        ({"initialization": "he"}, "`initialization` must be one of fan_in, glorot_dense"),
        (
            {"family": "dann-r", "centres": "variance"},
            "`centres` must be even for family dann-r, which has no receptive fields, got 'variance'",
        ),
        (
            {"receptive_field": "round"},
            "`receptive_field` must be one of ring, square, got 'round'",
        ),
    ],
)
def test_an_impossible_architecture_is_refused_with_rule_and_value(changes, message):
    sizes = {"family": "dann-r", "dendrites": 2, "somata": 8, "synapses": 4}
    with pytest.raises(ValueError, match=re.escape(message)):
        Architecture(**(sizes | changes))


@pytest.mark.parametrize(
    ("somata", "grid"),
    [(256, (16, 16)), (512, (32, 16)), (128, (16, 8)), (32, (8, 4)), (7, (7, 1))],
)
def test_the_next_layer_reads_the_somata_as_the_papers_grid(somata, grid):
    assert soma_grid(somata) == (1, *grid)
    shapes = layer_shapes(architecture("dann-r", somata=somata, layers=2), (3, 9, 9))
    assert shapes == [(3, 9, 9), (1, *grid), (1, *grid)]


def test_a_convolution_halves_the_image_and_keeps_its_channels():
    shapes = layer_shapes(architecture("cnn", somata=5, layers=3), (3, 28, 9))
    assert shapes == [(3, 28, 9), (5, 14, 5), (5, 7, 3), (5, 4, 2)]


def test_shared_dendrites_read_the_image_in_tiles():
    wanted = architecture("dann-conv", somata=5, synapses=16, layers=2)
    assert layer_shapes(wanted, (3, 28, 9)) == [(3, 28, 9), (5, 7, 3), (5, 2, 1)]


@pytest.mark.parametrize(
    ("family", "changes", "is_dendritic"),
    [
        ("dann-grf", {"dendrites": 2}, True),
        ("dann-conv", {"dendrites": 2}, True),
        ("pdann", {"dendrites": 2, "dendrite_slope": 0.0}, True),
        ("dann-grf", {"dendrites": 1}, False),
        ("dann-grf", {"dendrite_slope": 1.0}, False),
        ("dann-grf", {"leaky_slope": 1.0}, False),
        ("dann-grf", {"leaky_slope": 1.0, "dendrite_slope": 0.0}, True),
        ("sann-grf", {}, False),
        ("vann", {}, False),
        ("sparse-mlp", {}, False),
        ("cnn", {}, False),
    ],
)
def test_dendritic_are_two_nonlinear_branches_of_a_somas_own(family, changes, is_dendritic):
    assert architecture(family, **changes).is_dendritic is is_dendritic


@pytest.mark.parametrize(
    ("family", "changes", "shape", "fits"),
    [
        ("dann-r", {"synapses": 64}, (1, 8, 8), True),
        ("dann-r", {"synapses": 65}, (1, 8, 8), False),
        ("dann-lrf", {"synapses": 192}, (3, 8, 8), True),
        ("dann-lrf", {"synapses": 193}, (3, 8, 8), False),
        ("dann-grf", {"synapses": 64, "synapses_per": "channel"}, (3, 8, 8), True),
        ("dann-grf", {"synapses": 65, "synapses_per": "channel"}, (3, 8, 8), False),
        # The second layer has 12 inputs only.
        ("dann-r", {"synapses": 16, "layers": 2}, (1, 28, 28), False),
        ("dann-r", {"synapses": 12, "layers": 2}, (1, 28, 28), True),
        ("vann", {"layers": 4}, (1, 2, 2), True),
    ],
)
def test_a_dendrite_cannot_need_more_inputs_than_there_are(family, changes, shape, fits):
    wanted = architecture(family, **changes)
    if fits:
        check_fits(wanted, shape)
    else:
        with pytest.raises(ValueError, match=rf"must hold .* got synapses={wanted.synapses}"):
            check_fits(wanted, shape)


def test_numbers_of_numpy_are_those_of_python():
    wanted = architecture(
        "dann-r", somata=np.int32(5), leaky_slope=np.float32(0.5), dropout=np.float32(0.25)
    )
    assert json.loads(json.dumps(asdict(wanted))) == asdict(wanted)
    assert wanted == architecture("dann-r", somata=5, leaky_slope=0.5, dropout=0.25)


def test_a_label_names_family_and_sizes():
    wanted = architecture("dann-lrf", dendrites=4, somata=128, synapses=16, layers=2)
    assert wanted.label() == "dann-lrf D4 S128 K16 L2"
    assert architecture("vann", dendrites=1, somata=32).label() == "vann D1 S32"
    assert architecture("mlp", somata=32).label() == "mlp S32"


def test_the_papers_twelve_families_are_all_pairs_of_a_wiring():
    assert len(FAMILIES) == 17
    pairs = {(family.synapses, family.cables) for family in FAMILIES.values()}
    assert pairs >= {
        (synapses, cables)
        for synapses in ("random", "local", "grouped", "all")
        for cables in ("own", "shuffled", "all")
    }


def test_options_are_those_that_make_a_difference():
    assert FAMILIES["vann"].options == ("dendrite_slope",)
    assert FAMILIES["mlp"].options == ()
    assert FAMILIES["dann-conv"].options == ("dendrite_slope",)
    drawn = ("synapses_per", "rewiring", "regrowth")
    assert FAMILIES["dann-r"].options == ("dendrite_slope", "synapse_draw", *drawn)
    assert "cable_draw" in FAMILIES["psann"].options
    assert "receptive_field" in FAMILIES["locally-connected"].options
    known = {*CHOICES, "dendrite_slope", "rewiring"}
    assert all(set(family.options) <= known for family in FAMILIES.values())
