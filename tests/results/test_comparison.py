import json

import pytest

from study.errors import BadInputError, NotFoundError
from study.results.comparison import compare
from study.search.pareto import hypervolume
from tests.support.written_study import make_home, write_study

FIRST = [
    ("COMPLETE", 0.8, 0.01, 1000),
    ("COMPLETE", 0.9, 0.01, 20_000),
    ("PRUNED", 0.99, 0.01, 10),
]
SECOND = [("COMPLETE", 0.85, 0.01, 1000), ("COMPLETE", 0.95, 0.01, 40_000)]
OBJECTIVES = {"val_accuracy": "maximize", "trainable_parameters": "minimize"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = make_home(tmp_path_factory.mktemp("home"))
    write_study(home, "first", FIRST)
    write_study(home, "second", SECOND)
    write_study(home, "same", SECOND, data="a" * 64)
    write_study(home, "changed", SECOND, data="b" * 64)
    other_place = {"name": "digits", "root": "/elsewhere", "withhold_test": True}
    write_study(home, "withheld", SECOND, data="c" * 64, dataset=other_place)
    coarse = {"name": "digits", "grey": True, "resize": 4}
    write_study(home, "coarse", SECOND, dataset=coarse)
    write_study(home, "begun", FIRST[2:], dataset="mnist", seed=3)
    write_study(home, "exact", SECOND, objectives={"val_loss": "minimize"})
    return home


def test_studies_are_compared_by_what_they_spent_and_found(home):
    found = compare(["first", "second"], home=home)
    frame = found.frame()
    assert frame.index.tolist() == ["first", "second"]
    assert frame["trials"].tolist() == [3, 2]
    assert frame["epochs"].tolist() == [6, 4]
    assert frame["front"].tolist() == [2, 2]
    assert frame["joint_front"].tolist() == [1, 2]
    assert frame["best_val_accuracy"].tolist() == [0.9, 0.95]
    assert found.accuracy == 0.9  # what both reach
    assert frame["smallest_parameters"].tolist() == [20_000, 40_000]
    points = [(0.8, 1000), (0.9, 20_000)]
    assert frame["hypervolume"].iloc[0] == pytest.approx(hypervolume(points, OBJECTIVES))
    assert found.differences == ()


def test_the_joint_front_says_whose_its_trials_are(home):
    frame = compare(["first", "second"], home=home).front_frame()
    rows = frame.reset_index()[["study", "trial", "trainable_parameters"]]
    assert rows.values.tolist() == [
        ["second", 0, 1000],
        ["first", 1, 20_000],
        ["second", 1, 40_000],
    ]
    table = compare(["first", "second"], home=home).to_dict()
    assert [one["study"] for one in json.loads(json.dumps(table))["front"]] == rows[
        "study"
    ].tolist()


def test_the_accuracy_may_be_given(home):
    found = compare(["first", "second"], min_accuracy=0.84, home=home)
    assert [one.smallest.trainable_parameters for one in found.studies] == [20_000, 1000]
    nobody = compare(["first", "second"], min_accuracy=0.99, home=home)
    assert [one.smallest for one in nobody.studies] == [None, None]


def test_what_makes_a_comparison_unfair_is_said(home):
    found = compare(["first", "begun"], home=home)
    data, split = found.differences
    assert data.endswith("are not comparable: first: digits; begun: mnist")
    assert split.endswith(
        "validation a tenth, seed 0; begun: train all else, validation a tenth, seed 3"
    )
    assert (found.accuracy, found.studies[1].status.best) == (None, None)
    assert found.frame()["smallest_trial"].isna().all()


def test_a_file_that_was_changed_between_two_studies_is_said_with_both_hashes(home):
    (said,) = compare(["same", "changed"], home=home).differences
    assert f"are not comparable: same: SHA-256 {'a' * 64}; changed: SHA-256 {'b' * 64}" in said
    assert compare(["same", "second"], home=home).differences == ()
    # Another place of the files, or withheld test images, are no other data.
    (said,) = compare(["same", "withheld"], home=home).differences
    assert said.endswith(f"same: SHA-256 {'a' * 64}; withheld: SHA-256 {'c' * 64}")


def test_images_of_another_size_or_without_colour_are_other_data(home):
    (said,) = compare(["first", "coarse"], home=home).differences
    assert said.endswith("first: digits; coarse: digits, grey, resized to 4 x 4")


def test_studies_with_other_objectives_have_no_joint_front(home):
    found = compare(["first", "exact"], home=home)
    (said,) = found.differences
    assert (
        "first: trainable_parameters minimize, val_accuracy maximize; exact: val_loss min" in said
    )
    assert found.front == ()
    assert [one.joint for one in found.studies] == [None, None]
    assert found.front_frame().empty


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["first", "first"], BadInputError, "two or more studies, got first"),
        (["first", "secnd"], NotFoundError, "no study 'secnd' .* did you mean 'second'"),
    ],
)
def test_a_comparison_is_of_two_that_exist(names, error, message, home):
    with pytest.raises(error, match=message):
        compare(names, home=home)
