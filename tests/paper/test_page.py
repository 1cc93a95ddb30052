import json
import re
from dataclasses import asdict

import numpy as np
import pytest

from paper.claims import Claims
from paper.details_page import PAGE as DETAILS_PAGE
from paper.details_page import details_page
from paper.effects import EFFECTS, cells, effects, planned_cells
from paper.evidence import Evidence
from paper.figures import TITLES
from paper.judge import judge
from paper.page import PAGE, page, stored
from paper.plan import Plan
from paper.table import SCHEMA, read, studies_in, write
from tests.support.processes import ROOT
from tests.support.whole_results import whole_results

IMAGES = 10_000


RESULTS = PAGE.parents[1] / "paper" / "results"


def test_the_pages_are_those_of_the_committed_results():
    text, _ = page(RESULTS)
    assert PAGE.read_text(encoding="utf-8") == text
    assert len(text.splitlines()) <= 200
    assert DETAILS_PAGE.read_text(encoding="utf-8") == details_page(RESULTS)


def test_the_results_of_claims_are_on_both_pages(tmp_path):
    claims = Claims.read()
    first = claims.claims[0]
    own = [one for one in claims.claims if one.group == first.group]
    result = {"id": first.id, "group": first.group, "verdict": "holds", "value": 0.001}
    result |= {"low": -0.001, "high": 0.003, "p": 0.012, "p_against": 1.0}
    result |= {"configurations": [20, 2], "is_ratio": False}
    (tmp_path / "verdicts.json").write_text(json.dumps([result]))
    others = ", ".join(one.label for one in own[1:])
    assert f"| {first.label} |  |  | not run: {others} |" in page(tmp_path)[0]
    text = details_page(tmp_path)
    start = rf"\| {first.group} \| {first.id} \| {first.criterion} \| [\d.]+ "
    row = "| 20, 2 | +0.10 [-0.10, +0.30] | 0.012 | holds |"
    assert re.search(start + re.escape(row), text)
    assert text.count("| not run |") == len(claims.claims) - 1


def test_the_sentence_of_the_readme_is_what_the_claims_say():
    found = {one["id"]: one["verdict"] for one in stored(RESULTS, "verdicts")}
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert (
        "results.md): at equal size, dendritic networks beat vanilla ones, not sparse ones or CNNs."
        in text
    )
    vanilla = {f"under-{size}-{one}" for size in ("10k", "30k") for one in ("vann", "mlp")}
    assert {found[one] for one in vanilla} == {"holds"}
    others = {one for one in found if one.startswith("under-")} - vanilla
    assert {found[one] for one in others} <= {"undecided", "does not hold", "not run"}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            [
                (0, "3k", 0.1, 0),
                (0, "30k", 0.002, 0),
                (1, "30k", -0.015, 0.04),
                (2, "30k", 1, 0.06),
            ],
            [
                "at 30,000 parameters",
                "*Raises accuracy:* {0} +0.20 (-0.10 to +0.30).",
                "*Lowers it:* {1} -1.50 (-0.10 to +0.30).",
                "*No significant effect:* {2}.",
            ],
        ),
        (
            [(0, None, 0.01, 0), (0, "30k", 0.02, 0), (1, "30k", 0, 1), (0, "100k", 0.3, 0)],
            [
                "at 30,000 parameters",
                "*Raises accuracy:* {0} +2.00 (-0.10 to +0.30).",
                "*No significant effect:* {1}.",
            ],
        ),
        (
            [(0, None, 0.01, 0), (1, None, 0.02, 0.01), (0, "100k", 0.3, 0)],
            [
                "on average over the sizes of an effect",
                "*Raises accuracy:* {1} +2.00 (-0.10 to +0.30); {0} +1.00 (-0.10 to +0.30).",
            ],
        ),
    ],
)
def test_the_answer_tells_what_the_effect_is_made_of(tmp_path, found, said):
    names = list(EFFECTS)
    rows = [
        {"name": names[name], "size": size, "value": value, "low": -0.001, "high": 0.003, "p": p}
        for name, size, value, p in found
    ]
    (tmp_path / "effects.json").write_text(json.dumps(rows))
    where, *lines = (one.format(*names) for one in said)
    unit = "in points of test accuracy with 95 % intervals:*"
    expected = [
        f"- *Effects of single choices, {where}, {unit}",
        *(f"  - {one}" for one in lines),
    ]
    assert "\n".join([*expected, "", "## Answers"]) in page(tmp_path)[0]


