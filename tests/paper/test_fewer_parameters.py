import pytest

from tests.support.made_measurements import judged, made_trial

VANN = made_trial(0, "vann", 10_000, 0.90, 0.90)
CLAIM = {"kind": "fewer_parameters", "family": "dann-r", "reference": "vann"}


def dann(number, parameters, val_accuracy, test_accuracy):
    return made_trial(number, "dann-r", parameters, val_accuracy, test_accuracy)


def test_the_smallest_that_is_as_good_on_validation_is_judged_on_test():
    trials = [
        dann(1, 5000, 0.93, 0.99),
        dann(2, 2000, 0.90, 0.92),  # the smallest that reaches 0.90
        dann(3, 1000, 0.89, 0.99),
    ]
    found = judged(CLAIM, VANN, made_trial(9, "vann", 20_000, 0.85, 0.99), *trials)
    assert (found.trial, found.reference_trial) == (2, 0)
    assert (found.trainable_parameters, found.reference_parameters) == (2000, 10_000)
    assert found.ours == pytest.approx(0.02)
    assert (found.verdict, found.unit) == ("holds", "accuracy difference")
    assert found.reason.startswith("5.00 times fewer parameters; ")


@pytest.mark.parametrize(
    ("test_accuracy", "tolerance", "verdict"),
    [(0.90, 0.0, "undecided"), (0.90, 0.005, "holds"), (0.89, 0.005, "does not")],
)
def test_on_test_it_may_be_worse_by_no_more_than_the_tolerance(test_accuracy, tolerance, verdict):
    found = judged(CLAIM | {"tolerance": tolerance}, VANN, dann(1, 2000, 0.91, test_accuracy))
    assert found.verdict == verdict


@pytest.mark.parametrize(("test_accuracy", "verdict"), [(0.88, "does not"), (0.95, "undecided")])
def test_a_family_that_never_reaches_the_reference_is_said_not_to(test_accuracy, verdict):
    found = judged(CLAIM, VANN, dann(1, 2000, 0.80, 0.1), dann(2, 3000, 0.89, test_accuracy))
    assert (found.trial, found.verdict) == (2, verdict)
    assert "no configuration of dann-r reaches the best validation accuracy of vann" in found.reason


def test_a_family_that_reaches_it_with_too_many_parameters_is_said_to():
    trials = [dann(1, 900, 0.89, 0.88), dann(2, 2000, 0.91, 0.91)]
    found = judged(CLAIM | {"at_least": 10}, VANN, *trials)
    assert (found.trial, found.verdict) == (1, "does not")
    assert "the smallest that does is trial 2 with 2,000 parameters" in found.reason
    found = judged(CLAIM | {"at_least": 100}, VANN, *trials)
    assert (found.verdict, found.trial) == ("undecided", None)
    assert found.reason == "no trial of dann-r is small enough"


def test_as_many_parameters_are_not_fewer():
    found = judged(CLAIM, VANN, dann(1, 10_000, 0.95, 0.95))
    assert found.reason == "no trial of dann-r is small enough"
    assert judged(CLAIM, VANN, dann(1, 9999, 0.95, 0.95)).verdict == "holds"


def test_of_losses_the_lowest_is_to_be_reached():
    accurate = made_trial(1, "vann", 5000, 0.95, 0.9, val_loss=0.5)
    trials = [
        made_trial(2, "dann-r", 800, 0.5, 0.95, val_loss=0.09),
        made_trial(3, "dann-r", 700, 0.99, 0.95, val_loss=0.11),
    ]
    found = judged(CLAIM | {"metric": "loss"}, VANN, accurate, *trials)
    assert (found.trial, found.reference_trial, found.unit) == (2, 0, "loss difference")
    assert found.ours == pytest.approx(-0.05)
    assert found.verdict == "holds"


def test_a_published_ratio_stands_in_the_sentence_and_is_not_set_beside_a_difference():
    found = judged(CLAIM | {"published": 12, "at_least": 10}, VANN, dann(1, 900, 0.91, 0.93))
    assert found.published is None
    assert found.statement == (
        "dann-r reaches the best accuracy of vann with at least 10 times fewer parameters "
        "(published: 12 times fewer)"
    )
