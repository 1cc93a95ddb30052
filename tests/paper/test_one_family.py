import pytest

from tests.support.made_measurements import judged, made_trial

# The interval of five seeds with a standard error of 0.001 is 0.00278 to both sides.
VANN = made_trial(3, "vann", 5000, 0.90, 0.893)
ACCURACY = {"kind": "accuracy", "family": "vann", "source": "Table 1"}


@pytest.mark.parametrize(
    ("published", "tolerance", "verdict", "side"),
    [
        (0.893, 0.005, "holds", "+0.00 points"),
        (0.891, 0.005, "holds", "+0.20 points"),
        (0.890, 0.005, "undecided", "+0.30 points"),
        (0.880, 0.005, "does not", "+1.30 points"),
        (0.900, 0.004, "does not", "-0.70 points"),
    ],
)
def test_an_accuracy_agrees_where_its_interval_is_within_the_tolerance(
    published, tolerance, verdict, side
):
    found = judged(ACCURACY | {"published": published, "tolerance": tolerance}, VANN)
    assert found.verdict == verdict
    assert f"; {side} from the published value; " in found.reason
    assert (found.ours, found.low, found.high) == pytest.approx((0.893, 0.89022, 0.89578), abs=1e-5)
    assert (found.unit, found.seeds, found.trial, found.trainable_parameters) == (
        "accuracy",
        5,
        3,
        5000,
    )
    assert (found.source, found.kind, found.family) == ("Table 1", "accuracy", "vann")


def test_the_published_value_is_uncertain_too():
    table = ACCURACY | {"published": 0.890, "tolerance": 0.005}
    # 0.893 +- 0.00278 against 0.890 needs a margin of 0.00578. Student's 2.776 times sd / sqrt(4), the
    # standard deviation being divided by five, not by four: 0.00083, and 0.00069, are added to 0.005.
    assert judged(table | {"published_sd": 0.0006}, VANN).verdict == "holds"
    assert judged(table | {"published_sd": 0.0005}, VANN).verdict == "undecided"
    assert judged(table | {"published_sd": 0.0}, VANN).verdict == "undecided"


def test_one_replicate_decides_nothing():
    alone = made_trial(3, "vann", 5000, 0.9, 0.893, replicates=1, test_accuracy_sem=None)
    found = judged(ACCURACY | {"published": 0.893}, alone)
    assert (found.verdict, found.ours, found.low, found.seeds) == ("undecided", 0.893, None, 1)
    assert found.reason.startswith("a single seed has no interval; ")
    assert found.reason.endswith("trial 3 (vann D2 S8), 1 search seed")


def test_a_family_without_a_trial_decides_nothing():
    found = judged(ACCURACY | {"published": 0.893, "where": {"layers": 2}}, VANN)
    assert (found.verdict, found.ours, found.trial) == ("undecided", None, None)
    assert found.reason == "no trial of vann where layers = 2"


UNDER = [
    {"kind": "parameters", "target_accuracy": 0.85, "at_most": 8000},
    {"kind": "accuracy_under", "at_least": 0.85, "max_parameters": 8000},
]


@pytest.mark.parametrize("table", UNDER)
@pytest.mark.parametrize(
    ("test_accuracy", "verdict"), [(0.86, "holds"), (0.851, "undecided"), (0.84, "does not")]
)
def test_the_best_of_validation_under_a_size_is_judged_on_test(table, test_accuracy, verdict):
    trials = [
        made_trial(0, "dann-r", 8000, 0.87, test_accuracy),
        made_trial(1, "dann-r", 4000, 0.86, 0.99),  # better on test, which does not choose
        made_trial(2, "vann", 8001, 0.95, 0.95),
    ]
    found = judged(table, *trials)
    assert (found.trial, found.family, found.verdict) == (0, "dann-r", verdict)


@pytest.mark.parametrize("table", UNDER)
def test_nothing_is_small_enough(table):
    found = judged(table | {"families": ["vann"]}, VANN, made_trial(1, "dann-r", 10, 0.9, 0.9))
    assert found.trial == 3
    found = judged(table | {"families": ["vann"]}, made_trial(2, "vann", 8001, 0.95, 0.95))
    assert found.verdict == "undecided"
    assert found.reason == "no trial of vann with at most 8,000 parameters"
