"""Adam over all parameters of one replicate, as torch's does it, and the average of its steps."""

import numpy as np

from study.engine.arrays import Moving
from study.engine.compilation import inner
from study.engine.engine import BETAS, EPSILON
from study.engine.recipe import Recipe

_DECAY1 = np.float32(BETAS[0])
_DECAY2 = np.float32(BETAS[1])
_REST1 = np.float32(1.0 - BETAS[0])
_REST2 = np.float32(1.0 - BETAS[1])
_EPSILON = np.float32(EPSILON)


@inner
def adam_step(moving: Moving, rate: float, step: int, recipe: Recipe) -> None:
    """The step of this number, from 1; it leaves zero gradients, and updates the average."""
    size = np.float32(rate / (1.0 - np.power(BETAS[0], np.float64(step))))
    correction = np.float32(1.0 / np.sqrt(1.0 - np.power(BETAS[1], np.float64(step))))
    undecayed = np.float32(1.0 - rate * recipe.weight_decay)
    parameters, gradient = moving.parameters, moving.gradient
    first, second = moving.first_moment, moving.second_moment
    for place in range(len(parameters)):
        slope = gradient[place]
        mean = _DECAY1 * first[place] + _REST1 * slope
        square = _DECAY2 * second[place] + _REST2 * (slope * slope)
        first[place] = mean
        second[place] = square
        change = size * mean / (np.sqrt(square) * correction + _EPSILON)
        parameters[place] = undecayed * parameters[place] - change
        gradient[place] = 0.0
    if recipe.average > 0.0:
        # As `Recipe.average` states.
        kept = min(recipe.average, (1.0 + step) / (10.0 + step))
        added = np.float32(1.0 - kept)
        average = moving.average
        for place in range(len(parameters)):
            average[place] += added * (parameters[place] - average[place])
