from study.evaluation import Estimate
from study.generalisation import LossCurves


def curves():
    made = LossCurves()
    for train, validation in (((0.5, 0.5), (0.9, 0.8)), ((0.25, 0.5), (0.7, 0.8))):
        made.add(Estimate(0, 0, train), Estimate(0, 0, validation))
    made.add(Estimate(0, 0, (0.125, 0.25)), Estimate(0, 0, (0.75, 1.25)))
    return made


def test_the_gap_is_that_of_the_last_epoch_of_each_replicate():
    assert curves().gap().tolist() == [0.625, 1.0]


def test_the_lowest_loss_is_the_first_of_equal_ones():
    assert curves().lowest_loss_epoch().tolist() == [2, 1]
