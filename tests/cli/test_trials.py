"""The commands in this process: what they print, where, and their exit status."""

import csv
import io
import json
from dataclasses import replace

import jsonschema
import pytest
from typer.testing import CliRunner

from study.cli.app import app
from study.cli.schemas import COMMANDS, schema_of
from study.cli.tables import trial_table
from study.errors import BadInputError
from study.results.stored_study import StoredStudy
from study.spec.study_spec import StudySpec
from study.tracking.store import client
from tests.support.stored_study import record, trial
from tests.support.written_study import make_home, write_study

TRIALS = [
    ("COMPLETE", 0.80, 0.01, 1000),
    ("COMPLETE", 0.90, 0.02, 4000, "vann"),
    ("COMPLETE", 0.91, 0.02, 90_000),
    ("COMPLETE", 0.89, 0.001, 95_000, "dann-r", "false"),
    ("RUNNING", None, None, 500),
]


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    home = make_home(tmp_path_factory.mktemp("home"))
    write_study(home, "made", TRIALS)
    write_study(home, "other", TRIALS[:2], seed=1)
    for name in ("lossy", "lossy2"):
        write_study(home, name, TRIALS[:2], objectives={"val_loss": "minimize"})

    def run(*arguments, refused=False):
        done = CliRunner().invoke(app, [*arguments, "--home", str(home.folder)])
        if refused:
            assert isinstance(done.exception, BadInputError)
            return str(done.exception)
        assert done.exit_code == 0, done.output
        return done

    return run


def numbers(done):
    return [record["trial"] for record in json.loads(done.stdout)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["best", "made"], [2, 1, 3, 0]),
        (["best", "made", "--limit", "2"], [2, 1]),
        (["best", "made", "--smallest", "--min-accuracy", "0.85"], [1, 2, 3]),
        (["best", "made", "--family", "vann", "--family", "dann-r", "--max-macs", "5000"], [1, 0]),
        (["best", "made", "--order", "macs:desc", "--limit", "1"], [3]),
        (["best", "made", "--dendritic"], [2, 3, 0]),  # two branches, and fully connected ones
        (["best", "made", "--controls"], [1]),
        (["best", "made", "--knee"], [1]),
        # 0.91 exceeds 0.90 and 0.89 by at most the standard errors of the differences, 0.028 and 0.020.
        (["best", "made", "--confident", "--smallest"], [1, 2, 3]),
        (["pareto", "made"], [0, 1, 2]),
        (["trials", "made", "--state", "running"], [4]),
        (["trials", "made", "--order", "trial:desc", "--limit", "2"], [4, 3]),
        (["trials", "made", "--min-parameters", "1000", "--max-parameters", "4000"], [0, 1]),
        (["trials", "made", "--min-epochs", "3"], []),
    ],
)
def test_the_options_choose_and_order(arguments, expected, ask):
    assert numbers(ask(*arguments, "--json")) == expected


@pytest.mark.parametrize("option", [("--limit", "2"), ("--smallest",), ("--max-macs", "9000")])
def test_the_knee_is_that_of_the_whole_front(option, tmp_path):
    done = CliRunner().invoke(app, ["best", "made", "--knee", *option, "--home", str(tmp_path)])
    assert isinstance(done.exception, BadInputError)
    assert "so it excludes other options" in str(done.exception)


def test_the_confident_front_has_what_chance_may_have_kept_off_it(ask):
    # Trial 3 is larger than 2 and less accurate, by no more than the errors explain.
    assert numbers(ask("pareto", "made", "--confident", "--json")) == [0, 1, 2, 3]
    assert [one["on_front"] for one in json.loads(ask("best", "made", "--json").stdout)] == [
        True,
        True,
        False,
        True,
    ]


def test_an_empty_answer_is_no_error_and_leaves_what_programs_read_clean(ask):
    nothing = ("best", "made", "--max-parameters", "100")
    said = (
        "no complete trial of 'made' has trainable_parameters <= 100; "
        "the closest: trainable_parameters 1,000 (trial 0)\n"
    )
    for flag, expected in (("--json", "[]\n"), (None, "")):
        done = ask(*nothing, *([flag] if flag else []))
        assert (done.stdout, done.stderr) == (expected, said)
    done = ask(*nothing, "--csv")
    header = next(csv.reader(io.StringIO(done.stdout)))
    assert {"trial", "family", "somata", "learning_rate", "val_accuracy"} <= set(header)


