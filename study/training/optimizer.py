"""Adam on the weights of a network, their average, and the learning rate of a schedule at each step.

`torch.optim.Adam` and its schedulers import torch's compiler when created, which takes each worker a
second; this calls the function within `torch.optim.Adam`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.adam import adam

from study.engine.engine import BETAS, EPSILON
from study.engine.recipe import Recipe
from study.training.settings import TrainingSettings

_FLAT_UP_TO: Final = 2**18  # parameters; beyond, separate updates are faster than copied gradients
_RISING: Final = 0.3  # share of the steps of `one_cycle`
_START: Final = 1 / 25  # of the highest rate of `one_cycle`
_END: Final = 1e-4  # of its first


def learning_rate(settings: TrainingSettings, step: int, steps: int) -> float:
    """The learning rate at a step, from 0, of a full training of `steps` steps.

    As defined by torch's `CosineAnnealingLR` and `OneCycleLR` with default arguments
    (https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate).
    """
    highest = settings.learning_rate
    match settings.schedule:
        case "constant":
            return highest
        case "cosine":
            return _cosine(highest, 0.0, step / steps)
        case "one_cycle":
            first, top, last = highest * _START, _RISING * steps - 1, steps - 1
            if step <= top:
                return _cosine(first, highest, step / top)
            return _cosine(highest, first * _END, (step - top) / (last - top))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


@final
class Adam:
    """Adam (Kingma & Ba, arXiv 1412.6980) on parameters that all have gradients at each step.

    With the weight decay and the average of a recipe. Small networks get one tensor for all parameters,
    so that one kernel updates them all.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        recipe: Recipe = Recipe(),  # noqa: B008  # a tuple
    ) -> None:
        self._parameters = parameters
        self._recipe = recipe
        size = sum(parameter.numel() for parameter in parameters)
        self._is_flat = size <= _FLAT_UP_TO
        self._weights = (
            [_flattened(parameters)] if self._is_flat else [one.detach() for one in parameters]
        )
        self._means = [torch.zeros_like(weight) for weight in self._weights]
        self._squares = [torch.zeros_like(weight) for weight in self._weights]
        self._steps = [torch.zeros((), device=weight.device) for weight in self._weights]
        averaged = self._weights if recipe.average else []
        self._averages = [weight.clone() for weight in averaged]

    def step(self, rate: float | Tensor) -> None:
        """Updates the parameters with a learning rate, and clears their gradients.

        The rate as a tensor, (), is on the device of the parameters; a CUDA graph needs it so.
        """
        gradients = [_gradient(parameter) for parameter in self._parameters]
        if self._is_flat:
            gradients = [torch.cat([gradient.flatten() for gradient in gradients])]
        adam(
            self._weights,
            gradients,
            self._means,
            self._squares,
            [],
            self._steps,
            fused=True,
            decoupled_weight_decay=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=rate,
            weight_decay=self._recipe.weight_decay,
            eps=EPSILON,
            maximize=False,
        )
        if self._averages:
            # As `Recipe.average` states, without reading a number from the device.
            step = self._steps[0]
            kept = ((1 + step) / (10 + step)).clamp(max=self._recipe.average)
            for average, weight in zip(self._averages, self._weights, strict=True):
                average.lerp_(weight, 1 - kept)
        for parameter in self._parameters:
            parameter.grad = None

    def averages(self) -> list[Tensor]:
        """The average of each parameter; empty if the recipe has none."""
        if not (self._averages and self._is_flat):
            return self._averages
        sizes = [parameter.numel() for parameter in self._parameters]
        parts = torch.split(self._averages[0], sizes)
        return [
            part.view(parameter.shape)
            for part, parameter in zip(parts, self._parameters, strict=True)
        ]

    def follow(
        self, parameter: nn.Parameter, move: Callable[[NDArray[np.floating]], NDArray[np.floating]]
    ) -> None:
        """Moves the state of a parameter, as an array (R, ...), when its elements change places."""
        sizes = [one.numel() for one in self._parameters]
        index = next(number for number, one in enumerate(self._parameters) if one is parameter)
        for state in (self._means, self._squares, self._averages):
            if not state:
                continue
            mine = torch.split(state[0], sizes)[index] if self._is_flat else state[index]
            table = mine.view(parameter.shape)
            table.copy_(torch.from_numpy(move(table.cpu().numpy())))

    @property
    def changed(self) -> list[Tensor]:
        """All tensors that a step changes: the parameters, and the state of the optimizer."""
        return [*self._weights, *self._means, *self._squares, *self._steps, *self._averages]

    def state(self) -> dict[str, Tensor]:
        """The state for `restore`, without the parameters."""
        return {
            f"adam.{name}.{index}": tensor
            for name, tensors in self._tensors().items()
            for index, tensor in enumerate(tensors)
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restores the state of an optimizer of the same network."""
        for name, own in self._tensors().items():
            for index, tensor in enumerate(own):
                tensor.copy_(tensors[f"adam.{name}.{index}"])

    def _tensors(self) -> dict[str, list[Tensor]]:
        return {
            "mean": self._means,
            "square": self._squares,
            "step": self._steps,
            "average": self._averages,
        }


def _flattened(parameters: Sequence[nn.Parameter]) -> Tensor:
    """Moves all parameters into one tensor, and returns it; the parameters become views."""
    flat = torch.cat([parameter.detach().flatten() for parameter in parameters])
    parts = torch.split(flat, [parameter.numel() for parameter in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.data = part.view(parameter.shape)
    return flat


def _gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None  # noqa: S101  # every weight is live
    return parameter.grad
