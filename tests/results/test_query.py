import numpy as np
import pytest

from study.errors import SpecError
from study.results.query import Bound, Filters, Order, Query


@pytest.mark.parametrize(
    ("text", "metric", "descending"),
    [
        ("val_accuracy", "val_accuracy", True),
        ("val_accuracy:asc", "val_accuracy", False),
        ("trainable_parameters", "trainable_parameters", False),
        ("epochs:desc", "epochs", True),
        ("trial", "trial", False),
    ],
)
def test_an_order_has_the_better_first_unless_it_says_otherwise(text, metric, descending):
    assert Order.parse(text) == Order(metric, descending=descending)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("val_acuracy", "unknown order 'val_acuracy'; did you mean 'val_accuracy'"),
        ("macs:down", "must have the form METRIC:asc or METRIC:desc, got 'macs:down'"),
        ("test_accuracy", "a test metric is only reported and never an order, got 'test_accuracy'"),
    ],
)
def test_an_order_that_cannot_be_meant_is_refused(text, message):
    with pytest.raises(SpecError, match=message):
        Order.parse(text)


def test_filters_become_bounds():
    largest = np.int64(5000)  # as a table has it
    assert Filters(max_parameters=largest, min_accuracy=0.9, min_epochs=None).bounds() == (
        Bound("trainable_parameters", "<=", 5000),
        Bound("val_accuracy", ">=", 0.9),
    )
    assert str(Bound("trainable_parameters", "<=", 5000)) == "trainable_parameters <= 5,000"
    assert str(Bound("val_accuracy", ">=", 0.95)) == "val_accuracy >= 0.95"


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (
            {"min_accuracy": 90},
            r"`0 <= min_accuracy <= 1` \(--min-accuracy\) must hold, got 90; did you mean 0.9",
        ),
        ({"min_accuracy": "0.7"}, "`min_accuracy` must be a number, got '0.7'"),
        ({"max_macs": -1}, "`max_macs >= 0` must hold, got max_macs=-1"),
        (
            {"min_parameters": 2000, "max_parameters": 1000},
            "`minimum <= maximum` must hold for trainable_parameters, got 2,000 and 1,000",
        ),
    ],
)
def test_bounds_that_nothing_can_keep_are_refused(filters, message):
    with pytest.raises(SpecError, match=message):
        Filters(**filters).bounds()


def test_dendritic_is_true_or_false():
    with pytest.raises(SpecError, match="`dendritic` must be true or false, got 'yes'"):
        Filters(dendritic="yes")


def test_families_are_one_or_several_of_those_searched():
    assert Filters(family="vann").families(["vann", "dann-r"]) == ("vann",)
    assert Filters(family=["vann", "dann-r"]).families(["vann", "dann-r"]) == ("vann", "dann-r")
    assert Filters(family=[]).families(["vann"]) == ()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"states": ("DONE",)}, "unknown state 'DONE'; .*known: RUNNING, COMPLETE"),
        ({"limit": 0}, "`limit >= 1` must hold, got limit=0"),
        ({"order": (Order.parse("macs"), Order.parse("macs:desc"))}, "each metric once, got macs"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(query, message):
    with pytest.raises(SpecError, match=message):
        Query(**query)
