import math

import pytest
import torch

from models import Architecture, build
from study.training.activity import Activity, activity_of
from study.training.split import Split


@pytest.fixture
def activity():
    """Two classes of four images; one unit for the first class, one for half of both, one silent."""
    hits = torch.tensor([[[4.0, 2.0, 0.0], [0.0, 2.0, 0.0]]]).double()
    return Activity(hits, torch.tensor([4.0, 4.0]).double())


def test_entropy_counts_inactive_images_as_one_more_outcome(activity):
    # Halves: 1 bit. Two quarters and a half: 1.5 bits.
    entropy = activity.entropy()[0]
    assert entropy[:2].tolist() == pytest.approx([1.0, 1.5])
    assert entropy[2].isnan()


def test_entropy_is_highest_where_all_outcomes_are_as_likely():
    found = Activity(torch.full((1, 9, 1), 2.0).double(), torch.full((9,), 20 / 9).double())
    assert found.entropy().item() == pytest.approx(math.log2(10))


def test_selectivity_counts_classes_above_40_percent(activity):
    assert activity.selectivity().tolist() == [[1, 2, 0]]
    at_the_bound = torch.tensor([[[400.0, 401.0]]]).double()
    assert Activity(at_the_bound, torch.tensor([1000.0]).double()).selectivity().tolist() == [
        [0, 1]
    ]


def test_means_leave_out_silent_units_and_zeros(activity):
    found = {name: one.item() for name, one in activity.statistics().items()}
    assert found == pytest.approx(
        {"entropy": 1.25, "selectivity": 1.5, "silent": 1 / 3, "firing": 8 / 24}
    )


def test_a_unit_is_active_on_the_images_that_bring_it_above_zero():
    # One soma for each of two pixels, above 0 where the pixel is.
    network = build(Architecture(family="mlp", somata=2), (1, 1, 2), 2, [0, 1])
    with torch.no_grad():
        layer = network.stages[0].units
        layer.weight.copy_(torch.eye(2))
        layer.bias.fill_(-0.5)
    pixels = [[1, 0], [1, 1], [0, 0], [0, 1]]
    images = 255 * torch.tensor(pixels, dtype=torch.uint8).view(4, 1, 1, 2)
    found = activity_of(network, Split(images, torch.tensor([0, 0, 1, 1])))
    assert list(found) == ["layer1_somata"]
    assert found["layer1_somata"].images.tolist() == [2, 2]
    assert found["layer1_somata"].hits.tolist() == [[[2, 1], [0, 1]]] * 2
