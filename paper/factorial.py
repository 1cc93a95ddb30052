"""The factorial: what the effect is made of, at equal live parameters and multiply-accumulates.

A cell is a combination of levels; its network is the one nearest to a size. Levels of the input of a
dendrite are families: all inputs (`pdann`), random (`dann-r`), local (`dann-lrf`), and local with
weights shared over the image (`dann-conv`). A cell is left out if no network is within a tenth of the
size, or if it would have fewer somata than there are classes, since its bottleneck alone would decide.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final

from models import FAMILIES, Architecture
from models.architecture import ImageShape
from models.counting import counts_of
from models.shapes import layer_shapes

SYNAPSES: Final = 16
_TOLERANCE: Final = 0.1
_MOST_SOMATA: Final = 8192


def cells_of(
    tables: Sequence[Mapping[str, Any]],
    size: int,
    shape: ImageShape,
    classes: int,
    as_macs_of: str | None = None,
) -> list[dict[str, Any]]:
    """The configurations of the crossed tables, each with the somata that come nearest to the size.

    The size is in trainable parameters. With `as_macs_of`, a family, it is instead the
    multiply-accumulates of the network of that family with the same levels, which has the size.
    """
    found = []
    for table in tables:
        lists = [one if isinstance(one, list | tuple) else [one] for one in table.values()]
        for values in product(*lists):
            levels = dict(zip(table, values, strict=True))
            somata = _somata(levels, size, shape, classes, as_macs_of)
            if somata is not None:
                found.append({**levels, "somata": somata})
    return found


def _somata(
    levels: Mapping[str, Any],
    size: int,
    shape: ImageShape,
    classes: int,
    as_macs_of: str | None,
) -> int | None:
    """The somata of a cell, None if it is left out."""
    count, wanted = 0, size
    if as_macs_of is not None:
        other = _somata({**levels, "family": as_macs_of}, size, shape, classes, None)
        if other is None:
            return None
        count, wanted = 1, counts_of(_network(levels, as_macs_of, other), shape, classes)[1]

    def counted(somata: int) -> int:
        return counts_of(_network(levels, levels["family"], somata), shape, classes)[count]

    above = bisect_left(range(1, _MOST_SOMATA), wanted, key=counted) + 1
    somata = min(max(above - 1, 1), above, key=lambda one: abs(counted(one) - wanted))
    features = math.prod(layer_shapes(_network(levels, levels["family"], somata), shape)[-1])
    near = abs(counted(somata) - wanted) <= _TOLERANCE * wanted
    return somata if near and features >= classes else None


def _network(levels: Mapping[str, Any], family: str, somata: int) -> Architecture:
    """The network of a cell; options without an influence on its size are left out."""
    synapses = SYNAPSES if FAMILIES[family].counts_synapses else None
    return Architecture(
        family=family, somata=somata, dendrites=levels["dendrites"], synapses=synapses
    )
