import pytest

from study.results.no_match import explain_no_match
from study.results.query import Filters
from tests.support.written_study import make_home, write_study

TRIALS = [
    ("COMPLETE", 0.8, 0.01, 1000),
    ("COMPLETE", 0.9, 0.01, 20_000, "vann"),
    ("PRUNED", 0.99, 0.01, 10),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = make_home(tmp_path_factory.mktemp("home"))
    write_study(home, "made", TRIALS)
    write_study(home, "one", TRIALS[:1])
    write_study(home, "begun", TRIALS[2:])
    write_study(home, "empty", [])
    write_study(home, "strict", TRIALS, constraints=["val_accuracy >= 0.95"])
    return home


@pytest.mark.parametrize(
    ("name", "asked", "answer"),
    [
        (
            "made",
            {"max_parameters": 100},
            (
                "no complete trial of 'made' has trainable_parameters <= 100; "
                "the closest: trainable_parameters 1,000 (trial 0)"
            ),
        ),
        (
            "made",
            {"min_accuracy": 0.85, "max_parameters": 5000},
            (
                "no complete trial of 'made' has trainable_parameters <= 5,000 "
                "and val_accuracy >= 0.85; "
                "the closest: trainable_parameters 20,000 with val_accuracy >= 0.85 (trial 1); "
                "val_accuracy 0.8 with trainable_parameters <= 5,000 (trial 0)"
            ),
        ),
        (
            "made",
            {"min_accuracy": 0.95, "family": "dann-r"},
            (
                "no complete trial of 'made' of family dann-r has val_accuracy >= 0.95; "
                "the closest: val_accuracy 0.8 (trial 0)"
            ),
        ),
        ("one", {"family": ["vann"]}, "no complete trial of 'one' is of family vann"),
        ("one", {"dendritic": False}, "no complete trial of 'one' is a control"),
        (
            "made",
            {"dendritic": True, "min_accuracy": 0.85},
            (
                "no complete trial of 'made' that is dendritic has val_accuracy >= 0.85; "
                "the closest: val_accuracy 0.8 (trial 0)"
            ),
        ),
        (
            "made",
            {"states": ("FAIL", "RUNNING")},
            "there is no trial in state FAIL or RUNNING of 'made'; it has 2 COMPLETE, 1 PRUNED",
        ),
        (
            "made",
            {"states": (), "min_parameters": 10**6},
            (
                "no trial of 'made' has trainable_parameters >= 1,000,000; "
                "the closest: trainable_parameters 20,000 (trial 1)"
            ),
        ),
        (  # a query for complete trials that may break constraints
            "strict",
            {"states": ("COMPLETE",), "min_accuracy": 0.99},
            (
                "no complete trial of 'strict' has val_accuracy >= 0.99; "
                "the closest: val_accuracy 0.9 (trial 1)"
            ),
        ),
        ("begun", {}, "there is no complete trial of 'begun'; it has 1 PRUNED"),
        ("empty", {}, "there is no complete trial of 'empty'; it has no trial yet"),
        (
            "strict",
            {},
            "every complete trial of 'strict' violates a constraint (val_accuracy >= 0.95)",
        ),
    ],
)
def test_an_empty_answer_says_what_comes_closest(name, asked, answer, home):
    options = {key: asked[key] for key in asked.keys() & {"states"}}
    filters = Filters(**{key: asked[key] for key in asked.keys() - {"states"}})
    assert explain_no_match(name, home, filters, **options) == answer
