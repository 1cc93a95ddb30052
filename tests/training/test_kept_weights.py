"""Two replicates with one weight each, which holds the number of the epoch."""

import pytest
import torch

from study.training.kept_weights import KeptWeights
from study.training.settings import TrainingSettings

# By epoch: the accuracies and the losses of both replicates.
EPOCHS = [
    ((0.1, 0.1), (3.0, 3.0)),
    ((0.2, 0.5), (2.0, 4.0)),
    ((0.3, 0.2), (4.0, 2.0)),
    ((0.9, 0.3), (2.0, 3.0)),  # as low as the lowest is no improvement
    ((1.0, 0.4), (0.1, 4.0)),
]


def kept(patience, keep="best"):
    settings = TrainingSettings(epochs=9, learning_rate=1, patience=patience, keep=keep)
    weight = torch.zeros(2, 1)
    return weight, KeptWeights([weight], 2, settings)


def epochs_of(weight, made):
    """The epochs whose weights are kept; what the weights were goes on."""
    before = weight.clone()
    made.put_back()
    found = weight.flatten().tolist()
    weight.copy_(before)
    return found


def after(count, weight, made, first=0):
    for epoch, (accuracy, loss) in list(enumerate(EPOCHS, 1))[first:count]:
        weight.fill_(epoch)
        made.update(torch.tensor(accuracy).double(), torch.tensor(loss).double())
    return made


@pytest.mark.parametrize(
    ("keep", "count", "epochs", "stopped"),
    [
        ("best", 3, [3, 2], [False, False]),
        ("best", 4, [2, 2], [True, False]),
        ("best", 5, [2, 3], [True, True]),
        ("last", 3, [3, 3], [False, False]),
        ("last", 4, [2, 4], [True, False]),
        ("last", 5, [2, 3], [True, True]),
    ],
)
def test_who_waits_too_long_stops_with_its_lowest_loss(keep, count, epochs, stopped):
    weight, made = kept(2, keep)
    after(count, weight, made)
    assert epochs_of(weight, made) == epochs
    assert made.stopped.tolist() == stopped
    rows = [EPOCHS[int(epoch) - 1] for epoch in epochs]
    assert made.accuracy.tolist() == pytest.approx([rows[0][0][0], rows[1][0][1]])
    assert made.loss.tolist() == pytest.approx([rows[0][1][0], rows[1][1][1]])


def test_without_patience_nobody_stops_and_the_state_has_nothing_of_it():
    weight, made = kept(0)
    after(5, weight, made)
    assert epochs_of(weight, made) == [5, 2]
    assert not made.stopped.any()
    assert set(made.state()) == {"kept.0", "kept_accuracy", "kept_loss"}


@pytest.mark.parametrize("count", [1, 3, 4])
def test_what_was_waited_for_is_not_forgotten(count):
    weight, made = kept(2)
    state = {name: tensor.clone() for name, tensor in after(count, weight, made).state().items()}
    other, again = kept(2)
    again.restore(state)
    after(5, other, again, first=count)
    after(5, weight, made, first=count)
    assert epochs_of(other, again) == epochs_of(weight, made) == [2, 3]
    for name, tensor in made.state().items():
        assert torch.equal(again.state()[name], tensor)


def test_what_becomes_of_a_stopped_replicate_is_not_kept():
    weight, made = kept(2)
    after(4, weight, made)
    weight.fill_(float("nan"))
    nothing = torch.full((2,), float("nan"), dtype=torch.float64)
    made.update(torch.where(made.stopped, nothing, 0.4), torch.where(made.stopped, nothing, 1.0))
    assert made.accuracy.tolist()[0] == pytest.approx(0.2)
    assert epochs_of(weight, made)[0] == 2
