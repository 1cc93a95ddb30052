"""BoTorch as a peer: qLogNEHVI, with the parameters as a deterministic objective.

What BoTorch offers for this problem is used: the noise of each observation is its standard error and
what the seed adds, which is fitted; the improvement is that of a noisy front, running trials are
pending, sizes are exact and no model. All untried configurations are candidates (up to 600, drawn). The
features, the scale of the error and the reference are those that ours has. With our early stopping the
epoch is a further feature of the model.
"""

import math
import warnings

import numpy as np
import torch
from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
from botorch.exceptions import BotorchWarning
from botorch.fit import fit_gpytorch_mll
from botorch.models import ModelList, SingleTaskGP
from botorch.models.deterministic import GenericDeterministicModel
from botorch.sampling.get_sampler import get_sampler
from gpytorch.likelihoods import FixedNoiseGaussianLikelihood
from gpytorch.mlls import ExactMarginalLogLikelihood
from torch import Tensor

from benchmarks.search.replay import Ending
from benchmarks.search.replay_table import Configuration, Metrics, Space
from benchmarks.search.stopping import StoppingName, stopping_of
from benchmarks.search.untried import Untried

MOST_ROWS = 300
MOST_CANDIDATES = 600
AT_ONCE = 100
SAMPLES = 64
FIT_AGAIN = 1.3
REFERENCE = 0.1  # the quantile of the seen values that is the reference, as of ours
LEAST_COMPLETE = 4


class BotorchSearch:
    """qLogNEHVI over the untried configurations; a key is the row of the table."""

    def __init__(  # noqa: PLR0913  # what is tuned
        self,
        space: Space,
        seed: int,
        *,
        startup: int,
        stopping: StoppingName = "none",
        grace: int = 1,
        factor: float = 2,
    ) -> None:
        self._seed = seed
        self._startup = startup
        self._space = space
        self._epochs = space.epochs
        self._stopping = stopping_of(stopping, space, grace, factor)
        self._untried = Untried(space, seed)
        sizes = np.log10([one["trainable_parameters"] for one in space.sizes])
        sizes = (sizes - sizes.min()) / np.ptp(sizes)
        last = np.ones(len(sizes))
        self._rows = torch.tensor(np.column_stack([space.features, last, sizes]))
        # The last report of each trial: epoch, value, variance.
        self._seen: dict[int, tuple[float, float, float]] = {}
        self._complete: list[int] = []
        self._running: dict[int, None] = {}
        self._asked = 0
        self._fitted_at = 0
        self._state: list[dict[str, Tensor]] | None = None  # what was fitted
        self._center, self._scale = 0.0, 1.0  # of the values that are learned

    def ask(self) -> tuple[int, Configuration] | None:
        if not self._untried:
            return None
        left = self._untried.rows
        ready = self._asked >= self._startup and len(self._complete) >= LEAST_COMPLETE
        row = self._best_of(left) if ready else int(left[0])
        configuration = self._space.configurations[row]
        self._untried.take(configuration)
        self._running[row] = None
        self._asked += 1
        return row, configuration

    def report(self, key: int, epoch: int, metrics: Metrics) -> bool:
        error = 1 - metrics["val_accuracy"]
        deviation = metrics["val_accuracy_sem"] / error / math.log(10)
        share = 1 + math.log2(epoch / self._epochs) / 4
        self._seen[key] = (share, -math.log10(error), max(deviation, 1e-4) ** 2)
        return self._stopping.goes_on(key, epoch, metrics)

    def end(self, key: int, ending: Ending) -> None:
        del self._running[key]
        if ending == "COMPLETE":
            self._complete.append(key)

    def _best_of(self, left: np.ndarray) -> int:
        torch.manual_seed(self._seed + self._asked)
        model = self._model()
        values = [self._seen[row][1] for row in self._complete]
        reference = (float(np.quantile(values, REFERENCE)) - self._center) / self._scale
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore", BotorchWarning)
            sampler = get_sampler(
                model.posterior(self._rows[:1]), torch.Size([SAMPLES]), seed=self._seed
            )
            acquisition = qLogNoisyExpectedHypervolumeImprovement(
                model,
                ref_point=[reference, -1.1],
                X_baseline=self._rows[self._near_the_front()],
                X_pending=self._rows[list(self._running)] if self._running else None,
                sampler=sampler,
                cache_root=False,
            )
            candidates = np.random.default_rng([self._seed, self._asked]).permutation(left)
            candidates = candidates[:MOST_CANDIDATES]
            some = self._rows[candidates].unsqueeze(1).split(AT_ONCE)
            gains = torch.cat([acquisition(rows) for rows in some])
        return int(candidates[int(gains.argmax())])

    def _near_the_front(self) -> list[int]:
        """The complete trials that would be on the front with twice their deviation in their favour.

        The others cannot be on a noisy front, and its samples cost the third power of their number.
        """
        values, deviations = np.array(
            [(self._seen[row][1], math.sqrt(self._seen[row][2])) for row in self._complete]
        ).T
        sizes = self._rows[self._complete, -1].numpy()
        better = (values[:, None] >= (values + 2 * deviations)[None]) & (
            sizes[:, None] <= sizes[None]
        )
        return [row for row, out in zip(self._complete, better.any(axis=0), strict=True) if not out]

    def _model(self) -> ModelList:
        """The accuracy, learned of what was seen, and the size, which is the last feature."""
        observed = list(self._seen)
        if len(observed) > MOST_ROWS:  # the complete ones, then the newest
            complete = self._complete[-MOST_ROWS // 2 :]
            others = [row for row in observed if row not in set(complete)]
            observed = [*complete, *others[len(complete) - MOST_ROWS :]]
        rows = self._rows[observed].clone()
        shares, values, variances = np.array([self._seen[row] for row in observed]).T
        rows[:, -2] = torch.tensor(shares)
        self._center, self._scale = values.mean(), max(values.std(), 1e-9)
        noise = FixedNoiseGaussianLikelihood(
            torch.tensor(variances / self._scale**2), learn_additional_noise=True
        )
        standardized = torch.tensor((values - self._center) / self._scale)[:, None]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            learned = SingleTaskGP(rows, standardized, likelihood=noise, outcome_transform=None)
            parts = (learned.covar_module, learned.mean_module, noise.second_noise_covar)
            if self._state is None or len(self._seen) > FIT_AGAIN * self._fitted_at:
                fit_gpytorch_mll(ExactMarginalLogLikelihood(noise, learned))
                self._fitted_at = len(self._seen)
                self._state = [part.state_dict() for part in parts]
            else:
                for part, state in zip(parts, self._state, strict=True):
                    part.load_state_dict(state)
        learned.eval()
        size = GenericDeterministicModel(lambda points: -points[..., -1:])
        return ModelList(learned, size)
