import math
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from models import FAMILIES, Architecture, build
from models.rewiring import REACH, rewire, rewired_layers, share_after

DRAWING = [name for name, family in FAMILIES.items() if family.draws_synapses]


def made(family, shape=(1, 9, 7), seeds=(3, 4), **changes):
    sizes = {"somata": 6, "synapses": 8, "layers": 1, "rewiring": 0.3}
    if FAMILIES[family].has_dendrites:
        sizes["dendrites"] = 3
    return build(Architecture(family=family, **(sizes | changes)), shape, 4, seeds)


def random_numbers(seed, replicate, place):
    return np.random.default_rng([seed, replicate, place])


def synapses_of(network):
    """By layer and replicate: for each unit the weight of each input."""
    found = {}
    for place, layer, _ in rewired_layers(network):
        for replicate in range(network.replicates):
            inputs, offsets = (part.tolist() for part in layer.connections(replicate))
            weights = layer.weight[replicate].tolist()
            found[place, replicate] = [
                dict(zip(inputs[first:last], weights[first:last], strict=True))
                for first, last in pairwise(offsets)
            ]
    return found


def sizes(units):
    return [len(unit) for unit in units]


@st.composite
def rewirings(draw):
    family = draw(st.sampled_from(DRAWING))
    options = {"synapses_per": draw(st.sampled_from(["dendrite", "channel"]))}
    if "synapse_draw" in FAMILIES[family].options:
        options["synapse_draw"] = draw(st.sampled_from(["constant", "global"]))
    network = made(
        family,
        shape=(draw(st.sampled_from([1, 3])), 5, 4),
        somata=draw(st.sampled_from([20, 24])),
        synapses=draw(st.integers(1, 20)),
        layers=draw(st.sampled_from([1, 2])),
        regrowth=draw(st.sampled_from(["local", "anywhere"])),
        **options,
    )
    return network, draw(st.floats(0, 0.95)), draw(st.integers(0, 99))


@given(rewirings())
def test_only_the_weakest_synapses_of_each_unit_are_replaced(case):
    network, share, seed = case
    before = synapses_of(network)
    changes = rewire(network, share, partial(random_numbers, seed))
    places = {place: layer for place, layer, _ in rewired_layers(network)}
    assert [change.layer for change in changes] == list(places)
    for key, units in synapses_of(network).items():
        # As many connections, of inputs that exist and differ (a repeated one would be lost here).
        assert sizes(units) == sizes(before[key])
        for unit, former in zip(units, before[key], strict=True):
            assert all(0 <= column < places[key[0]].inputs for column in unit)
            kept = unit.keys() & former.keys()
            assert all(unit[column] == former[column] for column in kept)
            assert all(unit[column] == 0 for column in unit.keys() - kept)
            if network.architecture.synapses_per == "dendrite" or network.image_shape[0] == 1:
                free = places[key[0]].inputs - len(former)
                assert len(former) - len(kept) == min(int(share * len(former)), free)
                gone = [abs(former[column]) for column in former.keys() - kept]
                stays = [abs(former[column]) for column in kept]
                assert not gone or not stays or max(gone) <= min(stays)


def test_pixels_stay_whole_where_synapses_count_pixels():
    network = made("dann-lrf", shape=(3, 6, 6), synapses_per="channel")
    before = synapses_of(network)
    rewire(network, 0.5, partial(random_numbers, 0))
    for key, units in synapses_of(network).items():
        assert units != before[key]
        for unit in units:
            pixels = sorted(column % 36 for column in unit)
            assert pixels == sorted([*set(pixels)] * 3)


def test_values_follow_their_synapses():
    network = made("dann-r", shape=(3, 5, 5), synapses_per="channel", somata=12, layers=2)
    (layer, _), *_ = ((layer, place) for place, layer, _ in rewired_layers(network))
    former = layer.weight.detach().numpy().copy()
    marks = np.arange(former.size, dtype=np.float32).reshape(former.shape) + 1
    change, *_ = rewire(network, 0.4, partial(random_numbers, 0))
    moved = change.follow(marks)
    now = layer.weight.detach().numpy()
    for replicate in range(2):
        stays = moved[replicate] > 0
        assert_array_equal(
            former[replicate][
                moved[replicate][stays].astype(int) - 1 - replicate * former.shape[1]
            ],
            now[replicate][stays],
        )
        assert not now[replicate][~stays].any()


