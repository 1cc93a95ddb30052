import json

from study.report.mlflow_page import description
from study.spec.study_spec import StudySpec
from tests.support.stored_study import record, trial

SPEC = {"name": "made", "dataset": "digits", "families": ["dann-r", "vann"], "seed": 3}


def front_member(number):
    return record(number, trial(0.9), StudySpec.from_dict(SPEC), on_front=True)


def test_it_says_what_was_searched_what_came_out_and_how_to_do_it_again():
    environment = {"versions": {"torch": "2.14.1"}, "commit": "abc", "machine": {"cores": 2}}
    tags = {"study.command": "study run made.toml", "study.environment": json.dumps(environment)}
    text = description(StudySpec.from_dict(SPEC), [front_member(7)], tags, {"trials": "#/runs"})
    assert (
        "**made** ([trials](#/runs)) searches dann-r, vann on digits for val_accuracy (maximize)"
        in text
    )
    (row,) = [line for line in text.splitlines() if line.startswith("| 7 |")]
    (heads,) = [line for line in text.splitlines() if line.startswith("| trial |")]
    assert "| parameters | wiring bits | bytes | validation accuracy % |" in heads
    assert row.count("|") == heads.count("|")
    assert "`study run made.toml`" in text
    assert "- versions: torch 2.14.1" in text
    assert "- commit: abc" in text


def test_a_long_front_is_cut_to_what_mlflow_takes():
    members = [front_member(number) for number in range(500)]
    text = description(
        StudySpec.from_dict(SPEC | {"constraints": ["macs <= 1e6"]}), members, {}, {}
    )
    assert "and 460 more, in `front.csv`" in text
    assert "Constraints: `macs <= 1e6`" in text
    assert len(text) < 8000
    assert "`study run spec.toml`" in text


def test_the_spec_that_is_kept_runs_the_same_study_again(tmp_path):
    spec = StudySpec.from_dict(
        SPEC | {"space": {"dendrites": {"low": 1, "high": 8}}, "budget": {"total_epochs": 90}}
    )
    (tmp_path / "spec.toml").write_text(spec.to_toml())
    assert StudySpec.from_toml(tmp_path / "spec.toml") == spec
