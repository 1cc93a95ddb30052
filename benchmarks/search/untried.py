"""The configurations of a table that a search has not tried: what a peer proposes is always new.

Samplers of continuous spaces propose a configuration of a finite table again and again. Without
repeats each of them needs fewer epochs, so that is how they are compared here, with one rule for all:
a proposal that was tried before, or that breaks a constraint, is replaced by the untried configuration
that is most like it.
"""

import numpy as np

from benchmarks.search.replay_table import Configuration, Space


class Untried:
    """Which rows of a table are left; equally near ones are taken in an order drawn by the seed."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._order = np.random.default_rng(seed).permutation(len(space.configurations))
        self._left = np.ones(len(space.configurations), dtype=np.bool_)

    def __bool__(self) -> bool:
        return bool(self._left.any())

    @property
    def rows(self) -> np.ndarray:
        """The rows that are left, in the drawn order."""
        return self._order[self._left[self._order]]

    def take(self, configuration: Configuration) -> bool:
        """Takes a configuration off the list; whether it was there."""
        row = self._space.row(configuration)
        if row is None or not self._left[row]:
            return False
        self._left[row] = False
        return True

    def take_nearest(self, configuration: Configuration) -> Configuration:
        """Takes the configuration that is most like one of the space, which need not be in the table."""
        rows = self.rows
        distances = np.abs(self._space.features[rows] - self._space.features_of(configuration))
        row = int(rows[np.argmin(distances.sum(axis=1))])
        self._left[row] = False
        return self._space.configurations[row]
