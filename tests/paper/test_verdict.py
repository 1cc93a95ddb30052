"""Verdicts on a study in a real store, in Python and by the command."""

import io
import json
from dataclasses import fields, replace

import pytest
from rich.console import Console

from paper import verdict_table
from paper.__main__ import main
from paper.claim_result import ClaimResult
from paper.files import claims_file
from paper.verdict import verdict
from study import BadInputError, StudySpec, study_spec
from study.errors import NotFoundError
from study.results.retrained_run import Retraining
from study.tracking.store import client
from study.tracking.tags import CONFIG_TAG, PARENT_TAG, RETRAINING_TAG, RETRAINS_TAG, ROLE_TAG
from tests.support.stored_study import config_of, make_home, trial, write_study

SPEC = {
    "name": "made",
    "dataset": "digits",
    "families": ["dann-r", "vann"],
    "replicates": 2,
    "budget": {"epochs": 4},
    "constraints": ["trainable_parameters <= 5000"],
}
CLAIMS = """
[[claims]]
kind = "accuracy"
family = "dann-r"
published = 0.85
source = "Table 1"

[[claims]]
kind = "loss_ratio"
family = "dann-r"
reference = "vann"
at_most = 0.8
"""
TRIALS = [
    trial(0.80, 16),
    trial(0.90, 32),
    trial(0.95, 64),  # breaks the constraint
    trial(0.99, 8, state="PRUNED"),
    trial(0.85, 40, family="vann", synapses=None),
]


def write_retraining(home, parent, number, replicates, accuracy, *, epochs=4, full=False):
    """As `study.results.retrained_run` leaves it, without its network."""
    spec, store = StudySpec.from_dict(SPEC), client(home)
    experiment = store.get_run(parent).info.experiment_id
    wanted = Retraining(trial=number, replicates=replicates, epochs=epochs, full=full)
    config = config_of(number, TRIALS[number], spec) | {"seeds": wanted.seeds(spec)}
    tags = {
        PARENT_TAG: parent,
        ROLE_TAG: "retrained",
        RETRAINS_TAG: str(number),
        RETRAINING_TAG: wanted.to_json(),
        CONFIG_TAG: json.dumps(config),
    }
    run = store.create_run(experiment, tags=tags).info.run_id
    metrics = {"trainable_parameters": 3200, "macs": 2880, "epochs": epochs, "seconds": 1.0}
    metrics |= {"test_accuracy": accuracy, "test_accuracy_sem": 0.0001}
    for name, value in metrics.items():
        store.log_metric(run, name, value)
    store.set_terminated(run)
    return store, run


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = make_home(tmp_path_factory.mktemp("home"))
    parent = write_study(home, SPEC, TRIALS)
    write_retraining(home, parent, 1, 5, 0.70)
    write_retraining(home, parent, 1, 10, 0.85)
    # None of these tells as much: other images, other epochs, a single seed, not finished.
    write_retraining(home, parent, 1, 20, 0.5, full=True)
    write_retraining(home, parent, 1, 30, 0.5, epochs=8)
    store, run = write_retraining(home, parent, 1, 40, 0.5)
    store.update_run(run, status="RUNNING")
    write_retraining(home, parent, 4, 1, 0.5)
    return home


def write_spec(folder, text=CLAIMS, **changes):
    """A spec with these claims beside it."""
    file = folder / "mine.toml"
    file.write_text(StudySpec.from_dict(SPEC | changes).to_toml())
    claims_file(file).write_text(text)
    return file


@pytest.fixture
def spec(tmp_path):
    return write_spec(tmp_path)


def test_the_claims_of_a_study_are_judged_by_its_trials_and_their_retraining(home, spec):
    accuracy, ratio = verdict("made", spec=spec, home=home)
    assert (accuracy.trial, accuracy.ours, accuracy.seeds) == (1, 0.85, 10)
    assert (accuracy.verdict, accuracy.source) == ("holds", "Table 1")
    assert accuracy.trainable_parameters == 3200
    assert (ratio.verdict, ratio.reason) == ("undecided", "trial 1 (dann-r) has no test_loss")


def test_by_default_the_claims_are_those_beside_the_spec_of_the_studys_name(
    home, spec, monkeypatch
):
    monkeypatch.setattr("paper.verdict.SPECS", spec.parent)
    with pytest.raises(BadInputError, match=r"no spec of the paper for the study 'made'; --spec"):
        verdict("made", home=home)
    for file in (spec, claims_file(spec)):
        file.rename(file.with_name(file.name.replace("mine", "made")))
    assert [one.verdict for one in verdict("made", home=home)] == ["holds", "undecided"]


