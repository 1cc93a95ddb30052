"""The columns of a study's table of trials, and what follows from them: feasibility, fronts, orders."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from study.results.query import STARTED, Order, Query
from study.search.pareto import confident_front, on_front
from study.search.pooling import CONFIRMED, REPLICATES, confirmed_name, pooled
from study.search.promotion import replaced
from study.spec.constraint import Constraint, all_kept, violations
from study.spec.study_spec import StudySpec


@final
class TrialColumns:
    """The table of a study's trials (`study.tracking.trial_table`), by columns; a trial is its row."""

    def __init__(self, table: pa.Table, spec: StudySpec) -> None:
        self._table = table
        self._spec = spec

    def values(self, name: str) -> NDArray[np.float64]:
        """The values of a metric, NaN if missing."""
        if name not in self._table.column_names:
            return np.full(self._table.num_rows, np.nan)
        return np.asarray(self._table.column(name).to_numpy(), dtype=np.float64)

    def is_in(self, name: str, texts: tuple[str, ...]) -> NDArray[np.bool_]:
        flags = pc.is_in(self._table.column(name), pa.array(texts, pa.string()))
        return np.asarray(flags.to_numpy(), dtype=np.bool_)

    def places(self, query: Query) -> NDArray[np.intp]:
        """The rows of a query, in its order."""
        kept = np.ones(self._table.num_rows, dtype=np.bool_)
        if query.states:
            kept &= self.is_in("state", query.states)
        if query.families:
            kept &= self.is_in("family", query.families)
        if query.dendritic is not None:
            flags = pc.is_in(self._table.column("dendritic"), pa.array([query.dendritic]))
            kept &= np.asarray(flags.to_numpy(), dtype=np.bool_)
        if query.feasible:
            kept &= self.feasible & ~self.replaced
        for bound in query.bounds:
            values = self.pooled(bound.metric)
            kept &= values <= bound.value if bound.sign == "<=" else values >= bound.value
        places = np.flatnonzero(kept)
        ordered = self.ordered(places, query.order, confirmed_first=query.confirmed_first)
        return ordered[: query.limit]

    def ordered(
        self,
        places: NDArray[np.intp],
        order: Sequence[Order],
        *,
        confirmed_first: bool = False,
    ) -> NDArray[np.intp]:
        """The rows in an order, equal ones by number."""
        keys = [self.values("trial")[places]]  # the last key has priority
        for one in reversed(order):
            values = self.pooled("trial" if one.metric == STARTED else one.metric)[places]
            keys.append(-values if one.descending else values)
        if confirmed_first:
            keys.append(np.where(self.confirmed[places], 0.0, 1.0))
        return places[np.lexsort(keys)]

    @cached_property
    def feasible(self) -> NDArray[np.bool_]:
        """Which trials are complete and satisfy all constraints."""
        kept = self.is_in("state", ("COMPLETE",))
        if self._spec.constraints:
            parsed = map(Constraint.parse, self._spec.constraints)
            names = sorted(frozenset().union(*(one.names for one in parsed)))
            values = np.column_stack([self.pooled(name) for name in names])
            for place in np.flatnonzero(kept):
                # NaN violates a constraint, like a missing value.
                metrics = dict(zip(names, values[place].tolist(), strict=True))
                kept[place] = all_kept(violations(self._spec.constraints, metrics))
        return kept

    @cached_property
    def continued(self) -> dict[int, int]:
        """The trial that another one continues, by the number of the latter."""
        continues = self.values("continues")
        rows = np.isfinite(continues)
        numbers = self.values("trial")[rows]
        return dict(
            zip(numbers.astype(int).tolist(), continues[rows].astype(int).tolist(), strict=True)
        )

    @cached_property
    def replaced(self) -> NDArray[np.bool_]:
        """Which trials a complete one continues, whose configuration has a newer result."""
        numbers = self.values("trial")
        if not self.continued:
            return np.zeros(len(numbers), dtype=np.bool_)
        complete = numbers[self.is_in("state", ("COMPLETE",))].astype(int).tolist()
        return np.isin(numbers, list(replaced(self.continued, complete)))

    @cached_property
    def own_epochs(self) -> NDArray[np.float64]:
        """The epochs of each trial without those of the one that it continues."""
        epochs, numbers = self.values("epochs"), self.values("trial").astype(int).tolist()
        places = {number: place for place, number in enumerate(numbers)}
        own = epochs.copy()
        for number, before in self.continued.items():
            if before in places:
                own[places[number]] -= np.nan_to_num(epochs[places[before]])
        return np.maximum(own, 0.0)

    @cached_property
    def on_front(self) -> NDArray[np.bool_]:
        """Which trials are on the front.

        Where some are confirmed, others are candidates only if they are on the search's own front: their
        values are as optimistic as those of the confirmed were.
        """
        judged, values = self._points(self.pooled)
        if self.confirmed.any():
            flags = self._front_of(judged, self._points(self.values)[1])
            judged &= flags | self.confirmed
        return self._front_of(judged, values)

    def _front_of(
        self, judged: NDArray[np.bool_], values: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        flags = np.zeros(len(judged), dtype=np.bool_)
        flags[judged] = on_front(values[judged].tolist(), self._spec.objectives)
        return flags

    def on_confident_front(self) -> NDArray[np.bool_]:
        """Which trials are on the front within the standard errors."""
        judged, values = self._points(self.pooled)
        errors = np.column_stack([self.pooled(f"{name}_sem") for name in self._spec.objectives])
        errors = np.where(np.isnan(errors), 0.0, errors)  # counts are known exactly
        flags = np.zeros(len(judged), dtype=np.bool_)
        flags[judged] = confident_front(
            values[judged].tolist(), errors[judged].tolist(), self._spec.objectives
        )
        return flags | self.on_front

    def _points(
        self, values_of: Callable[[str], NDArray[np.float64]]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Which trials are candidates for the front, and the objectives of all.

        They are complete and feasible with finite objectives, and no complete one continues them.
        """
        values = np.column_stack([values_of(name) for name in self._spec.objectives])
        return self.feasible & ~self.replaced & np.isfinite(values).all(axis=1), values

    @cached_property
    def confirmed(self) -> NDArray[np.bool_]:
        """Which trials are confirmed with further seeds."""
        return np.isfinite(self.values(REPLICATES))

    def pooled(self, name: str) -> NDArray[np.float64]:
        """The values of a metric or standard error, as `TrialRecord.pooled`."""
        values, metric = self.values(name), name.removesuffix("_sem")
        if metric not in CONFIRMED or not self.confirmed.any():
            return values
        search, own = (
            (self.values(one), np.nan_to_num(self.values(f"{one}_sem")))
            for one in (metric, confirmed_name(metric))
        )
        both = pooled((*search, self._spec.replicates), (*own, self.values(REPLICATES)))
        return np.where(np.isfinite(both[0]), both[metric != name], values)
