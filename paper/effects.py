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


def _to(level: str, value: object, instead_of: object, **of: object) -> Levels:
    """The levels of the other cell of a pair, for cells with this value of a level and those `of`.

    Cells with learned wiring, which only drawn inputs can have, are in pairs of that effect alone.
    """

    def levels(cell: Cell) -> dict[str, Any] | None:
        own = {level: value, "learned": False} | of
        fits = all(getattr(cell, name) == one for name, one in own.items())
        return {level: instead_of} if fits else None

    return levels


def _of_branches(levels: Levels) -> Levels:
    """The same among cells with more than one branch."""
    return lambda cell: levels(cell) if cell.dendrites > 1 else None


def _not_shared(levels: Levels) -> Levels:
    """The same among cells without shared weights, which have no linear branches."""
    return lambda cell: levels(cell) if cell.inputs != "shared" else None


_NONLINEAR: Final = _not_shared(_to("dendrites", 4, 1, linear=False))
_LINEAR: Final = _not_shared(_to("dendrites", 4, 1, linear=True))

EFFECTS: Final[dict[str, tuple[Levels, ...]]] = {
    "sparsity: random instead of all inputs": (_to("inputs", "random", "all"),),
    "locality: local instead of random inputs": (_to("inputs", "local", "random"),),
    "sharing, equal parameters": (_to("inputs", "shared", "local", matched="parameters"),),
    "sharing, equal multiply-accumulates": (
        lambda cell: (
            {"inputs": "local", "matched": "parameters"}
            if (cell.inputs, cell.matched) == ("shared", "macs")
            else None
        ),
    ),
    "4 branches instead of 1, nonlinear": (_NONLINEAR,),
    "4 branches instead of 1, linear": (_LINEAR,),
    "what nonlinearity adds to 4 branches": (_NONLINEAR, _LINEAR),
    "4 branches instead of 1, shared weights": (
        _to("dendrites", 4, 1, inputs="shared", matched="parameters"),
    ),
    "2 branches instead of 1, nonlinear": (_to("dendrites", 2, 1, linear=False),),
    "8 branches instead of 4, nonlinear": (_to("dendrites", 8, 4, linear=False),),
    "nonlinear instead of linear branches": (
        _of_branches(_to("linear", value=False, instead_of=True)),
    ),
    "learned instead of drawn wiring": (
        _to("learned", value=True, instead_of=False, learned=True),
    ),
}
"""For each effect, the levels that make the reference of a cell, None for a cell that is in no pair.

An effect of two parts is the first minus the second.
"""


def cells(rows: pd.DataFrame) -> dict[Cell, Outcomes]:
    """The cells of the rows of the benchmark file that are of the factorial and of the stage `test`."""
    own = rows[rows["study"].str.startswith(STUDY) & (rows["stage"] == "test")]
    found: dict[Cell, list[NDArray[np.float64]]] = {}
    for row in own.to_dict("records"):
        settings = json.loads(row["settings"])
        study = row["study"]
        cell = Cell(
            inputs=_INPUTS[row["family"]],
            dendrites=settings["dendrites"],
            linear=settings["dendrite_slope"] == 1,
            learned=bool(settings.get("rewiring")),
            size=study.rsplit("-", 1)[1],
            matched="macs" if study.startswith(f"{STUDY}-macs") else "parameters",
        )
        correct = unpacked(row["correct"], row["images"])
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
    parts = [list(_pairs(levels, size, found)) for levels in EFFECTS[name]]
    if not all(parts):
        return
    weights: dict[Cell, float] = {}
    for sign, pairs in zip((1, -1), parts, strict=False):
        for cell, other in pairs:
            weights[cell] = weights.get(cell, 0) + sign / len(pairs)
            weights[other] = weights.get(other, 0) - sign / len(pairs)
    estimate = contrast({cell: found[cell] for cell in weights}, list(weights.values()))
    low, high = estimate.interval()
    p = min(1.0, 2 * min(estimate.p_above(0), estimate.p_below(0)))
    yield Effect(
        name=name, size=size, pairs=len(parts[0]), value=estimate.value, low=low, high=high, p=p
    )


def _pairs(levels: Levels, size: str | None, found: Cells) -> Iterator[tuple[Cell, Cell]]:
    for cell in found:
        changed = levels(cell) if size in (None, cell.size) else None
        if changed is not None and (other := cell._replace(**changed)) in found:
            yield cell, other


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
