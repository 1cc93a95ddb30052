import math

from study.training.generalisation import ReplicateCurves, ReplicateValues


def curves(*validation_of_the_third):
    made = ReplicateCurves()
    made.add(ReplicateValues([0.5, 0.5], [0.9, 0.8], [0.1, 0.2]))
    made.add(ReplicateValues([0.25, 0.5], [0.7, 0.8], [0.3, 0.4]))
    made.add(ReplicateValues([0.125, 0.25], list(validation_of_the_third), [0.5, 0.6]))
    return made


def test_the_gap_is_that_of_the_last_epoch_of_each_replicate():
    assert curves(0.75, 1.25).gap().tolist() == [0.625, 1.0]


def test_a_replicate_that_stopped_has_the_gap_of_its_own_last_epoch():
    made = curves(math.nan, 1.25)
    assert made.gap().tolist() == [0.7 - 0.25, 1.0]
    assert made.lowest_loss_epoch().tolist() == [2, 1]


def test_the_lowest_loss_is_the_first_of_equal_ones():
    assert curves(0.75, 1.25).lowest_loss_epoch().tolist() == [2, 1]
