import numpy as np
import pytest

from study.search.surrogate import Surrogate, negative_likelihood


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
    surrogate.believe(row)
    after = surrogate.predict(row)
    assert after[0][0] == pytest.approx(before[0][0])
    assert after[1][0] < before[1][0]
    # The same as if it had been measured exactly there.
    surrogate.believe(np.array([[0.3, 0.3]]))
    assert surrogate.predict(row)[1][0] <= after[1][0]


def test_the_kernel_is_fitted_by_the_gradient_of_the_likelihood():
    generator = np.random.default_rng(0)
    rows, tasks = generator.uniform(0, 2, size=(30, 3)), np.arange(30) % 3
    data = (rows, np.sin(2 * rows[:, 0]) + tasks, np.full(30, 1e-3), tasks)
    at = np.append(np.log([1.0, 1e-2, 1.0, 2.0, 0.7]), [0.8, 0.3])
    _, gradient = negative_likelihood(at, *data)
    steps = 1e-5 * np.eye(7)
    ahead = [negative_likelihood(at + step, *data)[0] for step in steps]
    behind = [negative_likelihood(at - step, *data)[0] for step in steps]
    assert gradient == pytest.approx((np.array(ahead) - behind) / 2e-5, rel=1e-4)


def test_what_was_measured_with_little_error_weighs_more():
    rows = np.repeat(np.linspace(0, 2, 15), 2)[:, None]
    rough = np.arange(30) % 2
    surrogate = Surrogate()
    surrogate.fit(rows, surface(rows) + rough, np.where(rough, 1.0, 0.01), 30)
    assert np.abs(surrogate.means(rows) - surface(rows)).max() < 0.1


@pytest.mark.parametrize("related", [True, False])
def test_a_task_of_the_same_shape_helps_and_another_does_not_mislead(related):
    generator = np.random.default_rng(3)
    rows = generator.uniform(0, 2, size=(70, 2))
    tasks = np.where(np.arange(70) < 60, 1, 0)
    other = surface(rows) if related else -surface(rows[:, ::-1])
    values = np.where(tasks == 1, other + 3, surface(rows))  # on another level
    at = generator.uniform(0.1, 1.9, size=(200, 2))

    def error(kept):
        surrogate = Surrogate()
        noise = np.full(kept.sum(), 0.01)
        surrogate.fit(rows[kept], values[kept], noise, kept.sum(), tasks[kept])
        return np.abs(surrogate.means(at) - surface(at)).mean()

    alone, together = error(tasks == 0), error(tasks >= 0)
    assert together < (0.5 * alone if related else 0.1)  # the surface goes from -1 to 1
