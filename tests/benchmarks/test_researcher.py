"""The script of a researcher beside which whole studies are timed, and the clock of both."""

from datetime import UTC, datetime

import pytest
import torch
from optuna.trial import TrialState, create_trial

from benchmarks.search import end_to_end, researcher
from models.architecture import Architecture
from models.counting import counts_of


@pytest.mark.parametrize("family", ["dann-lrf", "dann-r", "vann"])
def test_its_networks_have_the_sizes_of_ours(family):
    made = researcher.network(family, 64, 2)
    synapses = None if family == "vann" else researcher.SYNAPSES
    ours = Architecture(family=family, somata=64, dendrites=2, synapses=synapses)
    parameters, _ = counts_of(ours, (1, 28, 28), 10)
    assert researcher.parameters_of(made) == parameters


def test_its_networks_learn_and_keep_their_masks():
    torch.manual_seed(0)
    labels = torch.arange(500) % 10
    images = torch.rand(500, 28 * 28) / 10 + torch.nn.functional.one_hot(labels, 784)
    model = researcher.network("dann-lrf", 64, 2)
    first = model[0]
    off = first.weight.detach()[first.mask == 0].clone()
    images[:, ::7] += labels[:, None] / 10
    accuracies = list(researcher.epochs(model, 1e-2, (images, labels, images, labels)))
    assert len(accuracies) == researcher.EPOCHS
    assert accuracies == sorted(accuracies)
    assert accuracies[-1] > 0.3
    assert (first.weight.detach()[first.mask == 0] == off).all()


def test_the_front_grows_with_each_complete_trial_in_the_order_of_their_ends():
    def trial(number, ended, values, state=TrialState.COMPLETE, **attributes):
        made = create_trial(
            state=state,
            values=values if state == TrialState.COMPLETE else None,
            params={},
            distributions={},
            user_attrs=attributes,
        )
        made.number = number
        made.datetime_complete = datetime.fromtimestamp(ended, tz=UTC)
        return made

    trials = [
        trial(0, 130, [0.85, 1000]),
        trial(1, 110, [0.9, 4.0], trainable_parameters=10_000),
        trial(2, 120, None, TrialState.FAIL),
    ]
    grown = list(end_to_end.growth(trials, start=100))
    assert [after for after, _ in grown] == [10, 30]
    # Of the box's accuracies and of its logarithmic sizes, the first point dominates a half and 2/3; the
    # second then adds a quarter and 1/3.
    assert [volume for _, volume in grown] == [round(one, 4) for one in (1 / 3, 1 / 3 + 1 / 12)]


def test_what_lies_outside_the_box_counts_for_nothing():
    assert end_to_end.hypervolume([(0.7, 2000), (0.95, 2e6)]) == 0


@pytest.mark.parametrize("name", end_to_end.COMMANDS)
def test_a_command_keeps_its_journal_in_its_folder(name, tmp_path):
    command, journal = end_to_end.COMMANDS[name](tmp_path, tmp_path / "data", 3)
    assert journal.is_relative_to(tmp_path)
    assert journal.name == "search.journal"
    assert str(tmp_path / "data") in " ".join(command)
    assert end_to_end.trials_of(journal) == []


def test_its_table_tells_when_the_goal_was_reached_and_what_is_a_bound():
    def one(*growth):
        return {
            "limit": 100,
            "growth": [(after, share * end_to_end.GOAL) for after, share in growth],
        }

    runs = {
        "study": {"0": one((4, 0.5), (5, 1), (10, 1.1)), "1": one((8, 1.1)), "2": one((10, 1))},
        "researcher": {"0": one((50, 1)), "1": one((60, 0.9)), "2": one((20, 1))},
    }
    assert end_to_end.table({"runs": runs})[2:] == [
        "| `study run`, s | 5 | 8 | 10 | 8 |",
        "| script, s | 50 | > 100 | 20 | 50 |",
        "| script / `study run` | 10.0 | > 12.5 | 2.0 | 10.0 |",
    ]
    runs["researcher"]["1"]["limit"] = 40  # at least 5 times: the median may be 10, or more
    assert end_to_end.table({"runs": runs})[-1].endswith("| 10.0 | > 5.0 | 2.0 | > 5.0 |")
