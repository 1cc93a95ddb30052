"""The steps of an epoch of one replicate, and its evaluation."""

import numpy as np
from numpy.typing import NDArray

from study.engine.activation import mixed
from study.engine.adam import adam_step
from study.engine.arrays import (
    LANES,
    ROW,
    Floats,
    Images,
    Moving,
    Plan,
    Wiring,
    Workspace,
)
from study.engine.compilation import inner
from study.engine.loss import add_teacher_gradient, cross_entropy, cross_entropy_gradient
from study.engine.passes import backward, forward
from study.engine.recipe import Recipe
from study.engine.tile import fill_table, fill_tile


@inner
def train_steps(
    plan: Plan,
    wiring: Wiring,
    moving: Moving,
    work: Workspace,
    images: Images,
    order: NDArray[np.int64],
    starts: NDArray[np.int64],
    batch_size: int,
    first_step: int,
    last_step: int,
    before: int,
    rates: NDArray[np.float64],
    seed: int,
    recipe: Recipe,
) -> float:
    """Trains the steps `first_step` to `last_step - 1` of an epoch; the sum of the losses of all images.

    `order` and `starts`: (images of the epoch,), and where each begins. `rates`: the learning rate of
    each step of the epoch. `before`: the steps made before this epoch. `seed`: of the epoch's dropout,
    32 bits. A batch goes through the network in tiles of as many images as the workspace has lanes.
    """
    total = 0.0
    size = work.bytes.shape[1]
    for step in range(first_step, last_step):
        start = step * batch_size
        count = min(batch_size, len(order) - start)
        key = mixed(np.uint32(np.uint32(seed) ^ mixed(np.uint32(step))))
        first = np.int64(0)  # a plain 0 would have everything compiled twice
        while first < count:
            images_here = min(size, count - first)
            lanes = -(-images_here // LANES) * LANES
            fill_tile(images, starts, start + first, images_here, lanes, work)
            fill_table(plan, wiring, images, lanes, work)
            forward(plan, wiring, moving.parameters, work, lanes, plan.dropout, key, first)
            row = plan.layers[-1, ROW]
            logits, through = work.outputs[row:], work.through[row:]
            loss, _ = cross_entropy(
                logits, order, start + first, images_here, images.labels, work, lanes
            )
            total += loss
            cross_entropy_gradient(
                logits,
                order,
                start + first,
                images_here,
                images.labels,
                work,
                through,
                (1.0 - recipe.teacher_weight) / count,
                recipe.label_smoothing,
                lanes,
            )
            if recipe.teacher_weight > 0.0:
                add_teacher_gradient(
                    logits,
                    order,
                    start + first,
                    images_here,
                    images.targets,
                    work,
                    through,
                    recipe.teacher_weight / count,
                    recipe.temperature,
                    lanes,
                )
            backward(plan, wiring, moving, work, lanes, plan.dropout, key, first)
            first += size
        adam_step(moving, rates[step], before + step + 1, recipe)
    return total


@inner
def evaluate_images(
    plan: Plan,
    wiring: Wiring,
    parameters: Floats,
    work: Workspace,
    images: Images,
    order: NDArray[np.int64],
    starts: NDArray[np.int64],
) -> tuple[float, int]:
    """The sum of the losses of the images in the order, and how many are classified right."""
    total, right = 0.0, 0
    size = work.bytes.shape[1]
    start = np.int64(0)
    while start < len(order):
        count = min(size, len(order) - start)
        lanes = -(-count // LANES) * LANES
        fill_tile(images, starts, start, count, lanes, work)
        fill_table(plan, wiring, images, lanes, work)
        forward(plan, wiring, parameters, work, lanes, 0.0, np.uint32(0), np.int64(0))
        logits = work.outputs[plan.layers[-1, ROW] :]
        loss, correct = cross_entropy(logits, order, start, count, images.labels, work, lanes)
        total += loss
        right += correct
        start += size
    return total, right
