"""The script that a researcher would write for the same question, with the same libraries.

    python -m benchmarks.search.researcher --root data --folder runs/researcher --minutes 30 [--seed 0]

Which networks of studies/fashion_mnist.toml's space are the most accurate for their size? Optuna
proposes (TPE for several objectives, all settings together, with a constant liar for the two
processes), plain torch trains masked dense layers, MLflow records every epoch. What its author would do
for speed is done: the images lie in memory as one tensor, batches are indexed, Adam is fused, a process
has one thread and a core. A point is the mean of two replicates. Optuna prunes no trial of a study with
several objectives, so none is stopped. Trials are read from FOLDER/search.journal afterwards.
"""

import argparse
import math
import time
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path

import mlflow
import numpy as np
import optuna
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

PROCESSES = 2
REPLICATES = 2
EPOCHS = 8
BATCH = 128
SIDE = 28
SYNAPSES = 16
CLASSES = 10
VALIDATION = 6_000


class MaskedLinear(nn.Linear):
    """A dense layer of which only the entries of a mask (outputs, inputs) are connected."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask)
        live = mask.sum(dim=1).clamp(min=1)
        with torch.no_grad():  # He's rule for the connections that are there
            bound = torch.sqrt(6 / live)[:, None]
            self.weight.copy_((2 * torch.rand_like(self.weight) - 1) * bound * mask)
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight * self.mask, self.bias)


def synapses(family: str, units: int) -> Tensor:
    """The mask of the first layer: all inputs, random ones, or a receptive field for each dendrite."""
    if family == "vann":
        return torch.ones(units, SIDE * SIDE)
    mask = torch.zeros(units, SIDE * SIDE)
    if family == "dann-r":
        inputs = torch.rand(units, SIDE * SIDE).argsort(dim=1)[:, :SYNAPSES]
    else:
        width = math.isqrt(SYNAPSES)
        corners = torch.randint(0, SIDE - width + 1, (units, 2))
        rows, columns = torch.meshgrid(torch.arange(width), torch.arange(width), indexing="ij")
        rows, columns = rows.flatten() + corners[:, :1], columns.flatten() + corners[:, 1:]
        inputs = rows * SIDE + columns
    return mask.scatter_(1, inputs, 1.0)


def cables(family: str, somata: int, dendrites: int) -> Tensor:
    """The mask of the second layer: a soma reads its own dendrites, or all of them."""
    if family == "vann":
        return torch.ones(somata, somata * dendrites)
    return torch.kron(torch.eye(somata), torch.ones(1, dendrites))


def network(family: str, somata: int, dendrites: int) -> nn.Sequential:
    return nn.Sequential(
        MaskedLinear(synapses(family, somata * dendrites)),
        nn.LeakyReLU(0.1),
        MaskedLinear(cables(family, somata, dendrites)),
        nn.LeakyReLU(0.1),
        MaskedLinear(torch.ones(CLASSES, somata)),
    )


def parameters_of(model: nn.Sequential) -> int:
    """Connections that are there, and biases."""
    layers = [layer for layer in model if isinstance(layer, MaskedLinear)]
    return sum(int(layer.mask.sum()) + len(layer.bias) for layer in layers)


def images(root: str, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images and labels, validation images and labels, all of the training split."""
    from torchvision.datasets import FashionMNIST  # noqa: PLC0415  # takes seconds; tests do without

    source = FashionMNIST(root, train=True)
    flat = source.data.flatten(1).float().div_(255)
    train, validation = train_test_split(
        np.arange(len(flat)), test_size=VALIDATION, random_state=seed, stratify=source.targets
    )
    return flat[train], source.targets[train], flat[validation], source.targets[validation]


def epochs(model: nn.Module, rate: float, data: tuple[Tensor, ...]) -> Iterator[float]:
    """Trains with a cosine schedule; the best validation accuracy so far after each epoch."""
    train, labels, validation, expected = data
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    steps = EPOCHS * math.ceil(len(train) / BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best = 0.0
    for _ in range(EPOCHS):
        model.train()
        for rows in torch.randperm(len(train)).split(BATCH):
            optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(model(train[rows]), labels[rows]).backward()
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            right = (model(validation).argmax(dim=1) == expected).float().mean().item()
        best = max(best, right)
        yield best


def search(folder: str, root: str, seed: int, process: int, until: float) -> None:
    """One of the processes that share a study."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_experiment("researcher")
    data = images(root, seed)
    sampler = optuna.samplers.TPESampler(
        seed=10 * seed + process, multivariate=True, constant_liar=True
    )
    study = optuna.load_study(study_name="researcher", storage=storage_of(folder), sampler=sampler)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        family = trial.suggest_categorical("family", ["dann-lrf", "dann-r", "vann"])
        somata = trial.suggest_categorical("somata", [64, 128, 256])
        dendrites = trial.suggest_categorical("dendrites", [1, 2, 4, 8, 16])
        rate = trial.suggest_float("learning_rate", 2e-3, 2e-2, log=True)
        with mlflow.start_run(run_name=f"trial {trial.number}"):
            mlflow.log_params(trial.params)
            accuracies = []
            for replicate in range(REPLICATES):
                torch.manual_seed(1000 * seed + 10 * trial.number + replicate)
                model = network(family, somata, dendrites)
                for epoch, accuracy in enumerate(epochs(model, rate, data), 1):
                    mlflow.log_metric(f"val_accuracy_{replicate}", accuracy, step=epoch)
                accuracies.append(accuracy)
            size = parameters_of(model)
            accuracy = float(np.mean(accuracies))
            mlflow.log_metrics({"val_accuracy": accuracy, "trainable_parameters": size})
        trial.set_user_attr("trainable_parameters", size)
        return accuracy, math.log10(size)

    # A trial that is trained when time is over does not count, so none is begun for nothing.
    study.optimize(objective, timeout=max(1.0, until - time.time()))


def storage_of(folder: str) -> JournalStorage:
    return JournalStorage(JournalFileBackend(f"{folder}/search.journal"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="data", help="folder that holds FashionMNIST/raw")
    parser.add_argument("--folder", default="runs/researcher", help="where the study is stored")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    Path(arguments.folder).mkdir(parents=True)
    optuna.create_study(
        study_name="researcher",
        storage=storage_of(arguments.folder),
        directions=["maximize", "minimize"],
    )
    mlflow.set_tracking_uri(f"sqlite:///{arguments.folder}/mlflow.db")
    mlflow.set_experiment("researcher")  # creates the tables, before two processes would
    until = time.time() + 60 * arguments.minutes
    shared = (arguments.folder, arguments.root, arguments.seed)
    processes: list[SpawnProcess] = [
        get_context("spawn").Process(target=search, args=(*shared, number, until))
        for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
