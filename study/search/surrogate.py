"""Predicts what a configuration reaches after its last epoch, and whether its trial succeeds."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from study.search.observations import newest_and_even
from study.spec.dimensions import Choice, Range
from study.spec.study_spec import StudySpec

_COUNTS: Final = ("trainable_parameters", "macs")
_WIDE: Final = 3  # ranges wider than so many times their start are logarithmic
_SPREAD: Final = 2.0  # of a searched number, in the unit of the surrogate's length scales
Array = NDArray[np.float64]
_OF_A_KIND: Final = 60  # successes, and as many failures, of which a classifier learns
_FIT_AGAIN: Final = 1.3  # the kernel is fitted again when so much more was seen
_LEAST_NOISE: Final = 1e-6  # a variance, as below
_LEAST_DEVIATION: Final = 1e-3  # in standard deviations of what was seen


@final
class Encoding:
    """One feature a searched number, one a searched name's choice, and the sizes of the network.

    Numbers go from 0 to 2, on a logarithmic scale where the largest is more than thrice the smallest;
    a setting that a family does not have is 0. Sizes are powers of ten.
    """

    def __init__(self, spec: StudySpec) -> None:
        self._epochs = spec.budget.epochs
        self._names: list[tuple[str, str]] = []
        self._numbers: dict[str, tuple[float, float, bool]] = {}
        if len(spec.families) > 1:
            self._names += [("family", family) for family in spec.families]
        for name in type(spec.space).model_fields:
            dimension = getattr(spec.space, name)
            if isinstance(dimension, Range):
                self._numbers[name] = _scale(dimension.low, dimension.high)
            elif isinstance(dimension, Choice) and len(dimension.values) > 1:
                if isinstance(dimension.values[0], str):
                    self._names += [(name, str(value)) for value in dimension.values]
                else:
                    numbers = [float(value) for value in dimension.values]
                    self._numbers[name] = _scale(min(numbers), max(numbers))

    def rows(
        self, params: Sequence[Mapping[str, Any]], counts: Sequence[Mapping[str, float]]
    ) -> NDArray[np.float64]:
        """The features of configurations at their last epoch, shape (n, features)."""
        return np.array([self._row(one, sizes) for one, sizes in zip(params, counts, strict=True)])

    def at_epoch(self, row: NDArray[np.float64], epoch: int) -> NDArray[np.float64]:
        """The row of a configuration at another epoch."""
        moved = row.copy()
        moved[-1] = math.log2(epoch / self._epochs) / 4
        return moved

    def _row(self, params: Mapping[str, Any], counts: Mapping[str, float]) -> list[float]:
        names = [float(params.get(name) == value) for name, value in self._names]
        numbers = [
            self._number(params[name], *scale) if name in params else 0.0
            for name, scale in self._numbers.items()
        ]
        sizes = [math.log10(counts[name]) / 2 for name in _COUNTS]
        return [*names, *numbers, *sizes, 0.0]

    @staticmethod
    def _number(value: float, low: float, high: float, log: bool) -> float:  # noqa: FBT001  # of a scale
        if log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return _SPREAD * (value - low) / (high - low)


def _scale(low: float, high: float) -> tuple[float, float, bool]:
    return low, high, low > 0 and high / low > _WIDE


@final
class Surrogate:
    """A Gaussian process over settings and epochs, with one length scale each (Matern 5/2).

    The epoch is one more feature, so what short trials showed counts for what long ones will reach.
    Values are as certain as their standard errors say; what else settings do not explain is noise of
    which the kernel has the variance.
    """

    def __init__(self) -> None:
        self._kernel: object | None = None
        self._seen_fitted = 0
        self._process: GaussianProcessRegressor | None = None
        self._rows: Array = np.empty((0, 0))
        self._values: Array = np.empty(0)
        self._noise: Array = np.empty(0)
        self._mean, self._scale = 0.0, 1.0

    def fit(self, rows: Array, values: Array, errors: Array, seen: int) -> None:
        """Learns from rows (n, features), their values (n,) and the standard errors of these (n,).

        `seen` is of how many rows these were taken; the kernel is fitted again as it grows.
        """
        self._mean, self._scale = float(values.mean()), float(values.std()) or 1.0
        self._rows, self._values = rows, (values - self._mean) / self._scale
        self._noise = (errors / self._scale) ** 2 + _LEAST_NOISE
        if self._kernel is None or seen >= _FIT_AGAIN * self._seen_fitted:
            self._kernel, self._seen_fitted = self._fitted_kernel(), seen
        self._condition(self._rows, self._values, self._noise)

    def means(self, rows: Array) -> Array:
        """The expected values (n,) at rows (n, features)."""
        assert self._process is not None  # noqa: S101  # fit comes first
        return np.asarray(self._process.predict(rows) * self._scale + self._mean)

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """The expected values (n,) at rows (n, features), and their standard deviations (n,)."""
        assert self._process is not None  # noqa: S101  # fit comes first
        means, deviations = self._process.predict(rows, return_std=True)
        noise = self._process.kernel_.k2.noise_level
        # What will be measured is of interest without the noise of measuring it.
        variances = np.maximum(deviations**2 - noise, _LEAST_DEVIATION**2)
        return means * self._scale + self._mean, np.sqrt(variances) * self._scale

    def believe(self, rows: Array) -> Array:
        """Takes what is expected at rows for granted from now on; the expected values (n,)."""
        expected = self.means(rows)
        values = np.concatenate([self._values, (expected - self._mean) / self._scale])
        noise = np.concatenate([self._noise, np.full(len(rows), _LEAST_NOISE)])
        self._condition(np.concatenate([self._rows, rows]), values, noise)
        return expected

    def _condition(self, rows: Array, values: Array, noise: Array) -> None:
        process = GaussianProcessRegressor(self._kernel, alpha=noise, optimizer=None)
        self._process = process.fit(rows, values)
        self._rows, self._values, self._noise = rows, values, noise

    def _fitted_kernel(self) -> object:
        features = self._rows.shape[1]
        kernel = ConstantKernel(1.0) * Matern(
            np.full(features, 2.0), length_scale_bounds=(0.2, 50.0), nu=2.5
        ) + WhiteKernel(1e-2, noise_level_bounds=(1e-4, 1.0))
        with warnings.catch_warnings():
            # A length scale at its bound says that a setting does not matter.
            warnings.simplefilter("ignore", ConvergenceWarning)
            process = GaussianProcessRegressor(kernel, alpha=self._noise)
            process.fit(self._rows, self._values)
        return process.kernel_


@final
class SuccessModel:
    """A Gaussian process classifier over settings (Matern 5/2): whether a trial fails there."""

    def __init__(self) -> None:
        self._kernel: object | None = None
        self._rows_fitted = 0
        self._process: GaussianProcessClassifier | None = None
        self._all_alike: float | None = None

    def fit(self, rows: Array, succeeded: NDArray[np.bool_]) -> None:
        """Learns from rows (n, features) and whether each succeeded (n,), the latest last."""
        kinds = [np.flatnonzero(kind) for kind in (succeeded, ~succeeded)]
        kept = np.sort(
            np.concatenate([kind[newest_and_even(len(kind), _OF_A_KIND)] for kind in kinds])
        )
        rows, succeeded = rows[kept], succeeded[kept]
        self._all_alike = None
        if succeeded.all() or not succeeded.any():
            self._all_alike = float(succeeded[0])
            return
        kernel, optimizer = self._kernel, None
        if kernel is None or len(rows) >= _FIT_AGAIN * self._rows_fitted:
            lengths = np.full(rows.shape[1], 2.0)
            matern = Matern(lengths, length_scale_bounds=(0.2, 50.0), nu=2.5)
            kernel = ConstantKernel(10.0, constant_value_bounds=(1.0, 1e3)) * matern
            optimizer, self._rows_fitted = "fmin_l_bfgs_b", len(rows)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # as below
            process = GaussianProcessClassifier(kernel, optimizer=optimizer)
            self._process = process.fit(rows, succeeded)
        self._kernel = self._process.kernel_

    def probability(self, rows: Array) -> Array:
        """The probability (n,) that trials at rows (n, features) succeed."""
        if self._all_alike is not None:
            return np.full(len(rows), self._all_alike)
        assert self._process is not None  # noqa: S101  # fit comes first
        return np.asarray(self._process.predict_proba(rows)[:, 1])