def test_a_file_that_cannot_be_written_is_named(ask, tmp_path):
    folder = tmp_path / "a.parquet"
    folder.mkdir()
    assert f"the file {folder} must be writable" in ask(
        "trials", "made", "--parquet", folder, refused=True
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--json", "--csv"), "--json and --csv exclude each other"),
        (("--parquet", "a.toml"), "the file of the table must end in .parquet, got a.toml"),
        (("--csv", "--parquet", "a.parquet"), "--parquet excludes --json and --csv"),
        (("--metric", "val_loss"), "--metric requires --curves, got --metric val_loss alone"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(options, message, ask):
    assert message in ask("trials", "made", *options, refused=True)


def test_a_comparison_prints_both_tables_and_warns_on_stderr(ask):
    done = ask("compare", "made", "other")
    assert "compared studies" in done.stdout
    assert "joint Pareto front" in done.stdout
    assert done.stderr.startswith("warning: the splits differ")
    rows = list(csv.DictReader(io.StringIO(ask("compare", "made", "other", "--csv").stdout)))
    assert [(row["study"], row["trial"]) for row in rows] == [
        ("made", "0"),
        ("other", "0"),
        ("made", "1"),
        ("other", "1"),
        ("made", "2"),
    ]
    assert json.loads(ask("compare", "made", "other", "--json").stdout)["studies"][1]["epochs"] == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    "question",
    [
        ("list",),
        ("status", "made"),
        ("trials", "made", "--state", "RUNNING"),
        ("best", "made", "--knee"),
        ("best", "made", "--max-parameters", "10"),
        ("pareto", "made", "--confident"),
        ("compare", "made", "other"),
        ("show", "made", "3"),
    ],
)
def test_every_question_can_be_asked_of_the_runs_themselves(question, ask, monkeypatch):
    """Each passes the flag on: nothing but the runs is asked where it stands."""
    asked = []
    table = StoredStudy._table_of_runs  # noqa: SLF001  # where the runs are asked
    monkeypatch.setattr(
        StoredStudy, "_table_of_runs", lambda self: asked.append(self.fresh) or table(self)
    )
    plain = ask(*question, "--json").stdout
    jsonschema.validate(json.loads(plain), schema_of(question[0]))
    assert asked
    assert not any(asked)
    asked.clear()
    assert ask(*question, "--json", "--fresh").stdout == plain
    assert asked
    assert all(asked)


def test_a_confirmed_trial_is_shown_with_the_accuracy_of_its_further_seeds(tmp_path):
    home = make_home(tmp_path)
    experiment = write_study(home, "made", TRIALS[:2])
    store = client(home)
    (run,) = store.search_runs([experiment], "tags.`study.trial` = '1'")
    confirmed = {"replicates": 5, "val_accuracy": 0.87, "val_accuracy_sem": 0.01}
    for name, value in confirmed.items():
        store.log_metric(run.info.run_id, f"confirmed_{name}", value)
    done = CliRunner().invoke(app, ["show", "made", "1", "--home", str(home.folder)])
    assert "val accuracy 87.00 ± 1.00 % with 5 further seeds" in done.stdout


def test_a_trial_is_shown_with_its_network_and_what_to_do_with_it(ask):
    shown = ask("show", "made", "2").stdout
    for text in (
        "made: trial 2, dann-r D2 S8 K4",
        "COMPLETE, on the front",
        "90,000, 90,000 multiply-accumulates",
        "91.00 ± 2.00 %",
        "learning_rate 0.01",
        "study retrain made 2 --replicates 2",
    ):
        assert text in shown
    assert "violates" not in shown


SPEC = StudySpec.from_dict({"name": "made", "dataset": "digits", "families": ["dann-r"]})


def of_wiring(number, bits):
    return replace(record(number, trial(0.9), SPEC), wiring_bits=bits, stored_bytes=400 + bits // 8)


def columns_of(table):
    return {str(column.header): list(column.cells) for column in table.columns}


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ((64, 64), {"bytes": ["408", "408"]}),  # drawn from a seed
        ((64, 8000), {"wiring bits": ["64", "8,000"], "bytes": ["408", "1,400"]}),
    ],
)
def test_a_table_of_trials_tells_what_stores_a_network(bits, expected):
    table = trial_table([of_wiring(number, each) for number, each in enumerate(bits)], "front")
    shown = columns_of(table)
    assert {name: shown[name] for name in shown if name in ("wiring bits", "bytes")} == expected


def test_trials_that_continue_others_keep_the_column_of_their_bytes():
    trials = [of_wiring(number, 64) for number in range(2)]
    table = trial_table([trials[0], replace(trials[1], continues=0)], "front")
    shown = columns_of(table)
    assert shown["bytes"] == ["408", "408"]
    assert shown["continues"] == ["", "0"]


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (["val_accuracy", "trainable_parameters"], {}),
        (["val_loss", "macs", "macs"], {"val_loss": ["0.3000 ± 0.0100"], "macs": ["2,500"]}),
        (["silent", "latency_ms"], {"silent": ["0.125"], "latency_ms": [""]}),
    ],
)
def test_a_table_of_trials_shows_objectives_without_a_column_of_their_own(metrics, expected):
    values = {"val_loss": 0.3, "val_loss_sem": 0.01, "macs": 2500, "diagnostics": {"silent": 0.125}}
    shown = columns_of(trial_table([replace(of_wiring(0, 64), **values)], "front", metrics=metrics))
    without = columns_of(trial_table([of_wiring(0, 64)], "front"))
    assert {name: shown[name] for name in shown if name not in without} == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "column"),
    [
        (["pareto", "lossy"], "val_loss"),
        (["compare", "lossy", "lossy2"], "val_loss"),
        (["trials", "made", "--order", "macs:desc"], "macs"),
        (["best", "made", "--order", "macs"], "macs"),
    ],
)
def test_tables_show_the_metrics_of_objectives_and_orders(arguments, column, ask):
    assert column in ask(*arguments).stdout


@pytest.mark.slow
def test_the_schema_says_what_json_may_hold_and_nothing_else(ask):
    for command in COMMANDS:
        jsonschema.Draft202012Validator.check_schema(schema_of(command))
    printed = json.loads(CliRunner().invoke(app, ["schema", "trials"]).stdout)
    assert printed == schema_of("trials")
    for options in (("--curves",), ("--seeds",), ("--curves", "--seeds")):
        rows = json.loads(ask("trials", "made", *options, "--json").stdout)
        jsonschema.validate(rows, schema_of(" ".join(["trials", *options])))
    data = json.loads(CliRunner().invoke(app, ["data", "digits", "--json"]).stdout)
    jsonschema.validate(data, schema_of("data"))
    records = json.loads(ask("trials", "made", "--json").stdout)
    with pytest.raises(jsonschema.ValidationError, match="unexpected"):
        jsonschema.validate([records[0] | {"more": 1}], printed)
    with pytest.raises(jsonschema.ValidationError, match="'seconds' is a required property"):
        jsonschema.validate(
            [{key: records[0][key] for key in records[0] if key != "seconds"}], printed
        )
