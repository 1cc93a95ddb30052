"""Predicts what a configuration will reach after its last epoch, from all epochs seen of any trial."""

import warnings
from typing import Final, final

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

Array = NDArray[np.float64]

_MOST_ROWS: Final = 300  # a fit costs their third power
_FIT_AGAIN: Final = 1.3  # the kernel is fitted when there is so much more to fit it to
_LEAST_DEVIATION: Final = 1e-3  # in standard deviations of what was seen


@final
class Surrogate:
    """A Gaussian process over settings and epochs, with one length scale each (Matern 5/2).

    The epoch is one more feature, so what short trials showed counts for what long ones will reach.
    """

    def __init__(self) -> None:
        self._kernel: object | None = None
        self._rows_fitted = 0
        self._process: GaussianProcessRegressor | None = None
        self._rows: Array = np.empty((0, 0))
        self._values: Array = np.empty(0)
        self._mean, self._scale = 0.0, 1.0

    def fit(self, rows: Array, values: Array) -> None:
        """Learns from rows (n, features) and their values (n,); of very many, from the last ones."""
        rows, values = rows[-_MOST_ROWS:], values[-_MOST_ROWS:]
        self._mean, self._scale = float(values.mean()), float(values.std()) or 1.0
        self._rows, self._values = rows, (values - self._mean) / self._scale
        stale = len(rows) >= _FIT_AGAIN * self._rows_fitted and self._rows_fitted < _MOST_ROWS
        if self._kernel is None or stale or self._process_features() != rows.shape[1]:
            self._kernel = self._fitted_kernel()
            self._rows_fitted = len(rows)
        self._condition(self._rows, self._values)

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
        expected, _ = self.predict(rows)
        values = np.concatenate([self._values, (expected - self._mean) / self._scale])
        self._condition(np.concatenate([self._rows, rows]), values)
        return expected

    def _condition(self, rows: Array, values: Array) -> None:
        process = GaussianProcessRegressor(self._kernel, optimizer=None)
        self._process = process.fit(rows, values)
        self._rows, self._values = rows, values

    def _process_features(self) -> int:
        return 0 if self._process is None else int(self._process.n_features_in_)

    def _fitted_kernel(self) -> object:
        features = self._rows.shape[1]
        kernel = ConstantKernel(1.0) * Matern(
            np.full(features, 2.0), length_scale_bounds=(0.2, 50.0), nu=2.5
        ) + WhiteKernel(1e-2, noise_level_bounds=(1e-4, 1.0))
        with warnings.catch_warnings():
            # A length scale at its bound says that a setting does not matter.
            warnings.simplefilter("ignore", ConvergenceWarning)
            process = GaussianProcessRegressor(kernel).fit(self._rows, self._values)
        return process.kernel_
