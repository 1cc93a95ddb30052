from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.wiring import local_synapses, random_synapses

shapes = st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12))
seeds = st.integers(0, 2**32 - 1)


@given(shapes, seeds, st.integers(1, 40), st.data())
def test_a_random_dendrite_reads_distinct_inputs_inside_the_image(shape, seed, dendrites, data):
    inputs = int(np.prod(shape))
    synapses = data.draw(st.integers(1, inputs))
    drawn = random_synapses(np.random.default_rng(seed), shape, dendrites, synapses)
    assert drawn.shape == (dendrites, synapses)
    assert drawn.min() >= 0
    assert drawn.max() < inputs
    assert all(len(set(row)) == synapses for row in drawn.tolist())


@given(shapes, seeds, st.integers(1, 40), st.data())
def test_a_local_dendrite_reads_whole_rings_around_a_centre(shape, seed, dendrites, data):
    channels, height, width = shape
    synapses = data.draw(st.integers(1, height * width))
    drawn = local_synapses(np.random.default_rng(seed), shape, dendrites, synapses)
    assert drawn.shape == (dendrites, synapses * channels)
    for row in drawn:
        planes = row.reshape(channels, synapses)
        pixels = planes[0]
        assert len(set(pixels.tolist())) == synapses
        # Every channel of the same pixels.
        for channel, plane in enumerate(planes):
            assert (plane == pixels + channel * height * width).all()
        assert _some_centre_explains(set(pixels.tolist()), height, width)


def _some_centre_explains(pixels, height, width):
    """Whether there is a centre for which all rings but the last one reached are complete."""
    for centre in range(height * width):
        rings = Counter()
        reached = Counter()
        for pixel in range(height * width):
            ring = max(
                1,
                abs(pixel // width - centre // width),
                abs(pixel % width - centre % width),
            )
            rings[ring] += 1
            reached[ring] += pixel in pixels
        last = max(ring for ring, count in reached.items() if count)
        if all(reached[ring] == rings[ring] for ring in rings if ring < last):
            return True
    return False


def test_the_usual_receptive_field_is_the_papers_block_and_part_of_the_next_ring():
    drawn = local_synapses(np.random.default_rng(0), (1, 28, 28), 2000, 16)
    rows, columns = drawn // 28, drawn % 28
    inner = (rows.min(1) > 0) & (rows.max(1) < 27) & (columns.min(1) > 0) & (columns.max(1) < 27)
    extent = np.maximum(np.ptp(rows, axis=1), np.ptp(columns, axis=1)) + 1
    assert inner.sum() > 1000
    assert (extent[inner] <= 5).mean() > 0.95
    assert len(np.unique(drawn)) == 784


@pytest.mark.parametrize("draw", [random_synapses, local_synapses])
@settings(max_examples=20)
@given(seed=seeds)
def test_wiring_follows_from_the_generator_alone(draw, seed):
    first = draw(np.random.default_rng(seed), (1, 6, 6), 30, 9)
    again = draw(np.random.default_rng(seed), (1, 6, 6), 30, 9)
    other = draw(np.random.default_rng(seed + 1), (1, 6, 6), 30, 9)
    assert (first == again).all()
    assert (first != other).any()


def test_random_inputs_are_drawn_evenly():
    drawn = random_synapses(np.random.default_rng(0), (1, 4, 5), 20_000, 7)
    share = np.bincount(drawn.ravel(), minlength=20) / 20_000
    # Each input is in a dendrite with probability 7/20; five standard errors are 0.017.
    assert np.abs(share - 7 / 20).max() < 0.017