@pytest.mark.parametrize(
    ("shape", "changes"),
    [
        ((1, 28, 28), {"synapses": 12}),
        ((3, 6, 5), {"synapses": 12}),
        ((1, 9, 7), {"synapses": 45}),  # nearly all places around are taken
        ((1, 60, 1), {"synapses": 12, "somata": 40, "layers": 2}),
        ((3, 9, 3), {"synapses": 50}),
    ],
)
@pytest.mark.parametrize("family", ["dann-lrf", "locally-connected", "sann-grf"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_local_regrowth_stays_near_the_synapses_that_stay(family, shape, changes, share):
    network = made(family, shape, **changes)
    images = {place: image for place, _, image in rewired_layers(network)}
    before = synapses_of(network)
    rewire(network, share, partial(random_numbers, 1))
    grown = 0
    for (place, replicate), units in synapses_of(network).items():
        for unit, former in zip(units, before[place, replicate], strict=True):
            stays = unit.keys() & former.keys()
            free = set(range(math.prod(images[place]))) - unit.keys() - former.keys()
            away = [distance(column, stays, images[place]) for column in unit.keys() - stays]
            # None further than within reach, or than a free one.
            nearest = min((distance(column, stays, images[place]) for column in free), default=99)
            assert all(one <= max(REACH, nearest) for one in away)
            grown += len(away)
    assert grown


def distance(column, others, shape):
    """In rows or columns, to the nearest in the same channel."""
    channel, row, place = np.unravel_index(column, shape)
    return min(
        (
            max(abs(row - y), abs(place - x))
            for plane, y, x in (np.unravel_index(other, shape) for other in others)
            if plane == channel
        ),
        default=math.inf,
    )


def test_synapses_grow_where_the_gradient_is_largest():
    network = made("dann-r", shape=(1, 5, 5), regrowth="gradient", seeds=[1])
    before = synapses_of(network)
    slopes = np.random.default_rng(5).normal(size=(18, 25))
    rewire(network, 0.5, partial(random_numbers, 0), lambda *_: lambda units: slopes[units])
    for number, (unit, former) in enumerate(
        zip(synapses_of(network)[0, 0], before[0, 0], strict=True)
    ):
        free = [column for column in range(25) if column not in former]
        steepest = sorted(free, key=lambda column: -abs(slopes[number, column]))
        assert unit.keys() - former.keys() == set(steepest[:4])


def test_a_replicate_does_not_depend_on_the_others():
    alone, among = made("dann-lrf", seeds=[4]), made("dann-lrf", seeds=[3, 4])
    rewire(alone, 0.3, lambda _, place: np.random.default_rng([4, place]))
    rewire(among, 0.3, lambda replicate, place: np.random.default_rng([3 + replicate, place]))
    assert synapses_of(alone)[0, 0] == synapses_of(among)[0, 1]


def test_only_the_named_replicates_change():
    network = made("dann-lrf")
    before = synapses_of(network)
    rewire(network, 0.3, partial(random_numbers, 0), replicates=[1])
    after = synapses_of(network)
    assert after[0, 0] == before[0, 0]
    assert after[0, 1] != before[0, 1]


def test_the_share_falls_to_none_before_the_end():
    shares = [share_after(epoch, 10, 0.3) for epoch in range(1, 11)]
    assert shares == sorted(shares, reverse=True)
    assert 0.25 < shares[0] < 0.3
    assert shares[5] > 0 == shares[6] == shares[9]


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in DRAWING])
def test_families_that_draw_no_synapses_are_refused(family):
    with pytest.raises(ValueError, match="`rewiring` must be 0 for family"):
        made(
            family,
            **({} if FAMILIES[family].counts_synapses else {"synapses": None})
            | {"synapses": 9 if FAMILIES[family].counts_synapses else None},
        )


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_beyond_the_rule_is_refused(share):
    with pytest.raises(ValueError, match="`0 <= share < 1` must hold"):
        rewire(made("dann-r"), share, partial(random_numbers, 0))
