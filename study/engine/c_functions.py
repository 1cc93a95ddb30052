"""The loops as one C function, which finds its arrays by address (`study.engine.library`)."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import carray

from study.engine.arrays import TRAIN, Images, Moving, Plan, Wiring, Workspace
from study.engine.compilation import c_function, inlined
from study.engine.loops import evaluate_images, train_steps
from study.engine.recipe import Recipe

# Pointers, which only compiled functions can read.
_Addresses = Any
_Numbers = Any
_Array = Any
_CFunc = Any
_View = Callable[[_Addresses, _Numbers, int], _Array]


def compile_loops() -> _CFunc:
    """Both loops as one C function."""
    return c_function(_run_loop)


def _row_of(dtype: type[np.generic]) -> _View:
    @inlined
    def row(addresses: _Addresses, sizes: _Numbers, number: int) -> _Array:
        return carray(addresses[number], (sizes[2 * number],), dtype)

    return row


def _table_of(dtype: type[np.generic]) -> _View:
    @inlined
    def table(addresses: _Addresses, sizes: _Numbers, number: int) -> _Array:
        return carray(addresses[number], (sizes[2 * number], sizes[2 * number + 1]), dtype)

    return table


_byte_row, _bytes = _row_of(np.uint8), _table_of(np.uint8)
_integers, _integer_table = _row_of(np.int64), _table_of(np.int64)
_indices, _index_table = _row_of(np.uint32), _table_of(np.uint32)
_floats, _float_table = _row_of(np.float32), _table_of(np.float32)
_doubles = _row_of(np.float64)


@inlined
def _plan(a: _Addresses, s: _Numbers, dropout: float, sgemm: int) -> Plan:
    return Plan(_integer_table(a, s, 0), _floats(a, s, 1), dropout, sgemm)


@inlined
def _wiring(a: _Addresses, s: _Numbers) -> Wiring:
    return Wiring(
        _indices(a, s, 2),
        _indices(a, s, 3),
        _indices(a, s, 4),
        _indices(a, s, 5),
        _indices(a, s, 6),
        _indices(a, s, 7),
    )


@inlined
def _workspace(a: _Addresses, s: _Numbers) -> Workspace:
    return Workspace(
        _bytes(a, s, 8),
        _float_table(a, s, 9),
        _index_table(a, s, 10),
        _float_table(a, s, 11),
        _float_table(a, s, 12),
        _floats(a, s, 13),
        _floats(a, s, 14),
    )


@inlined
def _images(a: _Addresses, s: _Numbers) -> Images:
    return Images(
        _byte_row(a, s, 15), _integers(a, s, 16), _indices(a, s, 17), _float_table(a, s, 18)
    )


@inlined
def _moving(a: _Addresses, s: _Numbers) -> Moving:
    return Moving(
        _floats(a, s, 21),
        _floats(a, s, 22),
        _floats(a, s, 23),
        _floats(a, s, 24),
        _floats(a, s, 25),
    )


@inlined
def _recipe(numbers: _Numbers) -> Recipe:
    return Recipe(
        numbers[2], numbers[3], numbers[4], numbers[5], numbers[6], numbers[7], numbers[8]
    )


def _run_loop(addresses: _Addresses, sizes: _Numbers, counts: _Numbers, numbers: _Numbers) -> None:
    """Both loops, for what they call becomes a part of each C function, which takes time."""
    plan = _plan(addresses, sizes, numbers[0], counts[1])
    wiring = _wiring(addresses, sizes)
    work = _workspace(addresses, sizes)
    images = _images(addresses, sizes)
    order, starts = _integers(addresses, sizes, 19), _integers(addresses, sizes, 20)
    if counts[0] == TRAIN:
        numbers[1] = train_steps(
            plan,
            wiring,
            _moving(addresses, sizes),
            work,
            images,
            order,
            starts,
            counts[2],
            counts[3],
            counts[4],
            counts[5],
            _doubles(addresses, sizes, 26),
            counts[6],
            _recipe(numbers),
        )
    else:
        parameters = _floats(addresses, sizes, 21)
        loss, right = evaluate_images(plan, wiring, parameters, work, images, order, starts)
        numbers[1] = loss
        counts[2] = right
