"""The ONNX graph in a real runtime, held against NumPy."""

import itertools

import numpy as np
import onnxruntime
import pytest
import torch

from models import FAMILIES, build, save_network
from models.portable import Portable
from models.rewiring import rewire
from study.results.onnx_graph import write_onnx
from tests.support.architectures import architecture

SHAPE = (2, 5, 6)


CASES = [
    {},
    {"layers": 2, "dendrite_slope": 0.0},
    {"synapse_draw": "global", "cable_draw": "global", "synapses": 1},
    {"synapses_per": "channel", "receptive_field": "square"},
]
LEARNED = {"layers": 2, "rewiring": 0.5}


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        *itertools.product(FAMILIES, CASES),
        *((family, LEARNED) for family, rule in FAMILIES.items() if rule.draws_synapses),
    ],
)
def test_a_runtime_of_onnx_computes_what_numpy_does(family, changes, tmp_path):
    torch.manual_seed(0)
    network = build(architecture(family, **changes), SHAPE, 3, (4, 8, 9))
    if network.architecture.rewiring:
        rewire(network, 0.5, lambda *place: np.random.default_rng(place))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    save_network(network, tmp_path)
    portable = Portable(tmp_path)
    write_onnx(portable, tmp_path / "network.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx")
    for count in (1, 7):
        images = np.random.default_rng(0).integers(0, 256, (count, *SHAPE), dtype=np.uint8)
        (shares,) = session.run(None, {"images": images})
        assert shares.dtype == np.float32
        np.testing.assert_allclose(shares, portable.probabilities(images), rtol=1e-4, atol=1e-5)
