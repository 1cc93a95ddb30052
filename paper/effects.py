"""The effects of the factorial: differences of mean test accuracies between matched cells.

An effect is a weighted sum of the cells' accuracies: the mean over all pairs of cells that differ in one
level alone. Its standard error is over test images, which all cells share, and over the seeds of each
cell: the sum of both variances, which for a sum of means need no resamples.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from paper.bootstrap import Estimate, Outcomes
from paper.hypothesis_tests import holm
from paper.table import unpacked

STUDY: Final = "factorial"
_INPUTS: Final = {"pdann": "all", "dann-r": "random", "dann-lrf": "local", "dann-conv": "shared"}


class Cell(NamedTuple):
    """The levels of a cell; `matched` is what is equal among the cells of a size."""

    inputs: str
    dendrites: int
    linear: bool
    learned: bool
    size: str
    matched: str = "parameters"


Cells = Mapping[Cell, Outcomes]
"""The correctness of each seed on each test image, shape (seeds, images)."""

Levels = Callable[[Cell], dict[str, Any] | None]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """An effect in shares, at a size, or over all sizes (None); `p` is corrected by Holm there."""

    name: str
    size: str | None
    pairs: int
    value: float
    low: float
    high: float
    p: float


def _to(level: str, value: object, instead_of: object) -> Levels:
    """The levels of the other cell of a pair, for cells with this value of a level."""
    return lambda cell: {level: instead_of} if getattr(cell, level) == value else None


def _of_branches(level: str, value: object, instead_of: object) -> Levels:
    """The same among cells with more than one branch."""
    inner = _to(level, value, instead_of)
    return lambda cell: inner(cell) if cell.dendrites > 1 else None


EFFECTS: Final[dict[str, Levels]] = {
    "sparsity: random instead of all inputs": _to("inputs", "random", "all"),
    "locality: local instead of random inputs": _to("inputs", "local", "random"),
    "sharing, equal parameters": lambda cell: (
        {"inputs": "local"} if (cell.inputs, cell.matched) == ("shared", "parameters") else None
    ),
    "sharing, equal multiply-accumulates": lambda cell: (
        {"inputs": "local", "matched": "parameters"}
        if (cell.inputs, cell.matched) == ("shared", "macs")
        else None
    ),
    "branching: 2 instead of 1": _to("dendrites", 2, 1),
    "branching: 4 instead of 2": _to("dendrites", 4, 2),
    "branching: 8 instead of 4": _to("dendrites", 8, 4),
    "nonlinear instead of linear branches": _of_branches("linear", False, True),  # noqa: FBT003  # levels
    "learned instead of drawn wiring": _to("learned", True, False),  # noqa: FBT003  # as above
}
"""For each effect, the levels that make the reference of a cell, None for a cell that is in no pair."""


def cells(rows: pd.DataFrame) -> dict[Cell, Outcomes]:
    """The cells of the rows of the benchmark file that are of the factorial and of the stage `test`."""
    own = rows[rows["study"].str.startswith(STUDY) & (rows["stage"] == "test")]
    found: dict[Cell, list[NDArray[np.float64]]] = {}
    for row in own.itertuples():
        settings = json.loads(str(row.settings))
        study = str(row.study)
        cell = Cell(
            inputs=_INPUTS[str(row.family)],
            dendrites=settings["dendrites"],
            linear=settings["dendrite_slope"] == 1,
            learned=bool(settings.get("rewiring")),
            size=study.rsplit("-", 1)[1],
            matched="macs" if study.startswith(f"{STUDY}-macs") else "parameters",
        )
        # The outcomes are of 10,000 test images, a multiple of eight: no bit is left over.
        bits = row.correct
        assert isinstance(bits, bytes)  # noqa: S101  # as its column
        correct = unpacked(bits, 8 * len(bits))
        found.setdefault(cell, []).append(correct.astype(np.float64))
    return {cell: np.stack(seeds) for cell, seeds in found.items()}


def effects(found: Cells) -> list[Effect]:
    """All effects over all sizes, and at each size, where there are pairs.

    Holm's method corrects the p of the effects over all sizes, and of those of each size.
    """
    sizes = sorted({cell.size for cell in found}, key=lambda size: int(size.removesuffix("k")))
    results: list[Effect] = []
    for size in (None, *sizes):
        own = [one for name in EFFECTS for one in _measured(name, size, found)]
        corrected = holm([one.p for one in own])
        results += [replace(one, p=p) for one, p in zip(own, corrected, strict=True)]
    return results


def _measured(name: str, size: str | None, found: Cells) -> Iterator[Effect]:
    pairs = [
        (cell, other)
        for cell in found
        if (size is None or cell.size == size) and (levels := EFFECTS[name](cell)) is not None
        for other in [cell._replace(**levels)]
        if other in found
    ]
    if not pairs:
        return
    weights: dict[Cell, float] = {}
    for cell, other in pairs:
        weights[cell] = weights.get(cell, 0) + 1 / len(pairs)
        weights[other] = weights.get(other, 0) - 1 / len(pairs)
    estimate = contrast({cell: found[cell] for cell in weights}, list(weights.values()))
    low, high = estimate.interval()
    p = min(1.0, 2 * min(estimate.p_above(0), estimate.p_below(0)))
    yield Effect(
        name=name, size=size, pairs=len(pairs), value=estimate.value, low=low, high=high, p=p
    )


def contrast(found: Cells, weights: Sequence[float]) -> Estimate:
    """The weighted sum of the mean accuracies, with Welch's degrees of freedom.

    Raises ValueError for a cell with fewer than two seeds.
    """
    if min(len(one) for one in found.values()) < 2:  # noqa: PLR2004  # one seed has no variance
        raise ValueError(f"`seeds >= 2` must hold, got {[len(one) for one in found.values()]}")
    outcomes = list(found.values())
    images = outcomes[0].shape[1]
    by_image = sum(w * one.mean(axis=0) for w, one in zip(weights, outcomes, strict=True))
    parts = [float(np.var(by_image, ddof=1)) / images]
    parts += [
        w**2 * float(np.var(one.mean(axis=1), ddof=1)) / len(one)
        for w, one in zip(weights, outcomes, strict=True)
    ]
    freedoms = [images - 1, *(len(one) - 1 for one in outcomes)]
    return Estimate.of_parts(float(np.mean(by_image)), parts, freedoms)
