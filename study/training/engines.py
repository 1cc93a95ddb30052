"""The choice of the engine that trains a network."""

from importlib.util import find_spec
from typing import Final, Literal, TypeAlias

import torch
from torch import Tensor

from models.layers import DenseLayer
from models.network import Network
from study.engine.engine import Engine, EngineName
from study.engine.recipe import Recipe
from study.training.split import Split
from study.training.torch_engine import TorchEngine

EngineChoice: TypeAlias = Literal["auto", "compiled", "torch"]

# Weights of dense layers; beyond, torch, which spreads a replicate over all threads.
_DENSE_UP_TO: Final = 2**22


def engine_name(network: Network) -> EngineName:
    """The faster engine: the compiled one on CPUs, except for large dense layers.

    Without numba, which some platforms lack, torch.
    """
    dense = [layer.weight[0].numel() for layer in network.layers if isinstance(layer, DenseLayer)]
    on_cpu = network.readout.weight.device.type == "cpu"
    if not on_cpu or sum(dense) > _DENSE_UP_TO or find_spec("numba") is None:
        return "torch"
    return "compiled"


def make_engine(  # noqa: PLR0913, PLR0917  # what is trained, on what, and how
    choice: EngineChoice,
    network: Network,
    split: Split,
    batch_size: int,
    recipe: Recipe = Recipe(),  # noqa: B008  # a tuple
    targets: Tensor | None = None,
) -> Engine:
    """Creates the engine of this name; for `auto`, that of `engine_name`.

    `targets`: a teacher's probabilities of each image, (images, classes), if the recipe has one.
    """
    name = engine_name(network) if choice == "auto" else choice
    if name == "torch":
        return TorchEngine(network, split, batch_size, recipe, targets)
    # Imports LLVM, which only training processes need.
    from study.engine.compiled_engine import CompiledEngine  # noqa: PLC0415

    threads = torch.get_num_threads()
    return CompiledEngine(network, split.images, split.labels, batch_size, threads, recipe, targets)
