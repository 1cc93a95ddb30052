import pytest

from paper.statement import statement
from tests.support.made_measurements import claim

PAIR = {"family": "dann-lrf", "reference": "vann"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            {"kind": "accuracy", "family": "vann", "published": 0.8929, "where": {"dropout": 0.5}},
            "The best vann has a test accuracy of 89.29 %, give or take 0.5 points where dropout = 0.5",
        ),
        (
            PAIR | {"kind": "loss_ratio", "at_most": 0.8},
            "The test loss of the best dann-lrf is at most 0.8 times that of the best vann",
        ),
        (
            PAIR | {"kind": "difference", "at_most": 0.01, "where": {"layers": 2}},
            (
                "The test accuracy of the best dann-lrf minus that of the best vann is at most "
                "+1.00 points where layers = 2"
            ),
        ),
        (
            PAIR | {"kind": "fewer_parameters", "metric": "loss"},
            "dann-lrf reaches the best loss of vann with fewer parameters",
        ),
        (
            {"kind": "size_trend", "family": "vann", "direction": "does not rise"},
            "The test loss of larger vann networks does not rise with their size",
        ),
        (
            {"kind": "parameters", "target_accuracy": 0.893, "at_most": 8000},
            "A network of at most 8,000 parameters reaches a test accuracy of 89.30 %",
        ),
        (
            {
                "kind": "accuracy_under",
                "families": ["dann-r", "dann-lrf"],
                "max_parameters": 10_000,
                "at_least": 0.88,
            },
            (
                "The best dann-r or dann-lrf of at most 10,000 parameters has a test accuracy of at "
                "least 88.00 %"
            ),
        ),
        (
            {
                "kind": "controls",
                "families": ["dann-r"],
                "controls": ["mlp"],
                "reference_where": {"dropout": 0.5},
                "at_least": 0.01,
            },
            (
                "The best dann-r is +1.00 points more accurate than the best mlp where "
                "dropout = 0.5 that is no larger"
            ),
        ),
    ],
)
def test_a_claim_is_a_sentence(table, said):
    assert statement(claim(**table)) == said