@pytest.mark.slow
def test_the_page_of_all_results_has_every_answer_and_fits(tmp_path):
    rows, choices = whole_results()
    write(rows.to_dict("records"), tmp_path / "networks-fashion_mnist.parquet")
    text = json.dumps([one.model_dump(mode="json") for one in choices])
    (tmp_path / "choices-fashion_mnist.json").write_text(text)
    rows = read(tmp_path / "networks-fashion_mnist.parquet")
    found = judge(Claims.read().claims, Evidence(rows, choices))
    searched = {one.verdict for one in found if not one.id.startswith("under-")}
    assert searched <= {"holds", "does not hold", "undecided"}
    assert {one.verdict for one in found if one.id.startswith("under-")} == {"not searched"}
    of_factorial = effects(cells(rows), planned_cells(Plan.read()))
    assert {one.name for one in of_factorial} == set(EFFECTS)
    for name, results in (("verdicts", found), ("effects", of_factorial)):
        (tmp_path / f"{name}.json").write_text(json.dumps([asdict(one) for one in results]))
    shown, drawn = page(tmp_path)
    assert len(shown.splitlines()) <= 200
    assert "studies on Fashion-MNIST have run" not in shown
    assert "not been run yet" not in shown
    assert list(drawn) == list(TITLES)
    assert all(one.data for one in drawn.values())
    group = Claims.read().groups["Table 1: accuracy"]
    start = re.escape(f"- *T{group.says[1:]} (difference above 0 points):*")
    assert re.search(rf"{start} [a-z ]+ for dann-r \([+-]\d\.\d\d\)", shown.split("## ")[0])
    assert "| fashion_mnist | dann-lrf D" in shown


def test_the_documented_columns_are_those_of_the_file():
    rows = re.findall(
        r"^\| (`.*?) \|", DETAILS_PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    columns = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(columns) == sorted(SCHEMA.names)


def test_the_details_tell_what_each_study_was_run_with(tmp_path):
    """Of one environment for all, no list of studies."""

    def shown(*cores):
        for study, number in zip("ab", cores, strict=True):
            about = {"versions": {"python": "3.11"}, "processor": "A processor", "cores": number}
            row = {"study": study, "environment": json.dumps(about)}
            write([row], tmp_path / "networks-fashion_mnist.parquet")
        return details_page(tmp_path)

    assert "\nAll recorded studies ran on 2 cores (A processor) with python 3.11.\n" in shown(2, 2)
    both = shown(2, 4)
    assert "\na ran on 2 cores (A processor) with python 3.11.\n" in both
    assert "\nb ran on 4 cores (A processor) with python 3.11.\n" in both


def test_studies_are_added_to_the_file_and_replace_their_own_rows(tmp_path):
    file = tmp_path / "networks-fashion_mnist.parquet"
    assert studies_in(file) == set()
    for name, seeds in (("a", 2), ("b", 3), ("a", 1)):
        write(({"study": name, "seed": seed} for seed in range(seeds)), file)
    assert studies_in(file) == {"a", "b"}
    assert read(file).groupby("study")["seed"].apply(list).to_dict() == {"a": [0], "b": [0, 1, 2]}


def test_the_example_of_the_benchmark_file_runs(tmp_path, monkeypatch):
    generator = np.random.default_rng(0)

    def made():
        for stage, seed in (("search", 0), ("search", 1), ("test", 2), ("test", 3)):
            correct = generator.random(IMAGES) < 0.9
            curves = ("val_accuracy_curve", "val_loss_curve", "train_loss_curve")
            yield {
                "study": "table1-vann",
                "stage": stage,
                "trial": 0,
                "seed": seed,
                "trainable_parameters": 938,
                "images": IMAGES,
                **{name: [0.7, 0.8, 0.85] for name in curves},
            } | (
                {"correct": np.packbits(correct).tobytes(), "test_accuracy": correct.mean()}
                if stage == "test"
                else {}
            )

    write(made(), tmp_path / "networks-fashion_mnist.parquet")
    (example,) = re.findall(
        r"```python\n(.*?)```", DETAILS_PAGE.read_text("utf-8"), flags=re.DOTALL
    )
    assert len(example.strip().splitlines()) <= 10
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(example, "snippet", "exec"), names)  # noqa: S102  # our own
    assert names["by_size"].to_dict() == {("table1-vann", 0, 938): pytest.approx(0.8)}
    assert names["correct"].shape == (2, IMAGES)
