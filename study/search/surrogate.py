"""Predicts what a configuration reaches after its last epoch, and whether its trial succeeds.

The Gaussian process is our own, for speed: it is conditioned for every proposal. Equations: Rasmussen
and Williams, Gaussian Processes for Machine Learning, 2006, algorithm 2.1 and section 5.4.1.
"""

import warnings
from collections.abc import Callable
from typing import Final, final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from study.search.observations import newest_and_even

Array = NDArray[np.float64]
Tasks = NDArray[np.int64]

_OF_A_KIND: Final = 60  # successes, and as many failures, of which a classifier learns
_FIT_AGAIN: Final = 1.3  # the kernel is fitted again when so much more was seen
_LEAST_NOISE: Final = 1e-6  # a variance, as below
_LEAST_DEVIATION: Final = 1e-3  # in standard deviations of what was seen
_FITTED: Final = 200  # rows of which the kernel is fitted
_STEPS: Final = 30  # of the optimizer
_LENGTHS: Final = (0.2, 50.0)
_SIGNAL: Final = (1e-2, 1e2)  # a variance, as the next
_NOISE: Final = (1e-4, 1.0)
_SHARED: Final = (0.0, 0.98)  # the correlation of an earlier study with this one
_SHARED_AT_FIRST: Final = 0.8
_OFFSET: Final = 1.0  # the variance between the levels of studies, in that of their values
_SQRT5: Final = np.sqrt(5.0)


@final
class Surrogate:
    """A Gaussian process over features and epochs, with one length scale each (Matern 5/2).

    The epoch is one more feature, so what short trials showed counts for what long ones will reach.
    Values are as certain as their standard errors say; what else features do not explain is noise, with
    a variance that is fitted.

    Rows may belong to other tasks, which are earlier studies: 0 is the task that is predicted. The
    covariance of rows of two tasks is that of one task, times the correlation of each with task 0, which
    is fitted; and each task has a level of its own (an intrinsic model of coregionalization; Swersky,
    Snoek and Adams, NeurIPS 2013).
    """

    def __init__(self) -> None:
        self._parameters: Array | None = None  # as of `negative_likelihood`
        self._tasks: Tasks = np.empty(0, dtype=np.int64)
        self._seen_fitted = 0
        self._rows: Array = np.empty((0, 0))
        self._factor: Array = np.empty((0, 0))
        self._weights: Array = np.empty(0)
        self._measured = 0  # rows that were measured; those after them are believed
        self._mean, self._scale = 0.0, 1.0

    def fit(
        self, rows: Array, values: Array, errors: Array, seen: int, tasks: Tasks | None = None
    ) -> None:
        """Learns from rows (n, features), their values (n,) and the standard errors of these (n,).

        `seen` is of how many rows these were taken; the kernel is fitted again as it grows. `tasks` (n,)
        are all 0 by default.
        """
        tasks = np.zeros(len(rows), dtype=np.int64) if tasks is None else tasks
        means = np.array([values[tasks == task].mean() for task in range(tasks.max() + 1)])
        centred = values - means[tasks]
        self._mean, self._scale = float(means[0]), float(centred.std()) or 1.0
        values = centred / self._scale
        noise = (errors / self._scale) ** 2 + _LEAST_NOISE
        if self._parameters is None or seen >= _FIT_AGAIN * self._seen_fitted:
            kept = newest_and_even(len(rows), _FITTED)
            self._parameters = _fitted(
                self._parameters, rows[kept], values[kept], noise[kept], tasks[kept], len(means)
            )
            self._seen_fitted = seen
        self._tasks = tasks
        covariance = self._covariance(rows, rows, tasks, tasks)
        covariance[np.diag_indices_from(covariance)] += noise + np.exp(self._parameters[1])
        self._factor = cholesky(covariance, lower=True, check_finite=False)
        self._weights = cho_solve((self._factor, True), values, check_finite=False)
        self._rows, self._measured = rows, len(rows)

    def means(self, rows: Array) -> Array:
        """The expected values (n,) at rows (n, features)."""
        measured = slice(self._measured)
        covariance = self._covariance(
            rows, self._rows[measured], _target(rows), self._tasks[measured]
        )
        return np.asarray(covariance @ self._weights * self._scale + self._mean)

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """The expected values (n,) at rows (n, features), and their standard deviations (n,).

        The noise of a measurement is no part of the deviations.
        """
        covariance = self._covariance(self._rows, rows, self._tasks, _target(rows))
        means = covariance[: self._measured].T @ self._weights
        solved = solve_triangular(self._factor, covariance, lower=True, check_finite=False)
        variances = self._prior() - np.einsum("ij,ij->j", solved, solved)
        deviations = np.sqrt(np.maximum(variances, _LEAST_DEVIATION**2))
        return means * self._scale + self._mean, deviations * self._scale

    def believe(self, rows: Array) -> None:
        """Takes what is expected at rows for granted: means stay as they are, deviations shrink."""
        tasks = _target(rows)
        across = self._covariance(self._rows, rows, self._tasks, tasks)
        across = solve_triangular(self._factor, across, lower=True, check_finite=False)
        within = self._covariance(rows, rows, tasks, tasks) - across.T @ across
        assert self._parameters is not None  # noqa: S101  # fit comes first
        within[np.diag_indices_from(within)] += _LEAST_NOISE + np.exp(self._parameters[1])
        known, new = len(self._rows), len(rows)
        factor = np.zeros((known + new, known + new))
        factor[:known, :known] = self._factor
        factor[known:, :known] = across.T
        factor[known:, known:] = cholesky(within, lower=True, check_finite=False)
        self._factor, self._rows = factor, np.concatenate([self._rows, rows])
        self._tasks = np.concatenate([self._tasks, tasks])

    def _prior(self) -> float:
        """The variance before any value was seen."""
        assert self._parameters is not None  # noqa: S101  # fit comes first
        several = len(self._parameters) > 2 + self._rows.shape[1]
        return float(np.exp(self._parameters[0])) + (_OFFSET if several else 0.0)

    def _covariance(self, rows: Array, others: Array, tasks: Tasks, of_others: Tasks) -> Array:
        assert self._parameters is not None  # noqa: S101  # fit comes first
        features = rows.shape[1]
        lengths = np.exp(self._parameters[2 : 2 + features])
        distances = _SQRT5 * np.sqrt(_squares(rows / lengths, others / lengths))
        covariance = np.exp(self._parameters[0]) * _matern(distances)
        shared = self._parameters[2 + features :]
        if len(shared):
            places = np.ix_(tasks, of_others)
            covariance = covariance * _correlations(shared)[places] + _offsets(shared)[places]
        return np.asarray(covariance)


