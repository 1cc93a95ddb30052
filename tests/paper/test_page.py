"""docs/results.md beside the summaries that it is made of."""

import pytest

from paper.figures import figures_of
from paper.files import DOCS, RESULTS, read, spec_files
from paper.page import text
from tests.support.made_summary import finding, summary, trial


def test_the_page_is_what_the_committed_summaries_say():
    assert (DOCS / "results.md").read_text("utf-8") == text(read())


def test_the_readme_says_what_the_controls_of_equal_size_came_to():
    (beyond,) = (one for one in read() if one["name"] == "beyond")
    came = {
        one["reference"]: one["verdict"] for one in beyond["findings"] if one["kind"] == "controls"
    }
    same = dict.fromkeys(("locally-connected", "sann-grf", "dann-lrf"), "undecided")
    beaten = dict.fromkeys(("vann", "mlp", "sparse-mlp"), "holds")
    assert came == {**same, **beaten, "cnn": "does not"}
    readme = " ".join((DOCS.parent / "README.md").read_text("utf-8").split())
    assert (
        "with at most 10,000 parameters: dendritic networks beat vanilla, dense and randomly sparse "
        "ones, do not differ significantly from locally connected ones or from those with shuffled "
        "cables or linear dendrites, and **are beaten by a small CNN**"
    ) in readme


def test_each_figure_is_there_where_its_study_is():
    files = [f"{file}.png" for one in read() for file, _, _ in figures_of(one)]
    assert sorted(files) == sorted(path.name for path in (DOCS / "images").glob("results_*.png"))


def test_committed_summaries_are_small():
    for file in RESULTS.glob("*.json"):
        assert file.stat().st_size < 300_000, file.name


def test_without_studies_it_says_that_none_was_run():
    page = text([])
    assert "No study has been run yet" in page
    for file in spec_files():
        assert f"(../paper/specs/{file.name})" in page


def test_a_study_without_a_complete_trial_has_neither_figures_nor_a_best_network():
    page = text([summary("table1", [trial(0, "vann", 500, 0.9, state="PRUNED")])])
    assert "## Accuracy, loss and parameters" in page
    assert "results_front.png" not in page
    assert "Best configurations" not in page


@pytest.mark.parametrize(
    ("ours", "other", "said"),
    [
        (0.85, 0.90, "Dendritic networks do not beat others of equal size: they are beaten under"),
        (
            0.90,
            0.85,
            "Dendritic networks beat others of equal size under 4 of 4 bounds on the parameters.**",
        ),
        (0.90, 0.9001, "do not beat others of equal size: no difference is significant"),
    ],
)
def test_it_begins_with_whether_dendrites_beat_controls_of_equal_size(ours, other, said):
    trials = [trial(0, "dann-r", 5000, ours), trial(1, "sparse-mlp", 5000, other)]
    page = text([summary("structure", trials)])
    answer = page.partition("## Summary")[2].strip()
    assert answer.splitlines()[0].startswith("**")
    assert said in answer.splitlines()[0]


def test_better_at_one_size_and_worse_at_another_is_both_said():
    trials = [
        trial(0, "dann-r", 5000, 0.80),
        trial(1, "sparse-mlp", 5000, 0.85),
        trial(2, "dann-r", 250_000, 0.95),
    ]
    tried = [*trials, trial(3, "sparse-mlp", 250_000, 0.9)]
    page = text([summary("structure", tried)])
    assert "beat others of equal size under 1 of 4 bounds on the parameters, and are" in page
    assert "and are beaten under 3" in page
    # A network that was never tried as large is not beaten.
    page = text([summary("structure", trials)])
    assert "they are beaten under 3 of 4 bounds on the parameters; under 1 they are ahead" in page
    assert "Only smaller sizes trained: sparse-mlp." in page
    assert not [line for line in page.splitlines() if line.startswith("| sparse-mlp D4 S32 | 300")]


def test_claims_are_counted_and_those_that_do_not_hold_have_their_reasons():
    findings = [
        finding("holds"),
        finding("does not", statement="vann overfits", reason="it does not rise"),
        finding("undecided", ours=None, low=None, high=None, seeds=None, reason="no trial"),
    ]
    page = text([summary("table1", [trial(0, "vann", 9000, 0.88)], findings=findings)])
    assert "Of 3 claims, 1 holds, 1 does not, 1 is undecided (1 of these were not measured)" in page
    assert "**Holds:** 1." in page
    assert "- 2: it does not rise." in page
    assert "**Undecided:** none." in page
    assert "**Not measured:** 1 of 3 claims (no trial)." in page
    rows = [line for line in page.splitlines() if "dann-lrf is as accurate" in line]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[0] for row in cells] == ["1"]
    assert cells[0][2:] == ["Table 1", "90.00 ± 0.20 %", "90.10 % [89.90, 90.30]", "5", "holds"]


