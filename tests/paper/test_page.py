import re

import numpy as np
import pytest

from paper.claims import Claims
from paper.page import PAGE, page
from paper.table import SCHEMA, read, studies_in, write

IMAGES = 10_000


def test_the_page_is_that_of_the_committed_results():
    results = PAGE.parents[1] / "paper" / "results"
    text, _ = page(results)
    assert PAGE.read_text(encoding="utf-8") == text
    assert len(text.splitlines()) <= 200


def test_a_group_of_claims_has_a_row_for_each_when_one_has_a_result(tmp_path):
    claims = Claims.read().claims
    first = claims[0]
    result = f"""[{{"id": "{first.id}", "group": "{first.group}", "verdict": "holds", "value": 0.001,
        "low": -0.001, "high": 0.003, "p": 0.012, "p_against": 1.0}}]"""
    (tmp_path / "verdicts.json").write_text(result)
    text, _ = page(tmp_path)
    row = "| +0.10 [-0.10, +0.30] | 0.012 | holds |"
    start = (
        rf"\| {first.group} \| {first.id} \| within 0.5 points of the published value \| [\d.]+ "
    )
    assert re.search(start + re.escape(row), text)
    own = [one for one in claims if one.group == first.group]
    assert text.count("| not run |") == len(own) - 1 + len({one.group for one in claims}) - 1


def test_the_documented_columns_are_those_of_the_file():
    rows = re.findall(r"^\| (`.*?) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    columns = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(columns) == sorted(SCHEMA.names)


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
                **{name: [0.7, 0.8, 0.85] for name in curves},
            } | (
                {"correct": np.packbits(correct).tobytes(), "test_accuracy": correct.mean()}
                if stage == "test"
                else {}
            )

    write(made(), tmp_path / "networks-fashion_mnist.parquet")
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    assert len(example.strip().splitlines()) <= 10
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(example, "snippet", "exec"), names)  # noqa: S102  # our own
    assert names["after_two_epochs"].tolist() == pytest.approx([0.8])
    assert names["sizes"].tolist() == [938]
    assert names["correct"].shape == (2, IMAGES)
