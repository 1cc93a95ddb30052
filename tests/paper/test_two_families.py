import pytest

from paper.verdict import judge
from tests.support.made_measurements import claim, judged, made_measurements_of, made_trial

# The lower losses belong to networks that validation does not choose.
DANN = made_trial(0, "dann-r", 1000, 0.90, 0.70)
VANN = made_trial(1, "vann", 9000, 0.91, 0.60)
OTHERS = [made_trial(2, "dann-r", 2000, 0.80, 0.95), made_trial(3, "vann", 8000, 0.80, 0.95)]
PAIR = {"family": "dann-r", "reference": "vann"}


@pytest.mark.parametrize(
    ("at_most", "verdict"), [(0.8, "holds"), (0.75, "undecided"), (0.7, "does not")]
)
def test_losses_of_the_most_accurate_are_divided(at_most, verdict):
    found = judged(PAIR | {"kind": "loss_ratio", "at_most": at_most}, DANN, VANN, *OTHERS)
    assert found.ours == pytest.approx(0.3 / 0.4)
    assert found.low < found.ours < found.high
    assert (found.verdict, found.unit) == (verdict, "ratio")
    assert (found.trial, found.reference_trial) == (0, 1)
    assert (found.trainable_parameters, found.reference_parameters) == (1000, 9000)
    assert "trial 0 (dann-r D2 S8 K4), 5 search seeds, against trial 1" in found.reason


@pytest.mark.parametrize(
    ("bound", "verdict"),
    [
        ({"at_least": 0.09}, "holds"),
        ({"at_least": 0.1}, "undecided"),
        ({"at_least": 0.11}, "does not"),
        ({"at_most": 0.11}, "holds"),
        ({"at_most": 0.09}, "does not"),
    ],
)
def test_a_difference_of_accuracies(bound, verdict):
    found = judged(PAIR | {"kind": "difference"} | bound, DANN, VANN, *OTHERS)
    # Both errors 0.001 with four degrees of freedom each: eight together, 2.306 * 0.001 * sqrt(2).
    assert (found.ours, found.low, found.high) == pytest.approx((0.1, 0.09674, 0.10326), abs=1e-5)
    assert (found.verdict, found.unit) == (verdict, "accuracy difference")


def test_a_difference_may_be_of_a_diagnostic_and_of_one_family():
    def measured(value):
        name = "layer1_somata_silhouette"
        return {"diagnostics": {name: value, f"{name}_sem": 0.001}}

    flat = made_trial(0, "dann-r", 1000, 0.8, 0.7, **measured(0.2))
    deep = made_trial(4, "dann-r", 1500, 0.85, 0.7, settings={"layers": 2}, **measured(0.3))
    table = {
        "kind": "difference",
        "metric": "layer1_somata_silhouette",
        "family": "dann-r",
        "reference": "dann-r",
        "where": {"layers": 2},
        "reference_where": {"layers": 1},
        "at_least": 0,
    }
    found = judged(table, flat, deep)
    assert (found.trial, found.reference_trial, found.verdict) == (4, 0, "holds")
    assert found.unit == "layer1_somata_silhouette difference"
    assert found.statement == (
        "The layer1 somata silhouette of the best dann-r where layers = 2 minus that of the best "
        "dann-r where layers = 1 is at least +0.0000"
    )


def test_a_retraining_has_the_say_and_its_seeds_are_named():
    again = made_trial(0, "dann-r", 1000, 0.88, 0.5, replicates=10)
    found = judged(PAIR | {"kind": "difference", "at_least": 0}, DANN, VANN, retrained=[again])
    assert (found.ours, found.seeds, found.verdict) == (pytest.approx(-0.1), 10, "does not")
    assert "10 retraining seeds, against trial 1 (vann D2 S8), 5 search seeds" in (found.reason)


def test_controls_are_as_small_as_the_best_or_as_is_said():
    trials = [
        DANN,
        made_trial(2, "mlp", 1000, 0.80, 0.60),
        made_trial(3, "mlp", 1001, 0.95, 0.95),
        made_trial(4, "sann", 900, 0.89, 0.70),
    ]
    table = {"kind": "controls", "families": ["dann-r"], "controls": ["mlp", "sann", "cnn"]}
    mlp, sann, cnn = judge(claim(**table), made_measurements_of(*trials))
    assert (mlp.reference, mlp.reference_trial, mlp.verdict) == ("mlp", 2, "holds")
    assert (sann.reference_trial, sann.verdict) == (4, "undecided")
    assert (cnn.reference, cnn.verdict) == ("cnn", "undecided")
    assert cnn.reason == "no trial of cnn with at most 1,000 parameters"
    (found,) = judge(
        claim(**table | {"controls": ["mlp"]}, where={"synapses": 4}), made_measurements_of(*trials)
    )
    assert found.reason == "no trial of mlp with at most 1,000 parameters where synapses = 4"
    (found,) = judge(
        claim(**table | {"controls": ["mlp"]}, where={"synapses": 4}, reference_where={}),
        made_measurements_of(*trials),
    )
    assert found.reference_trial == 2
    found, *_ = judge(claim(**table, max_parameters=2000), made_measurements_of(*trials))
    assert (found.reference_trial, found.verdict) == (3, "does not")
    assert found.statement == (
        "The best dann-r is more accurate than the best mlp with at most 2,000 parameters"
    )


def test_a_loss_of_nothing_has_no_ratio():
    perfect = made_trial(1, "vann", 9000, 0.91, 1.0)
    found = judged(PAIR | {"kind": "loss_ratio", "at_most": 0.8}, DANN, perfect)
    assert found.verdict == "undecided"
    assert "means above zero" in found.reason