def test_the_best_of_each_family_stands_beside_the_published_value():
    given = [finding("holds", family="vann", published=0.8929, published_sd=0.0037)]
    page = text([summary("table1", [trial(0, "vann", 9000, 0.88)], findings=given)])
    row = next(line for line in page.splitlines() if line.startswith("| vann "))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    measured = ["88.00 ± 0.20", "87.00 ± 0.10", "0.1200 ± 0.0030", "5"]
    assert cells == ["vann", "4", "32", "9,000", *measured, "89.29 ± 0.37"]


def test_the_best_of_a_family_has_its_retraining_of_the_most_seeds_beside_it():
    anew = [
        {"full": full, **trial(0, "vann", 9000, 0.8, test_accuracy=test, replicates=seeds)}
        for full, test, seeds in ((False, 0.71, 10), (False, 0.5, 5), (True, 0.5, 20))
    ]
    page = text([summary("table1", [trial(0, "vann", 9000, 0.88)], retrained=anew)])
    row = next(line for line in page.splitlines() if line.startswith("| vann "))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[-4:] == ["5", "71.00 ± 0.10", "0.2000 ± 0.0030", "10"]


def test_the_smallest_network_that_reaches_the_paper_has_its_confirmation():
    trials = [trial(0, "dann-r", 5000, 0.892), trial(1, "dann-lrf", 70_000, 0.905)]
    again = {"full": False, **trial(1, "dann-lrf", 70_000, 0.904, replicates=10)}
    page = text([summary("table1", trials, retrained=[again])])
    assert (
        "has 70,000 parameters (dann-lrf D4 S32, trial 1 of table1) and a test accuracy of "
        "89.40 ± 0.10 % over 10 other seeds." in page
    )
    assert "The smallest retrained network" not in page


def test_the_smallest_that_reaches_it_with_other_seeds_is_told_beside_one_that_does_not():
    trials = [trial(0, "dann-r", 5000, 0.895), trial(1, "dann-lrf", 70_000, 0.905)]
    anew = [{"full": False, **one, "test_accuracy": one["val_accuracy"] - 0.005} for one in trials]
    page = text([summary("table1", trials, retrained=anew)])
    assert "has 5,000 parameters (dann-r D4 S32, trial 0 of table1) and a test" in page
    assert (
        "The smallest retrained network that reaches it on test images with other seeds has 70,000 "
        "parameters (dann-lrf D4 S32, trial 1 of table1) and a test accuracy of 90.00 ± 0.10 % over 5 "
        "other seeds." in page
    )


def test_beyond_the_paper_the_best_under_each_bound_is_told_though_nothing_is_beside_it():
    trials = [trial(0, "dann-r", 5000, 0.89), trial(7, "vann", 70_000, 0.905)]
    page = text([summary("table1", trials)])
    small, large = (
        next(line for line in page.splitlines() if line.startswith(f"| {bound} "))
        for bound in ("10,000", "100,000")
    )
    assert [cell.strip() for cell in small.split("|")][2:-1] == [
        "dann-r D4 S32 (table1 0)",
        "5,000",
        "88.00 ± 0.10",
        "none trained",
        *[""] * 3,
    ]
    assert "vann D4 S32 (table1 7) |     70,000 | 89.50 ± 0.10 | -1.50 [-1.83, -1.17] |" in large


def test_linear_dendrites_are_beside_the_best_dendritic_network_though_of_its_family():
    trials = [
        trial(number, "dann-lrf", 5000, accuracy, dendrite_slope=slope)
        for number, accuracy, slope in ((0, 0.89, 0.0), (1, 0.87, 1.0))
    ]
    page = text([summary("beyond", trials, varied=["dendrite_slope"])])
    assert "The other networks are linear dann-lrf." in page
    rows = [line for line in page.splitlines() if line.startswith("| dann-lrf D4 S32 linear")]
    assert [row.split("|")[-2].split()[0] for row in rows] == ["+2.00"] * 4


def test_tables_are_aligned():
    trials = [trial(0, "dann-r", 5000, 0.89), trial(1, "vann", 70_000, 0.905)]
    page = text([summary("table1", trials, findings=[finding("holds"), finding("undecided")])])
    for block in page.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({len(row) for row in rows}) <= 1, rows[0]
