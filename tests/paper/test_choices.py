import pytest

from paper.choices import Role, candidates, choose, in_race
from study import TrialRecord

VANN = Role(study="s", family="vann")


def trial(number, accuracy, parameters=1000, *, replicates=2, family="vann", loss=0.5, **changes):
    values = dict.fromkeys(TrialRecord.__dataclass_fields__) | {
        "trial": number,
        "state": "COMPLETE",
        "feasible": True,
        "family": family,
        "architecture": {"somata": parameters},
        "training": {"learning_rate": 0.01},
        "replicates": replicates,
        "trainable_parameters": parameters,
        "val_accuracy": accuracy,
        "val_loss": loss,
    }
    return TrialRecord(**values | changes)


def test_the_best_of_each_role_are_raced_once():
    search = [trial(number, number / 10, 100 * number) for number in range(6)]
    small = VANN.model_copy(update={"max_parameters": 200})
    assert [one.trial for one in candidates([VANN, small], search, 2)] == [1, 2, 4, 5]
    assert candidates([VANN], [], 2) == []


def test_the_choice_is_by_the_seeds_of_search_and_race_together():
    # By the search alone trial 0 wins, whose two seeds were lucky.
    search = [trial(0, 0.91), trial(1, 0.905), trial(2, 0.90)]
    race = {0: trial(5, 0.89, replicates=5), 1: trial(6, 0.904, replicates=5)}
    choice = choose(VANN, "s-data", search, race)
    assert (choice.trial, choice.raced, choice.configurations) == (1, 6, 3)
    assert choice.pooled == pytest.approx((2 * 0.905 + 5 * 0.904) / 7)


def test_what_was_not_raced_cannot_be_chosen_where_there_was_a_race():
    search = [trial(0, 0.99), trial(1, 0.90)]
    assert choose(VANN, "s", search, {1: trial(0, 0.80, replicates=5)}).trial == 1
    assert choose(VANN, "s", search, {7: trial(0, 0.80)}) is None
    assert choose(VANN, "s", search, None).trial == 0
    assert choose(VANN, "s", [], None) is None


def test_a_role_may_fix_settings_bound_the_size_and_choose_by_the_loss():
    search = [
        trial(0, 0.95, 5000, loss=0.6),
        trial(1, 0.90, 900, loss=0.3),
        trial(2, 0.91, 800, loss=0.4),
        trial(3, 0.99, 700, training={"learning_rate": 0.1}),
        trial(4, 0.99, 700, family="mlp"),
        trial(5, 0.99, 700, state="PRUNED"),
        trial(6, 0.99, 700, feasible=False),
    ]
    role = Role(study="s", family="vann", where={"learning_rate": 0.01}, max_parameters=1000)
    assert [one.trial for one in role.ordered(search)] == [2, 1]
    by_loss = role.model_copy(update={"by": "val_loss"})
    assert choose(by_loss, "s", search, None).trial == 1
    assert str(role) == "vann of s, learning_rate = 0.01, at most 1,000 parameters"


def test_trials_of_a_race_are_found_by_their_configuration():
    search = [trial(3, 0.9, 100), trial(4, 0.9, 200)]
    race = [trial(0, 0.8, 200), trial(1, 0.8, 300)]
    assert {number: one.trial for number, one in in_race(search, race, ["somata"]).items()} == {
        4: 0
    }


def test_a_role_without_a_race_is_chosen_by_the_search_alone():
    search = [trial(0, 0.99), trial(1, 0.90)]
    race = {1: trial(0, 0.80, replicates=5)}
    assert choose(VANN.model_copy(update={"raced": False}), "s", search, race).trial == 0


def test_the_smaller_of_equal_networks_above_the_least_size_is_first():
    search = [trial(0, 0.95, 100), trial(1, 0.9, 2000), trial(2, 0.9, 1000)]
    wanted = VANN.model_copy(update={"min_parameters": 500})
    assert [one.trial for one in wanted.ordered(search)] == [2, 1]


def test_another_family_of_the_same_settings_is_another_network():
    race = [trial(0, 0.8, 100, family="mlp")]
    assert in_race([trial(3, 0.9, 100)], race, ["somata"]) == {}
