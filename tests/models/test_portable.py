import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from models import FAMILIES, build, save_network
from models import portable as portable_module
from models.portable import Portable
from models.rewiring import rewire
from tests.support.architectures import architecture


def stored(folder, family="dann-r", shape=(2, 5, 6), seeds=(4, 8, 9), **changes):
    """A network with weights and biases unlike those that it was built with."""
    torch.manual_seed(0)
    network = build(architecture(family, **changes), shape, 3, seeds)
    if network.architecture.rewiring:
        rewire(network, 0.5, lambda *place: np.random.default_rng(place))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))
    save_network(network, folder)
    return network.eval()


def images(count, shape=(2, 5, 6)):
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"layers": 2, "dendrite_slope": 0.0},
        {"synapse_draw": "global", "cable_draw": "global", "synapses": 1},
        {"synapses_per": "channel", "receptive_field": "square"},
        {"somata": 1, "synapses": 1},
        {"synapses": 9},
    ],
)
def test_numpy_computes_what_torch_does(family, changes, tmp_path, monkeypatch):
    network = stored(tmp_path, family, **changes)
    batch = images(7)
    with torch.no_grad():
        logits = network(torch.from_numpy(batch)).numpy()
    np.testing.assert_allclose(Portable(tmp_path).logits(batch), logits, rtol=1e-4, atol=1e-4)
    monkeypatch.setattr(portable_module, "FLOATS_AT_ONCE", 1)  # an image at a time
    np.testing.assert_allclose(Portable(tmp_path).logits(batch), logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", [name for name in FAMILIES if FAMILIES[name].draws_synapses])
def test_learned_wiring_is_stored_with_the_network(family, tmp_path):
    network, batch = stored(tmp_path, family, layers=2, rewiring=0.5), images(7)
    with torch.no_grad():
        logits = network(torch.from_numpy(batch)).numpy()
    np.testing.assert_allclose(Portable(tmp_path).logits(batch), logits, rtol=1e-4, atol=1e-4)


def test_probabilities_are_of_one_replicate_or_of_their_mean(tmp_path):
    network = stored(tmp_path)
    batch = images(4)
    with torch.no_grad():
        expected = network(torch.from_numpy(batch)).softmax(dim=-1).numpy()
    portable = Portable(tmp_path)
    mean = portable.probabilities(batch)
    assert (mean.dtype, mean.shape) == (np.float32, (4, 3))
    np.testing.assert_allclose(mean, expected.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(portable.probabilities(batch, 2), expected[2], atol=1e-5)
    np.testing.assert_allclose(portable.probabilities(batch / np.float32(255)), mean, atol=1e-5)
    assert portable.probabilities(images(0)).shape == (0, 3)
    for replicate in (-2, 3):
        with pytest.raises(ValueError, match=r"-1 <= replicate < 3` must hold, got replicate="):
            portable.probabilities(batch, replicate)
    with pytest.raises(ValueError, match=r"\(batch, \*\(2, 5, 6\)\), got \(4, 6, 5, 2\)"):
        portable.probabilities(batch.transpose(0, 3, 2, 1))
    with pytest.raises(ValueError, match=r"uint8 in 0..255 or float in 0..1, got int64"):
        portable.probabilities(batch.astype(np.int64))


def test_another_layout_is_refused(tmp_path):
    stored(tmp_path)
    description = tmp_path / "network.json"
    description.write_text(json.dumps(json.loads(description.read_text()) | {"layout": 99}))
    with pytest.raises(ValueError, match="`layout == 1` must hold, got 99"):
        Portable(tmp_path)


def test_it_needs_numpy_and_safetensors_only(tmp_path):
    code = "import sys; sys.path.insert(0, sys.argv[1]); import portable; print(*sys.modules)"
    shutil.copy(portable_module.__file__, tmp_path)
    command = [sys.executable, "-I", "-c", code, tmp_path]
    output = subprocess.check_output(command, text=True, cwd=tmp_path)
    assert not {"torch", "mlflow", "study", "models", "scipy"} & set(output.split())
