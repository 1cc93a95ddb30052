import numpy as np
import pytest
import torch

from study.training.dataset import Dataset
from study.training.noise import with_training_noise
from study.training.split import Split


def split(count, value):
    images = torch.full((count, 1, 8, 8), value, dtype=torch.uint8)
    return Split(images, torch.arange(count) % 10)


def dataset(value=128):
    parts = {
        "train": split(1500, value),
        "validation": split(500, value),
        "test": split(400, value),
    }
    return Dataset(name="grey", classes=10, **parts)


def test_without_noise_the_images_are_the_same_objects():
    clean = dataset()
    assert with_training_noise(clean, 0.0) is clean


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_every_split_has_noise_of_that_deviation_and_its_own(part):
    clean, found = dataset(), with_training_noise(dataset(), 0.1)
    images = getattr(found, part).images
    assert images.dtype == torch.uint8
    assert images.shape == getattr(clean, part).images.shape
    assert torch.equal(getattr(found, part).labels, getattr(clean, part).labels)
    pixels = images.double() / 255
    assert pixels.mean().item() == pytest.approx(128 / 255, abs=0.003)
    assert pixels.std().item() == pytest.approx(0.1, rel=0.03)
    # Neither images nor splits share theirs.
    assert not torch.equal(images[0], images[1])
    assert not torch.equal(found.test.images[0], found.train.images[0])
    assert not torch.equal(found.test.images[0], found.validation.images[0])


def test_what_leaves_the_range_is_clipped():
    for value in (0, 255):
        pixels = with_training_noise(dataset(value), 1.0).train.images
        assert (pixels == value).double().mean().item() == pytest.approx(0.5, abs=0.01)
        assert {0, 255} <= set(np.unique(pixels.numpy()))


def test_the_noise_is_the_same_each_time_and_scaled_for_another_sigma():
    first, again, twice = (
        with_training_noise(dataset(), sigma).train.images for sigma in (0.1, 0.1, 0.2)
    )
    assert torch.equal(first, again)
    inside = (twice > 0) & (twice < 255)
    off = 2 * (first.double() - 128) - (twice.double() - 128)
    assert off[inside].abs().max() <= 1.5  # of rounding


def test_no_image_is_changed_in_place():
    clean = dataset()
    with_training_noise(clean, 1.0)
    assert (clean.train.images == 128).all()
