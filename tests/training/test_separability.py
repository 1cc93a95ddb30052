import numpy as np
import pytest
import torch

from models import Architecture, build
from study.training.separability import (
    IMAGES,
    distances,
    embedding,
    measured_images,
    neighbourhood_hit,
    principal_components,
    separability_of,
)
from study.training.split import Split


@pytest.mark.parametrize("ordered", [True, False])
def test_the_images_are_of_all_classes_in_proportion(ordered):
    labels = np.repeat(np.arange(3), [1_200, 600, 200])
    if not ordered:
        labels = np.random.default_rng(0).permutation(labels)
    rows = measured_images(labels)
    assert np.bincount(labels[rows]).tolist() == [600, 300, 100]
    assert (np.diff(rows) > 0).all()
    for one in range(3):  # the first ones
        chosen = rows[labels[rows] == one]
        assert np.array_equal(chosen, np.flatnonzero(labels == one)[: len(chosen)])
    assert np.array_equal(measured_images(labels[:IMAGES]), np.arange(IMAGES))


def test_components_are_the_points_turned():
    # Points on the axes: 3 apart from the centre on the first, 1 on the second.
    points = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    found = principal_components(points @ points.T)
    assert np.abs(found) == pytest.approx(np.abs(points), abs=1e-9)
    assert distances(found @ found.T) == pytest.approx(distances(points @ points.T))
    assert principal_components(points @ points.T, 1).shape == (4, 1)


def test_distances_are_those_of_the_points():
    points = np.array([[0.0, 0.0], [3.0, 4.0]])
    assert distances(points @ points.T).tolist() == [[0, 5], [5, 0]]


def test_a_point_is_not_its_own_neighbour():
    # Of three others each has one of its own label.
    points = np.array([[0.0], [1.0], [2.0], [3.0]])
    assert neighbourhood_hit(points, np.array([0, 0, 1, 1])) == pytest.approx(1 / 3)
    # Two groups of 13 far apart: the nearest 11 are of the own one.
    far = np.arange(26.0)[:, None] + 1000 * (np.arange(26) >= 13)[:, None]
    assert neighbourhood_hit(far, np.repeat([0, 1], 13)) == 1.0


def test_the_embedding_is_always_the_same():
    components = np.random.default_rng(0).normal(size=(40, 5))
    assert np.array_equal(embedding(components), embedding(components))


def pictures(shown):
    """60 pictures of two classes, which `shown` on one pixel each tells apart."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 50, (60, 1, 2, 2), dtype=torch.uint8, generator=generator)
    labels = torch.arange(60) % 2
    images.flatten(1)[torch.arange(60), labels] += shown
    return Split(images, labels)


def network():
    """Four somata, each of one pixel."""
    made = build(Architecture(family="mlp", somata=4), (1, 2, 2), 2, [0])
    with torch.no_grad():
        made.stages[0].units.weight.copy_(torch.eye(4))
    return made


def test_classes_that_lie_apart_are_told_apart():
    apart = separability_of(network(), pictures(200))
    mixed = separability_of(network(), pictures(0))
    assert apart["layer1_somata_neighbourhood_hit"].item() == 1.0
    assert apart["layer1_somata_silhouette"].item() > 0.5
    assert mixed["layer1_somata_silhouette"].item() < 0.2
    assert mixed["layer1_somata_neighbourhood_hit"].item() < 0.7
    assert 0.5 < mixed["layer1_somata_trustworthiness"].item() <= 1.0


@pytest.mark.parametrize("bias", [0.0, 0.1, 1.7])
def test_a_layer_that_tells_nothing_has_no_separability(bias):
    dead = network()
    with torch.no_grad():
        dead.stages[0].units.weight.zero_()
        dead.stages[0].units.bias.fill_(bias)
    assert all(values.isnan().all() for values in separability_of(dead, pictures(200)).values())
