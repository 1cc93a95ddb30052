"""The factorial: what the effect is made of, at equal live parameters and multiply-accumulates.

A cell is a combination of levels; its network is the largest that keeps the bound. Levels of the input
of a dendrite are families: all inputs (`pdann`), random (`dann-r`), local (`dann-lrf`), and local with
weights shared over the image (`dann-conv`). A cell whose network would have fewer somata than there
are classes is left out, since its bottleneck alone would decide.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final

from models import FAMILIES, Architecture
from models.architecture import ImageShape
from models.counting import counts_of
from models.shapes import layer_shapes

SYNAPSES: Final = 16
_MOST_SOMATA: Final = 8192


def cells_of(
    tables: Sequence[Mapping[str, Any]],
    bound: int,
    shape: ImageShape,
    classes: int,
    as_macs_of: str | None = None,
) -> list[dict[str, Any]]:
    """The configurations of the crossed tables, each with the most somata that keep the bound.

    The bound is on trainable parameters. With `as_macs_of`, a family, it is the multiply-accumulates of
    the network of that family with the same levels, which keeps the bound on parameters.
    """
    found = []
    for table in tables:
        lists = [one if isinstance(one, list | tuple) else [one] for one in table.values()]
        for values in product(*lists):
            levels = dict(zip(table, values, strict=True))
            somata = _somata(levels, bound, shape, classes, as_macs_of)
            if somata is not None:
                found.append({**levels, "somata": somata})
    return found


def _somata(
    levels: Mapping[str, Any],
    bound: int,
    shape: ImageShape,
    classes: int,
    as_macs_of: str | None,
) -> int | None:
    """The most somata of a cell, None if they are fewer than the classes."""
    count, limit = 0, bound
    if as_macs_of is not None:
        other = _somata({**levels, "family": as_macs_of}, bound, shape, classes, None)
        if other is None:
            return None
        count, limit = 1, counts_of(_network(levels, as_macs_of, other), shape, classes)[1]
    low, high = 0, _MOST_SOMATA
    while low < high:
        middle = (low + high + 1) // 2
        network = _network(levels, levels["family"], middle)
        if counts_of(network, shape, classes)[count] <= limit:
            low = middle
        else:
            high = middle - 1
    if low == 0:
        return None
    features = math.prod(layer_shapes(_network(levels, levels["family"], low), shape)[-1])
    return low if features >= classes else None


def _network(levels: Mapping[str, Any], family: str, somata: int) -> Architecture:
    """The network of a cell; options without an influence on its size are left out."""
    synapses = SYNAPSES if FAMILIES[family].counts_synapses else None
    return Architecture(
        family=family, somata=somata, dendrites=levels["dendrites"], synapses=synapses
    )
