"""The effects of the factorial: differences of mean test accuracies between matched cells.

An effect is a weighted sum of the cells' accuracies: the mean over all pairs of cells that differ in one
level, and in the somata that give them equal sizes. Its standard error is over test images, which all
cells share, and over their seeds, which they share, too.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from paper.estimate import Outcomes, estimate
from paper.hypothesis_tests import holm
from paper.plan import Plan
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

Pair = tuple[Cell, Cell]

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


def _of_one_branch(levels: Levels) -> Levels:
    """The same among cells with one branch."""
    return lambda cell: levels(cell) if cell.dendrites == 1 else None


def _drawn(levels: Levels) -> Levels:
    """The same among cells whose dendrites read random or local inputs."""
    return lambda cell: levels(cell) if cell.inputs in {"random", "local"} else None


_NONLINEAR: Final = _to("dendrites", 4, 1, linear=False)
_LINEAR: Final = _to("dendrites", 4, 1, linear=True)
_NONLINEARITY: Final = _of_branches(_to("linear", value=False, instead_of=True))

EFFECTS: Final[dict[str, tuple[Levels, ...]]] = {
    "sparsity: random instead of all inputs, 1 branch": (
        _of_one_branch(_to("inputs", "random", "all")),
    ),
    "sparsity: random instead of all inputs, nonlinear branches": (
        _of_branches(_to("inputs", "random", "all", linear=False)),
    ),
    "locality: local instead of random inputs": (_to("inputs", "local", "random"),),
    "sharing, equal parameters": (_to("inputs", "shared", "local", matched="parameters"),),
    "sharing, equal multiply-accumulates": (
        lambda cell: (
            {"inputs": "local", "matched": "parameters"}
            if (cell.inputs, cell.matched) == ("shared", "macs")
            else None
        ),
    ),
    "4 branches instead of 1, nonlinear": (_drawn(_NONLINEAR),),
    "4 branches instead of 1, linear": (_drawn(_LINEAR),),
    "4 branches instead of 1, nonlinear minus linear": (_drawn(_NONLINEAR), _drawn(_LINEAR)),
    "2 branches instead of 1, nonlinear": (_drawn(_to("dendrites", 2, 1, linear=False)),),
    "8 branches instead of 4, nonlinear": (_drawn(_to("dendrites", 8, 4, linear=False)),),
    "nonlinear instead of linear branches": (_drawn(_NONLINEARITY),),
    "4 branches instead of 1, all inputs, nonlinear": (
        _to("dendrites", 4, 1, inputs="all", linear=False),
    ),
    "4 branches instead of 1, all inputs, linear": (
        _to("dendrites", 4, 1, inputs="all", linear=True),
    ),
    "nonlinear instead of linear branches, all inputs": (
        _of_branches(_to("linear", value=False, instead_of=True, inputs="all")),
    ),
    "4 branches instead of 1, shared weights, equal parameters": (
        _to("dendrites", 4, 1, inputs="shared", matched="parameters"),
    ),
    "4 branches instead of 1, shared weights, equal multiply-accumulates": (
        _to("dendrites", 4, 1, inputs="shared", matched="macs"),
    ),
    "learned instead of drawn wiring, random inputs": (
        _to("learned", value=True, instead_of=False, learned=True, inputs="random"),
    ),
    "learned instead of drawn wiring, local inputs": (
        _to("learned", value=True, instead_of=False, learned=True, inputs="local"),
    ),
}
"""For each effect, the levels that make the reference of a cell, None for a cell that is in no pair.

An effect of two parts is the first minus the second. Effects of branches and of their nonlinearity are
of random and local inputs unless their name has others.
"""


def cells(rows: pd.DataFrame) -> dict[Cell, Outcomes]:
    """The cells of the rows of the benchmark file that are of the factorial and of the stage `test`.

    All have the same seeds, in the same order; raises ValueError otherwise.
    """
    own = rows[rows["study"].str.startswith(STUDY) & (rows["stage"] == "test")].sort_values("seed")
    seeds = set(own.groupby(["study", "trial"])["seed"].agg(tuple))
    if len(seeds) > 1:
        raise ValueError(
            f"all cells of the factorial must have the same seeds, got {sorted(seeds)}"
        )
    found: dict[Cell, list[NDArray[np.float64]]] = {}
    for row in own.to_dict("records"):
        cell = _cell(row["study"], row["family"], json.loads(row["settings"]))
        correct = unpacked(row["correct"], row["images"])
        found.setdefault(cell, []).append(correct.astype(np.float64))
    return {cell: np.stack(seeds) for cell, seeds in found.items()}


def planned_cells(plan: Plan) -> list[Cell]:
    """The cells of the studies of a plan."""
    return [
        _cell(one.key, str(start["family"]), start)
        for data in plan.data
        for one in plan.planned(data)
        if one.plan.cells
        for start in one.spec.start
    ]


def _cell(study: str, family: str, settings: Mapping[str, Any]) -> Cell:
    """The cell of a network of the study with this key."""
    return Cell(
        inputs=_INPUTS[family],
        dendrites=settings["dendrites"],
        linear=settings["dendrite_slope"] == 1,
        learned=bool(settings.get("rewiring")),
        size=study.rsplit("-", 1)[1],
        matched="macs" if study.startswith(f"{STUDY}-macs") else "parameters",
    )


def effects(found: Cells, planned: Collection[Cell]) -> list[Effect]:
    """The effects over all sizes, and at each size, of whose planned pairs all are found.

    Holm's method corrects the p of the effects over all sizes, and of those of each size, with p = 1 for
    those that are not found, so that an effect stays significant when the others are run.
    """
    sizes = sorted({cell.size for cell in planned}, key=lambda size: int(size.removesuffix("k")))
    results: list[Effect] = []
    for size in (None, *sizes):
        pairs = {name: _pairs_of(name, size, planned) for name in EFFECTS}
        whole = {name: parts for name, parts in pairs.items() if parts}
        own = [_measured(name, size, parts, found) for name, parts in whole.items()]
        corrected = holm([1.0 if one is None else one.p for one in own])
        results += [
            replace(one, p=p) for one, p in zip(own, corrected, strict=True) if one is not None
        ]
    return results


def _pairs_of(name: str, size: str | None, planned: Collection[Cell]) -> list[list[Pair]]:
    """The planned pairs of each part of an effect; empty if a part has none."""
    parts = [
        [
            (cell, other)
            for cell in planned
            if size in (None, cell.size)
            and (changed := levels(cell)) is not None
            and (other := cell._replace(**changed)) in planned
        ]
        for levels in EFFECTS[name]
    ]
    return parts if all(parts) else []


def _measured(
    name: str, size: str | None, parts: Sequence[Sequence[Pair]], found: Cells
) -> Effect | None:
    weights: dict[Cell, float] = {}
    for sign, pairs in zip((1, -1), parts, strict=False):
        for cell, other in pairs:
            weights[cell] = weights.get(cell, 0) + sign / len(pairs)
            weights[other] = weights.get(other, 0) - sign / len(pairs)
    if not weights.keys() <= found.keys():
        return None
    measured = estimate([found[cell] for cell in weights], list(weights.values()), same_seeds=True)
    low, high = measured.interval()
    p = min(1.0, 2 * min(measured.p_above(0), measured.p_below(0)))
    return Effect(
        name=name, size=size, pairs=len(parts[0]), value=measured.value, low=low, high=high, p=p
    )
