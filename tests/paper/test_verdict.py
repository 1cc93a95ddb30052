"""Verdicts on a study in a real store, in Python and by the command."""

import io
import json
from dataclasses import fields, replace

import pytest
from rich.console import Console
from stored_study import config_of, make_home, trial, write_study
from typer.testing import CliRunner

import study
from paper import verdict_table
from paper.claim_result import Finding
from study.cli.main import app
from study.errors import NotFoundError, SpecError
from study.results.retrained_run import RETRAINING_TAG, ROLE, TRIAL_TAG, Retraining
from study.spec.study_spec import StudySpec
from study.tracking.store import client
from study.tracking.tags import CONFIG_TAG, PARENT_TAG, ROLE_TAG

SPEC = {
    "name": "made",
    "dataset": "digits",
    "families": ["dann-r", "vann"],
    "replicates": 2,
    "budget": {"epochs": 4},
    "constraints": ["trainable_parameters <= 5000"],
    "claims": [
        {"kind": "accuracy", "family": "dann-r", "published": 0.85, "source": "Table 1"},
        {"kind": "loss_ratio", "family": "dann-r", "reference": "vann", "at_most": 0.8},
    ],
}
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
        ROLE_TAG: ROLE,
        TRIAL_TAG: str(number),
        RETRAINING_TAG: wanted.identity(),
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
    write_study(home, SPEC | {"name": "silent", "claims": []}, TRIALS[:1])
    return home


def test_the_claims_of_a_study_are_judged_by_its_trials_and_their_retraining(home):
    accuracy, ratio = study.verdict("made", home=home)
    assert (accuracy.trial, accuracy.ours, accuracy.seeds) == (1, 0.85, 10)
    assert (accuracy.verdict, accuracy.source) == ("holds", "Table 1")
    assert accuracy.trainable_parameters == 3200
    assert (ratio.verdict, ratio.reason) == ("undecided", "trial 1 (dann-r) has no test_loss")


def test_the_claims_of_another_spec_leave_the_study_as_it_is(home, tmp_path):
    table = SPEC["claims"][0] | {"published": 0.95}
    file = tmp_path / "other.toml"
    file.write_text(StudySpec.from_dict(SPEC | {"claims": [table]}).to_toml())
    (found,) = study.verdict("made", spec=file, home=home)
    assert (found.verdict, found.published) == ("does not", 0.95)
    assert len(study.study_spec("made", home).claims) == 2


def test_a_verdict_needs_a_study_claims_and_their_data(home):
    with pytest.raises(NotFoundError, match="no study 'nobody'"):
        study.verdict("nobody", home=home)
    with pytest.raises(SpecError, match=r"at least one claim to judge, but the study 'silent'"):
        study.verdict("silent", home=home)
    other = StudySpec.from_dict(SPEC | {"dataset": "mnist"})
    with pytest.raises(SpecError, match=r"of the study 'made', name digits, got 'made' with mnist"):
        study.verdict("made", spec=other, home=home)


def test_trials_of_several_studies_are_judged_together(home):
    apart = SPEC | {"name": "apart", "claims": []}
    write_study(home, apart, [trial(0.93, 40, family="vann", synapses=None)])
    accuracy, ratio = study.verdict("made", "apart", home=home)
    assert (accuracy.study, accuracy.trial) == ("made", 1)
    assert ratio.reason == "trial 1 of made (dann-r) has no test_loss"
    table = {"kind": "difference", "family": "dann-r", "reference": "vann", "at_least": 0}
    (found,) = study.verdict(
        "made", "apart", spec=StudySpec.from_dict(SPEC | {"claims": [table]}), home=home
    )
    assert (found.study, found.trial) == ("made", 1)
    assert (found.reference_study, found.reference_trial) == ("apart", 0)
    assert "against trial 0 of apart (vann" in found.reason


def test_studies_that_validate_on_other_images_are_not_pooled(home):
    other = SPEC | {"name": "shorter", "dataset": {"name": "digits", "validation_size": 100}}
    write_study(home, other, TRIALS[:1])
    with pytest.raises(SpecError, match=r"got 'shorter' with 100 \(key dataset.validation_size\)"):
        study.verdict("made", "shorter", home=home)


def ask(home, *arguments):
    place = ["--home", str(home.folder), "--tracking-uri", home.tracking_uri]
    return CliRunner().invoke(app, ["verdict", *arguments, *place])


def test_the_command_prints_json_with_every_field(home):
    done = ask(home, "made", "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert [one["verdict"] for one in found] == ["holds", "undecided"]
    assert set(found[0]) == {field.name for field in fields(Finding)}


def test_the_command_prints_a_table_and_why(home):
    done = ask(home, "made")
    assert done.exit_code == 0
    for text in ("(Table 1)", "85.00 %", "[84.98, 85.02]", "3,200", "holds", "undecided"):
        assert text in done.stdout
    assert "2. undecided: trial 1 (dann-r) has no test_loss\n" in done.stdout


def test_bad_input_ends_with_a_message(home, tmp_path):
    done = ask(home, "made", "--spec", str(tmp_path / "absent.toml"))
    assert isinstance(done.exception, SpecError)
    assert done.exception.exit_status == 2


FINDING = Finding(
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
    reason="[0.651, 0.753] is nowhere above 0.800",
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
        "  reason: [0.651, 0.753] is nowhere above 0.800",
    ]
