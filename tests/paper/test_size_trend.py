import pytest
from scipy import stats

from tests.support.made_measurements import judged, made_trial

CLAIM = {"kind": "size_trend", "family": "vann", "direction": "rises"}
# The four smaller ones fall steeply; from the median on the loss rises by 0.1 a decade, nearly.
LOSSES = {1: 0.9, 2: 0.8, 3: 0.7, 4: 0.6, 10**3: 0.30, 10**4: 0.41, 10**5: 0.50, 10**6: 0.61}
RISING = [
    made_trial(number, "vann", size, 0.9, 0.9, test_loss=loss)
    for number, (size, loss) in enumerate(LOSSES.items())
]


def test_the_larger_half_decides():
    found = judged(CLAIM, *reversed(RISING))
    line = stats.linregress([3, 4, 5, 6], [0.30, 0.41, 0.50, 0.61])
    half = stats.t.ppf(0.975, 2) * line.stderr
    assert found.ours == pytest.approx(0.102)
    assert (found.low, found.high) == pytest.approx((0.102 - half, 0.102 + half))
    assert (found.verdict, found.unit, found.trial, found.seeds) == (
        "holds",
        "loss per decade",
        None,
        5,
    )
    assert found.reason.endswith("4 configurations of 1,000 to 1,000,000 parameters")


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"direction": "does not rise"}, "does not"),
        ({"direction": "does not rise", "tolerance": 0.2}, "holds"),
        ({"tolerance": 0.1}, "undecided"),
        ({"tolerance": 0.2}, "does not"),
    ],
)
def test_a_rise_is_more_than_the_tolerance(change, verdict):
    assert judged(CLAIM | change, *RISING).verdict == verdict


def test_settings_that_vary_are_no_trend():
    other = made_trial(9, "vann", 10**5, 0.9, 0.9, settings={"layers": 2})
    found = judged(CLAIM, *RISING, other)
    assert found.verdict == "undecided"
    assert found.reason == "the trials of vann differ in layers, of which `where` must name one"
    assert judged(CLAIM | {"where": {"layers": 1}}, *RISING, other).verdict == "holds"


def test_three_configurations_are_no_trend():
    found = judged(CLAIM, *RISING[3:])
    assert found.verdict == "undecided"
    assert "needs 4 configurations of different sizes or more, got 3 of vann" in found.reason
    same = [made_trial(number, "vann", 1000, 0.9, 0.9) for number in range(5)]
    assert judged(CLAIM, *same).verdict == "undecided"
