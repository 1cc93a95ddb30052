import numpy as np

from study.search.surrogate import Surrogate


def surface(rows):
    """What is learned in one feature, and noise: the second feature does not matter."""
    return np.sin(2 * rows[:, 0])


def fitted(count=60, noise=0.02, seed=0):
    generator = np.random.default_rng(seed)
    rows = generator.uniform(0, 2, size=(count, 2))
    surrogate = Surrogate()
    surrogate.fit(rows, surface(rows) + generator.normal(0, noise, count))
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


def test_of_very_many_rows_it_learns_from_the_last_ones():
    surrogate = Surrogate()
    rows = np.linspace(0, 2, 1000)[:, None]
    values = np.where(np.arange(1000) < 600, 99.0, rows[:, 0])
    surrogate.fit(rows, values)
    means, _ = surrogate.predict(np.array([[1.8]]))
    assert abs(means[0] - 1.8) < 0.01
