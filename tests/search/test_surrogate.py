import numpy as np

from study.search.surrogate import Surrogate


def surface(rows):
    """What is learned in one feature, and noise: the second feature does not matter."""
    return np.sin(2 * rows[:, 0])


def fitted(count=60, noise=0.02, seed=0):
    generator = np.random.default_rng(seed)
    rows = generator.uniform(0, 2, size=(count, 2))
    surrogate = Surrogate()
    values = surface(rows) + generator.normal(0, noise, count)
    surrogate.fit(rows, values, np.full(count, noise), count)
    return surrogate


def test_it_predicts_what_it_was_not_shown_and_knows_how_well():
    rows = np.random.default_rng(1).uniform(0.1, 1.9, size=(200, 2))
    means, deviations = fitted().predict(rows)
    assert np.abs(means - surface(rows)).max() < 0.06
    assert (np.abs(means - surface(rows)) < 4 * deviations + 0.01).all()
    _, far = fitted().predict(np.array([[6.0, 1.0]]))
    assert far[0] > 5 * deviations.max()


def test_what_it_believes_it_is_sure_of():
    surrogate = fitted(count=10)
    row = np.array([[1.99, 1.99]])
    before = surrogate.predict(row)
    expected = surrogate.believe(row)
    after = surrogate.predict(row)
    assert expected[0] == before[0][0]
    assert after[1][0] < before[1][0]
    assert abs(after[0][0] - before[0][0]) < 0.1


def test_what_was_measured_with_little_error_weighs_more():
    rows = np.repeat(np.linspace(0, 2, 15), 2)[:, None]
    rough = np.arange(30) % 2
    surrogate = Surrogate()
    surrogate.fit(rows, surface(rows) + rough, np.where(rough, 1.0, 0.01), 30)
    assert np.abs(surrogate.means(rows) - surface(rows)).max() < 0.1