def _matern(distances: Array) -> Array:
    """The Matern 5/2 correlation at distances that are multiplied by the square root of five."""
    return np.asarray((1 + distances + distances**2 / 3) * np.exp(-distances))


def _squares(rows: Array, others: Array) -> Array:
    """The squared distances (n, m) of rows (n, features) and others (m, features)."""
    squares = (rows**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * rows @ others.T
    return np.asarray(np.maximum(squares, 0.0))


def _target(rows: Array) -> Tasks:
    return np.zeros(len(rows), dtype=np.int64)


def _correlations(shared: Array) -> Array:
    """The correlations (tasks, tasks) of tasks, of those (tasks - 1,) with task 0."""
    loads = np.concatenate([[1.0], shared])
    correlations = np.outer(loads, loads)
    np.fill_diagonal(correlations, 1.0)
    return correlations


def _offsets(shared: Array) -> Array:
    """The covariances (tasks, tasks) of the levels of tasks."""
    return _OFFSET * np.eye(len(shared) + 1)


def _fitted(  # noqa: PLR0913, PLR0917  # as of what it fits
    start: Array | None, rows: Array, values: Array, noise: Array, tasks: Tasks, count: int
) -> Array:
    """The parameters of the kernel with the highest marginal likelihood, near those of the start."""
    features = rows.shape[1]
    bounds = np.log([_SIGNAL, _NOISE] + [_LENGTHS] * features)
    bounds = np.concatenate([bounds, np.tile(_SHARED, (count - 1, 1))])
    if start is None:
        start = np.log([1.0, 1e-2] + [2.0] * features)
        start = np.concatenate([start, np.full(count - 1, _SHARED_AT_FIRST)])
    found = minimize(
        negative_likelihood,
        start,
        args=(rows, values, noise, tasks),
        jac=True,
        bounds=bounds,
        method="L-BFGS-B",
        options={"maxiter": _STEPS},
    )
    return np.asarray(found.x)


def negative_likelihood(
    parameters: Array, rows: Array, values: Array, noise: Array, tasks: Tasks
) -> tuple[float, Array]:
    """The negative logarithm of the marginal likelihood, but for a constant, and its gradient.

    `parameters`: the logarithms of the variances of signal and noise and of the lengths, then the
    correlations of the other tasks with task 0; (2 + features + tasks - 1,).
    """
    features = rows.shape[1]
    signal, white = np.exp(parameters[:2])
    shared = parameters[2 + features :]
    places = np.ix_(tasks, tasks)
    scaled = rows / np.exp(parameters[2 : 2 + features])
    distances = _SQRT5 * np.sqrt(_squares(scaled, scaled))
    decay = np.exp(-distances)
    within = signal * (1 + distances + distances**2 / 3) * decay  # as if all were one task
    across = _correlations(shared)[places] if len(shared) else np.ones_like(within)
    covariance = within * across
    if len(shared):
        covariance += _offsets(shared)[places]
    covariance[np.diag_indices_from(covariance)] += noise + white
    factor = cholesky(covariance, lower=True, check_finite=False)
    inverse = cho_solve((factor, True), np.eye(len(rows)), check_finite=False)
    weights = inverse @ values
    cost = 0.5 * values @ weights + np.log(np.diag(factor)).sum()
    # The gradient by a parameter is half the sum of this times the covariance's derivative.
    outer = inverse - np.outer(weights, weights)
    gradient = np.empty_like(parameters)
    gradient[0] = 0.5 * np.sum(outer * within * across)
    gradient[1] = 0.5 * white * np.trace(outer)
    by_squares = outer * across * (signal * (5 / 3) * (1 + distances) * decay)
    # The sum over pairs of squared differences, a feature each, from two products.
    sums = by_squares.sum(axis=1)
    products = np.einsum("if,if->f", scaled, by_squares @ scaled)
    gradient[2 : 2 + features] = (scaled**2).T @ sums - products
    if len(shared):
        belongs = np.eye(len(shared) + 1)[tasks]
        blocks = belongs.T @ (outer * within) @ belongs
        np.fill_diagonal(blocks, 0.0)
        gradient[2 + features :] = (blocks @ np.concatenate([[1.0], shared]))[1:]
    return float(cost), gradient


def _optimized(
    cost: Callable[[Array], tuple[float, Array]], start: Array, bounds: Array
) -> tuple[Array, float]:
    """The parameters of a kernel of scikit-learn, and their cost, after a limited number of steps."""
    found = minimize(
        cost, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": _STEPS}
    )
    return found.x, found.fun


@final
class SuccessModel:
    """A Gaussian process classifier over features (Matern 5/2): whether a trial fails there."""

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
        kernel: object | None = self._kernel
        optimizer = None
        if kernel is None or len(rows) >= _FIT_AGAIN * self._rows_fitted:
            lengths = np.full(rows.shape[1], 2.0)
            matern = Matern(lengths, length_scale_bounds=_LENGTHS, nu=2.5)
            kernel = ConstantKernel(10.0, constant_value_bounds=(1.0, 1e3)) * matern
            optimizer, self._rows_fitted = _optimized, len(rows)
        with warnings.catch_warnings():
            # A length scale at its bound says that a feature does not matter.
            warnings.simplefilter("ignore", ConvergenceWarning)
            process = GaussianProcessClassifier(kernel, optimizer=optimizer)
            self._process = process.fit(rows, succeeded)
        self._kernel = self._process.kernel_

    def probability(self, rows: Array) -> Array:
        """The probability (n,) that trials at rows (n, features) succeed."""
        if self._all_alike is not None:
            return np.full(len(rows), self._all_alike)
        assert self._process is not None  # noqa: S101  # fit comes first
        return np.asarray(self._process.predict_proba(rows)[:, 1])
