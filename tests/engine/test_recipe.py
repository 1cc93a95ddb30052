"""Recipes of both engines against torch's optimizer and loss, one replicate at a time."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from models import build
from study.engine.compiled_engine import CompiledEngine
from study.engine.engine import BETAS, EPSILON
from study.engine.recipe import Recipe, kept_share
from study.training.split import Split
from study.training.torch_engine import TorchEngine
from tests.support.architectures import architecture

BATCH = 24  # of 40 images: the second of two batches is not full
GENERATOR = torch.Generator().manual_seed(3)
DATA = Split(
    torch.randint(0, 256, (40, 1, 6, 6), dtype=torch.uint8, generator=GENERATOR),
    torch.randint(0, 4, (40,), generator=GENERATOR),
)
RECIPES = {
    "label_smoothing": Recipe(label_smoothing=0.2),
    "weight_decay": Recipe(weight_decay=0.5),
    "average": Recipe(average=0.7),
    "all": Recipe(label_smoothing=0.1, weight_decay=0.2, average=0.9),
}


def engine_of(name, network, recipe):
    if name == "torch":
        return TorchEngine(network, DATA, BATCH, recipe)
    return CompiledEngine(network, DATA.images, DATA.labels, BATCH, 2, recipe)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize(
    ("engine", "family"),
    [("compiled", "dann-lrf"), ("compiled", "vann"), ("torch", "dann-lrf"), ("torch", "cnn")],
)
def test_a_recipe_is_that_of_torchs_own_parts(engine, family, recipe):
    network = build(architecture(family), (1, 6, 6), 4, [0, 1])
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
        found = made.train_epoch(epoch, order, rates, range(2))
        expected = torch.zeros(2)
        for batch, rate in zip(torch.split(order, BATCH, dim=1), rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate
            logits = reference(DATA.images[batch])
            losses = [
                functional.cross_entropy(
                    one, DATA.labels[rows], label_smoothing=recipe.label_smoothing
                )
                for one, rows in zip(logits, batch, strict=True)
            ]
            for number, rows in enumerate(batch):
                plain = functional.cross_entropy(logits[number], DATA.labels[rows])
                expected[number] += plain.detach() * len(rows) / 40
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()
            optimizer.step()
            step += 1
            for average, parameter in zip(averages, parameters, strict=True):
                kept = kept_share(recipe.average, step)
                average.mul_(kept).add_(parameter.detach(), alpha=1 - kept)
        torch.testing.assert_close(found.float(), expected, rtol=1e-4, atol=1e-5)
    for mine, other in zip(network.parameters(), parameters, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=2e-4)
    if recipe.average:
        for mine, other in zip(made.averages(), averages, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-3, atol=2e-4)
    else:
        assert made.averages() == []


@given(decay=st.floats(0.01, 0.999999), step=st.integers(1, 10**6))
def test_an_average_forgets_the_first_weights_and_keeps_no_more_than_its_decay(decay, step):
    assert 0 < kept_share(decay, step) <= decay
    assert kept_share(decay, step) <= kept_share(decay, step + 1)
