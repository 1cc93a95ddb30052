import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from study.search.encoding import Encoding, at_epoch

DISTRIBUTIONS = {
    "family": CategoricalDistribution(["dann-r", "vann", "mlp"]),
    "somata": CategoricalDistribution([16, 32, 64, 128]),
    "dendrites": IntDistribution(1, 32, log=True),
    "learning_rate": FloatDistribution(1e-3, 1e-1, log=True),
    "dropout": FloatDistribution(0, 0.5),
    "schedule": CategoricalDistribution(["cosine", "constant"]),
    "layers": IntDistribution(1, 1),
}


def test_an_encoding_tells_settings_apart_and_keeps_their_distances():
    encoding = Encoding(DISTRIBUTIONS)
    base = {"family": "dann-r", "somata": 16, "dendrites": 1, "learning_rate": 1e-3, "dropout": 0.0}
    base |= {"schedule": "cosine", "layers": 1}

    def row(**changes):
        return encoding.row(base | changes, [1.5, 1.0])

    def distance(**changes):
        return np.linalg.norm(row(**changes) - row())

    assert np.isclose(distance(somata=64), 2 * distance(somata=32))
    assert np.isclose(distance(somata=128), distance(dendrites=32))
    assert np.isclose(distance(learning_rate=1e-2), distance(learning_rate=1e-1) / 2)
    assert distance(family="vann") == distance(schedule="constant") > 0
    larger = encoding.row(base, [1.5, 2.0])
    assert np.isclose(np.linalg.norm(larger - row()), 1.0)
    epochs = at_epoch(np.array([row()] * 3), np.array([1, 5, 15]), last=15)[:, -1]
    assert epochs[0] < epochs[1] < epochs[2] == row()[-1] == 0
    absent = encoding.row({name: base[name] for name in base if name != "dendrites"}, [1.5, 1.0])
    assert np.array_equal(absent, row())  # as the least of them
