"""The loops that Python calls: the steps of an epoch of one replicate, and its evaluation."""

import numpy as np

from study.engine.activation import mixed
from study.engine.adam import adam_step
from study.engine.arrays import LANES
from study.engine.compilation import entry
from study.engine.loss import cross_entropy, cross_entropy_gradient
from study.engine.passes import backward, forward
from study.engine.tile import fill_tile


@entry
def train_steps(plan, wiring, moving, work, images, order, batch_size, steps, before, rates, seed):  # type: ignore[no-untyped-def]
    """Trains the steps `steps[0]` to `steps[1] - 1` of an epoch; the sum of the losses of all images.

    `order`: (images of the epoch,). `rates`: the learning rate of each step of the epoch. `before`:
    the steps made before this epoch. `seed`: of the epoch's dropout, 32 bits. A batch goes through the
    network in tiles of as many images as the workspace has lanes.
    """
    total = 0.0
    size = work.pixels.shape[1]
    for step in range(steps[0], steps[1]):
        start = step * batch_size
        count = min(batch_size, len(order) - start)
        key = mixed(np.uint32(np.uint32(seed) ^ mixed(np.uint32(step))))
        for first in range(0, count, size):
            images_here = min(size, count - first)
            lanes = -(-images_here // LANES) * LANES
            fill_tile(images, order, start + first, images_here, lanes, wiring, work)
            forward(
                plan, wiring, moving.parameters, work, lanes, plan.dropout, key, batch_size, first
            )
            row = plan.layers[-1, 5]
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
                1.0 / count,
                lanes,
            )
            backward(plan, wiring, moving, work, lanes, plan.dropout, key, batch_size, first)
        adam_step(moving, rates[step], before + step + 1)
    return total


@entry
def evaluate_images(plan, wiring, parameters, work, images, order):  # type: ignore[no-untyped-def]
    """The sum of the losses of the images in the order, and how many are classified right."""
    total, right = 0.0, 0
    size = work.pixels.shape[1]
    for start in range(0, len(order), size):
        count = min(size, len(order) - start)
        lanes = -(-count // LANES) * LANES
        fill_tile(images, order, start, count, lanes, wiring, work)
        forward(plan, wiring, parameters, work, lanes, 0.0, np.uint32(0), size, 0)
        logits = work.outputs[plan.layers[-1, 5] :]
        loss, correct = cross_entropy(logits, order, start, count, images.labels, work, lanes)
        total += loss
        right += correct
    return total, right
