"""The compiled engine: a whole epoch of a replicate is one loop, on one thread, without Python."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import pairwise
from typing import Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.network import Network
from models.rewiring import Rewired
from study.engine.arrays import (
    CONVOLUTION,
    KIND,
    LANES,
    WEIGHT,
    Floats,
    Moving,
    Workspace,
    floats,
    workspace,
)
from study.engine.augmentation import augments, draw_moves
from study.engine.blas import one_blas_thread
from study.engine.engine import EngineName
from study.engine.images import StoredImages
from study.engine.layout import (
    parameters_of,
    plan_of,
    read_parameters,
    wiring_of,
    write_parameters,
)
from study.engine.library import load_library
from study.engine.recipe import Recipe
from study.engine.turns import Turns

_WIDEST_TILE: Final = 128  # images; twice as many gained nothing
_WIDEST_TILE_OF_CONVOLUTIONS: Final = 32  # whose activations at all positions fill the cache
# Of each replicate in an epoch; of a single one, too, so that its sums are the same.
_TURNS: Final = 4
_EVALUATION_TURNS: Final = 2  # in an evaluation, which is shorter
_DROPOUT: Final = 3  # a stream of its own beside those of models.building and study.training

_STEPS: Final = "adam.steps"

_Turn = Callable[[Workspace], None]


@final
class CompiledEngine:
    """An engine (`study.engine.engine`) for networks of the layers of `models.layers`, on the CPU.

    `compilation_seconds`: how long this process waited for the compiler, None if it did not have to.
    Raises TypeError of a network with other layers, RuntimeError where SciPy has no `sgemm` for it.
    """

    name: EngineName = "compiled"
    fallback: str | None = None

    def __init__(
        self,
        network: Network,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        threads: int,
        recipe: Recipe = Recipe(),  # noqa: B008  # a tuple
        targets: Tensor | None = None,
    ) -> None:
        self._network = network
        self._batch_size = batch_size
        self._stored = StoredImages(images, labels, recipe, targets)
        self._plan = plan_of(network)
        size = sum(parameter[0].numel() for parameter in network.parameters())
        # Rows that start with a line of the cache, with some parameters at the end that are none.
        shape = (network.replicates, -(-size // LANES) * LANES)
        self._weights, self._gradients, self._first, self._second = (
            floats(*shape) for _ in range(4)
        )
        self._recipe = recipe
        self._average = floats(shape[0], shape[1] if recipe.average else 0)
        if recipe.average:
            read_parameters(parameters_of(network), self._average)
        self._steps = 0
        inputs, units = int(np.prod(network.image_shape)), int(self._plan.layers[:, 2].sum())
        convolves = CONVOLUTION in self._plan.layers[:, KIND]
        widest = _WIDEST_TILE_OF_CONVOLUTIONS if convolves else _WIDEST_TILE
        lanes = min(widest, -(-batch_size // LANES) * LANES)
        self._threads = Turns(
            [
                workspace(inputs, self._stored.span, units, lanes)
                for _ in range(min(threads, network.replicates))
            ],
            one_blas_thread if self._plan.sgemm else nullcontext,
        )
        self._library, self.compilation_seconds = load_library()
        self.rewired(())

    def train_epoch(
        self, epoch: int, order: Tensor, rates: NDArray[np.float64], running: Sequence[int]
    ) -> Tensor:
        read_parameters(parameters_of(self._network), self._weights)
        orders = order.numpy()
        totals = np.zeros(len(orders))
        tasks = [self._training(number, orders, epoch, rates, totals) for number in running]
        self._threads.take(tasks)
        self._steps += len(rates)
        write_parameters(self._weights, parameters_of(self._network))
        return torch.from_numpy(totals / orders.shape[1])

    def evaluate(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        read_parameters(parameters_of(self._network), self._weights)
        tested = StoredImages(images, labels)
        totals = np.zeros((2, self._network.replicates))
        tasks = [self._evaluation(number, tested, totals) for number in range(totals.shape[1])]
        self._threads.take(tasks)
        loss, right = torch.from_numpy(totals / len(labels))
        return right, loss

    def averages(self) -> list[Tensor]:
        if not self._recipe.average:
            return []
        averages = [torch.empty_like(parameter) for parameter in self._network.parameters()]
        write_parameters(self._average, parameters_of(self._network, averages))
        return averages

    def rewired(self, changes: Sequence[Rewired]) -> None:
        for change in changes:
            start = int(self._plan.layers[change.layer, WEIGHT])
            synapses = slice(start, start + change.origin.shape[1])
            for rows in self._rows().values():
                rows[:, synapses] = change.follow(rows[:, synapses])
        self._wiring = [
            wiring_of(self._network, replicate) for replicate in range(self._network.replicates)
        ]

    def state(self) -> dict[str, Tensor]:
        rows = {name: torch.from_numpy(values) for name, values in self._rows().items()}
        return rows | {_STEPS: torch.tensor(self._steps)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        self._steps = int(tensors[_STEPS])
        for name, rows in self._rows().items():
            rows[:] = tensors[name].numpy()

    def _rows(self) -> dict[str, Floats]:
        """What training changes besides the weights, by name, (R, parameters)."""
        rows = {"adam.mean": self._first, "adam.square": self._second}
        return rows | {"average": self._average} if self._recipe.average else rows

    def _training(
        self,
        number: int,
        orders: NDArray[np.int64],
        epoch: int,
        rates: NDArray[np.float64],
        totals: NDArray[np.float64],
    ) -> Iterator[_Turn]:
        """The turns of the training of a replicate; its losses are added up in `totals`."""
        seed = np.random.SeedSequence([_DROPOUT, self._network.seeds[number], epoch])
        key = int(seed.generate_state(1)[0])
        order = np.ascontiguousarray(orders[number])
        starts = self._starts(order, self._network.seeds[number], epoch)
        ends = np.linspace(0, len(rates), _TURNS + 1).astype(int).tolist()

        def turn(steps: tuple[int, int], memory: Workspace) -> None:
            totals[number] += self._library.train_steps(
                self._plan,
                self._wiring[number],
                memory,
                self._stored.images,
                order,
                starts,
                self._moving(number),
                rates,
                [self._batch_size, *steps, self._steps, key],
                self._recipe,
            )

        for steps in pairwise(ends):
            yield partial(turn, steps)

    def _starts(self, order: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.int64]:
        if not augments(self._recipe):
            return self._stored.starts(order)
        images = len(self._stored.images.labels)
        return self._stored.starts(order, draw_moves(self._recipe, images, seed, epoch))

    def _evaluation(
        self, number: int, tested: StoredImages, totals: NDArray[np.float64]
    ) -> Iterator[_Turn]:
        count = len(tested.images.labels)
        ends = np.linspace(0, count, _EVALUATION_TURNS + 1).astype(int).tolist()

        def turn(some: NDArray[np.int64], memory: Workspace) -> None:
            totals[:, number] += self._library.evaluate_images(
                self._plan,
                self._wiring[number],
                memory,
                tested.images,
                some,
                tested.starts(some),
                self._weights[number],
            )

        for first, last in pairwise(ends):
            yield partial(turn, np.arange(first, last))

    def _moving(self, number: int) -> Moving:
        return Moving(
            self._weights[number],
            self._gradients[number],
            self._first[number],
            self._second[number],
            self._average[number],
        )
