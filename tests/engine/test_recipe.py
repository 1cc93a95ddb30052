"""Recipes of both engines against torch's optimizer and loss, one replicate at a time."""

import copy
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from models import build
from study.engine.arrays import BLOCK
from study.engine.augmentation import augments, draw_moves
from study.engine.compiled_engine import CompiledEngine
from study.engine.engine import BETAS, EPSILON
from study.engine.images import StoredImages
from study.engine.recipe import Recipe
from study.training.moved_images import moved
from study.training.split import Split
from study.training.torch_engine import TorchEngine
from tests.support.architectures import architecture

BATCH = 24  # of 40 images: the second of two batches is not full
GENERATOR = torch.Generator().manual_seed(3)
DATA = Split(
    torch.randint(0, 256, (40, 2, 5, 6), dtype=torch.uint8, generator=GENERATOR),
    torch.randint(0, 4, (40,), generator=GENERATOR),
)
RECIPES = {
    "label_smoothing": Recipe(label_smoothing=0.2),
    "weight_decay": Recipe(weight_decay=0.5),
    "average": Recipe(average=0.3),  # reached at the third of the ten steps
    "shift": Recipe(shift=2),
    "flip": Recipe(flip=0.5),
    "teacher": Recipe(teacher_weight=0.7, temperature=3.0),
    "all": Recipe(0.1, 0.2, 0.9, shift=1, flip=0.3, teacher_weight=0.4, temperature=2.0),
}


TARGETS = torch.softmax(3 * torch.randn(40, 4, generator=GENERATOR), dim=1)


def engine_of(name, network, recipe):
    targets = TARGETS if recipe.teacher_weight else None
    if name == "torch":
        return TorchEngine(network, DATA, BATCH, recipe, targets)
    return CompiledEngine(network, DATA.images, DATA.labels, BATCH, 2, recipe, targets)


def learned_loss(logits, rows, recipe):
    """Cross-entropy, mixed with the divergence from the teacher at a temperature."""
    hard = functional.cross_entropy(
        logits, DATA.labels[rows], label_smoothing=recipe.label_smoothing
    )
    softened = functional.log_softmax(logits / recipe.temperature, dim=1)
    soft = functional.kl_div(softened, TARGETS[rows], reduction="batchmean")
    weight = recipe.teacher_weight
    return (1 - weight) * hard + weight * recipe.temperature**2 * soft


def moved_by_hand(image, moves, row):
    """An image (channels, height, width), mirrored, then moved pixel by pixel."""
    down, right, mirrored = (int(part[row]) for part in moves)
    source = image.flip(-1) if mirrored else image
    target = torch.zeros_like(image)
    _, height, width = image.shape
    for y, x in itertools.product(range(height), range(width)):
        if 0 <= y - down < height and 0 <= x - right < width:
            target[:, y, x] = source[:, y - down, x - right]
    return target


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize(
    ("engine", "family"),
    [
        *(("compiled", family) for family in ("dann-lrf", "vann", "cnn", "dann-conv")),
        *(("torch", family) for family in ("dann-lrf", "cnn")),
    ],
)
def test_a_recipe_is_that_of_torchs_own_parts(engine, family, recipe):
    network = build(architecture(family), DATA.images.shape[1:], 4, [0, 1])
    reference = copy.deepcopy(network)
    parameters = list(reference.parameters())
    averages = [parameter.detach().clone() for parameter in parameters]
    optimizer = torch.optim.AdamW(
        parameters, lr=0.0, betas=BETAS, eps=EPSILON, weight_decay=recipe.weight_decay
    )
    made, rates = engine_of(engine, network, recipe), np.array([1e-2, 5e-3])
    step = 0
    for epoch in range(1, 6):
        drawn = [np.random.default_rng([epoch, number]).permutation(40) for number in range(2)]
        order = torch.from_numpy(np.stack(drawn))
        moves_of_all = [draw_moves(recipe, 40, seed, epoch) for seed in network.seeds]
        found = made.train_epoch(epoch, order, rates, range(2))
        expected = torch.zeros(2)
        for batch, rate in zip(torch.split(order, BATCH, dim=1), rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate
            images = torch.stack(
                [
                    torch.stack(
                        [moved_by_hand(DATA.images[row], moves, row) for row in rows.tolist()]
                    )
                    for moves, rows in zip(moves_of_all, batch, strict=True)
                ]
            )
            logits = reference(images)
            losses = [
                learned_loss(one, rows, recipe) for one, rows in zip(logits, batch, strict=True)
            ]
            for number, rows in enumerate(batch):
                plain = functional.cross_entropy(logits[number], DATA.labels[rows])
                expected[number] += plain.detach() * len(rows) / 40
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()
            optimizer.step()
            step += 1
            for average, parameter in zip(averages, parameters, strict=True):
                kept = min(recipe.average, (1 + step) / (10 + step))
                average.mul_(kept).add_(parameter.detach(), alpha=1 - kept)
        torch.testing.assert_close(found.float(), expected, rtol=1e-4, atol=1e-5)
    for mine, other in zip(network.parameters(), parameters, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=2e-4)
    if recipe.average:
        for mine, other in zip(made.averages(), averages, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-3, atol=2e-4)
    else:
        assert made.averages() == []


@given(
    shape=st.tuples(st.integers(1, 4), st.integers(2, 7), st.integers(2, 9)),
    recipe=st.builds(Recipe, shift=st.integers(0, 5), flip=st.sampled_from([0.0, 0.5, 1.0])),
    seed=st.integers(0, 2**32),
)
def test_bytes_of_stored_images_are_those_of_moved_ones(shape, recipe, seed):
    images = torch.from_numpy(
        np.random.default_rng(seed).integers(1, 256, (9, *shape), dtype=np.uint8)
    )
    moves = draw_moves(recipe, 9, seed, epoch=3)
    order = np.array([8, 0, 3, 8])
    stored = StoredImages(images, torch.zeros(9, dtype=torch.int64), recipe)
    starts = stored.starts(order, moves if augments(recipe) else None)
    found = stored.images.pixels[starts[:, None] + stored.images.places]
    expected = torch.stack([moved_by_hand(images[row], moves, row) for row in order])
    assert np.array_equal(found, expected.flatten(1).numpy())
    by_torch = moved(images[order][None], torch.from_numpy(np.stack(moves, axis=-1))[None, order])
    assert torch.equal(by_torch[0], expected)
    blocks = -(-stored.span // BLOCK) * BLOCK
    assert starts.min() >= 0
    assert starts.max() + blocks <= len(stored.images.pixels)


def test_moves_are_even_and_differ_from_epoch_to_epoch_and_from_seed_to_seed():
    recipe = Recipe(shift=1, flip=0.25)
    moves = draw_moves(recipe, 9000, seed=0, epoch=1)
    for steps in (moves.rows, moves.columns):
        values, counts = np.unique(steps, return_counts=True)
        assert values.tolist() == [-1, 0, 1]
        assert counts.min() > 2800  # of 3,000, within four standard deviations
    assert 0.23 < moves.mirrored.mean() < 0.27
    for other in (draw_moves(recipe, 9000, 0, 2), draw_moves(recipe, 9000, 1, 1)):
        assert 0.25 < (moves.rows == other.rows).mean() < 0.42
    again = draw_moves(recipe, 9000, seed=0, epoch=1)
    assert all(np.array_equal(one, two) for one, two in zip(moves, again, strict=True))
