"""Sums of dense layers."""

from types import FunctionType

import numpy as np
import pytest

from study.engine import dense, sparse
from study.engine.arrays import LANES
from study.engine.compilation import inlined, inner


def of_processor(compile_, function, **values):
    """A function of the engine, compiled as for a processor with other values of its constants."""
    source = function.py_func
    return compile_(FunctionType(source.__code__, source.__globals__ | values))


@pytest.mark.parametrize("units", [4, 5])
def test_gradients_are_the_same_bits_on_all_processors(units):
    """Registers decide how many sums are made at a time, not the order of additions in a sum."""
    inputs, lanes = 7, 2 * LANES
    draw = np.random.default_rng(0)
    x = draw.normal(size=(inputs, lanes)).astype(np.float32)
    through = draw.normal(size=(units, lanes)).astype(np.float32)
    found = []
    for avx512 in (False, True):
        four_products = of_processor(inlined, sparse.four_products, AVX512=avx512)
        add = of_processor(
            inner, dense.dense_weight_gradient, AVX512=avx512, four_products=four_products
        )
        gradient = np.zeros(units * inputs, np.float32)
        add(gradient, x, inputs, through, units, lanes)
        found.append(gradient.reshape(units, inputs))
    assert np.array_equal(*found)
    assert found[0] == pytest.approx(through @ x.T, abs=1e-4)