def test_other_claims_leave_the_study_as_it_is(home, tmp_path):
    before = study_spec("made", home=home)
    (found, _) = verdict("made", spec=write_spec(tmp_path, CLAIMS.replace("85", "95")), home=home)
    assert (found.verdict, found.published) == ("does not", 0.95)
    assert study_spec("made", home=home) == before


def test_a_verdict_needs_a_study_claims_and_their_data(home, spec, tmp_path):
    with pytest.raises(NotFoundError, match="no study 'nobody'"):
        verdict("nobody", spec=spec, home=home)
    with pytest.raises(BadInputError, match=r"of the study 'made', name digits, got 'made' with"):
        verdict("made", spec=write_spec(tmp_path, dataset="mnist"), home=home)
    with pytest.raises(BadInputError, match=r"at least one claim to judge, but .*mine.claims.toml"):
        verdict("made", spec=write_spec(tmp_path, ""), home=home)


def test_trials_of_several_studies_are_judged_together(home, spec, tmp_path):
    apart = SPEC | {"name": "apart"}
    write_study(home, apart, [trial(0.93, 40, family="vann", synapses=None)])
    accuracy, ratio = verdict("made", "apart", spec=spec, home=home)
    assert (accuracy.study, accuracy.trial) == ("made", 1)
    assert ratio.reason == "trial 1 of made (dann-r) has no test_loss"
    table = """
    [[claims]]
    kind = "difference"
    family = "dann-r"
    reference = "vann"
    at_least = 0
    """
    (found,) = verdict("made", "apart", spec=write_spec(tmp_path, table), home=home)
    assert (found.study, found.trial) == ("made", 1)
    assert (found.reference_study, found.reference_trial) == ("apart", 0)
    assert "against trial 0 of apart (vann" in found.reason


def test_studies_that_validate_on_other_images_are_not_pooled(home, spec):
    other = SPEC | {"name": "shorter", "dataset": {"name": "digits", "validation_size": 100}}
    write_study(home, other, TRIALS[:1])
    said = r"got 'shorter' with 100 \(key dataset.validation_size\)"
    with pytest.raises(BadInputError, match=said):
        verdict("made", "shorter", spec=spec, home=home)


def ask(home, *arguments):
    place = ["--home", str(home.folder), "--tracking-uri", home.tracking_uri]
    return main(["verdict", *map(str, arguments), *place])


def test_the_command_prints_json_with_every_field(home, spec, capsys):
    assert ask(home, "made", "--spec", spec, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["verdict"] for one in found] == ["holds", "undecided"]
    assert set(found[0]) == {field.name for field in fields(ClaimResult)}


def test_the_command_prints_a_table_and_why(home, spec, capsys):
    assert ask(home, "made", "--spec", spec) == 0
    printed = capsys.readouterr().out
    for text in ("(Table 1)", "85.00 %", "[84.98, 85.02]", "3,200", "holds", "undecided"):
        assert text in printed
    assert "2. undecided: trial 1 (dann-r) has no test_loss\n" in printed


def test_bad_input_ends_with_a_message(home, tmp_path, capsys):
    assert ask(home, "made", "--spec", tmp_path / "absent.toml") == 2
    assert "error: cannot read the spec" in capsys.readouterr().err


FINDING = ClaimResult(
    statement="The test loss of the best dann-lrf is at most 0.8 times that of the best vann",
    source="Table 1",
    kind="loss_ratio",
    published=0.7364,
    ours=0.70123,
    low=0.6512,
    high=0.7533,
    unit="ratio",
    seeds=10,
    trainable_parameters=595_466,
    reference_parameters=42_505_738,
    verdict="holds",
    reason="[0.651, 0.753] is not above 0.800",
)


def test_the_table_fits_eighty_columns():
    screen = Console(width=80, file=io.StringIO())
    undecided = replace(FINDING, verdict="undecided")
    screen.print(verdict_table.verdict_table([FINDING, undecided], "made"))
    text = screen.file.getvalue()
    assert "…" not in text
    for part in ("0.701", "[0.651, 0.753]", "595,466", "(42,505,738)", "holds", "undecided"):
        assert part in text


def test_narrower_terminals_get_paragraphs():
    (text,) = verdict_table.paragraphs([FINDING])
    assert text.splitlines() == [
        f"1. {FINDING.statement} (Table 1)",
        "  verdict: holds",
        "  published: 0.736",
        "  ours: 0.701 [0.651, 0.753]",
        "  seeds: 10",
        "  parameters: 595,466 (42,505,738)",
        "  reason: [0.651, 0.753] is not above 0.800",
    ]
