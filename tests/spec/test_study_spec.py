import importlib.util
import json
import re
from pathlib import Path

import pytest

from study.errors import SpecError
from study.spec.dimensions import Choice, Range
from study.spec.study_spec import StudySpec

ROOT = Path(__file__).parent.parent.parent
SHORT = {"name": "a", "dataset": "digits", "families": ["dann-r", "vann"]}


@pytest.fixture(scope="module")
def reference():
    """What makes the pages of the reference."""
    place = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


def test_the_pages_of_the_reference_are_those_of_the_code(reference):
    """`make docs` regenerates them."""
    for name, text in reference.pages().items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text


def write(folder, text):
    path = folder / "spec.toml"
    path.write_text(text)
    return path


def test_three_lines_are_a_whole_spec(tmp_path):
    path = write(tmp_path, 'name = "a"\ndataset = "digits"\nfamilies = ["dann-r", "vann"]\n')
    spec = StudySpec.from_toml(path)
    assert spec.dataset.name == "digits"
    assert spec.objectives == {"val_accuracy": "maximize", "trainable_parameters": "minimize"}
    assert (spec.replicates, spec.seed, spec.sampler, spec.keep) == (3, 0, "ehvi", "best")
    assert (spec.budget.trials, spec.budget.epochs, spec.budget.minutes) == (None, 15, None)
    assert (spec.resources.cpus, spec.resources.gpus) == (1, 0)


def test_a_value_is_fixed_a_list_a_choice_a_table_a_range():
    space = {
        "somata": 32,
        "dendrites": {"low": 1, "high": 8, "log": True},
        "synapses": [4, 8, 4],
        "leaky_slope": [0, 0.5],
        "learning_rate": {"low": 1e-3, "high": 1e-1},
        "schedule": ["cosine", "one_cycle"],
    }
    spec = StudySpec.from_dict(SHORT | {"space": space})
    assert spec.space.somata == Choice((32,))
    assert spec.space.dendrites == Range(low=1, high=8, log=True, integer=True)
    assert spec.space.synapses == Choice((4, 8))
    assert spec.space.leaky_slope == Choice((0.0, 0.5))
    assert spec.space.learning_rate == Range(low=1e-3, high=1e-1, log=False, integer=False)
    assert spec.space.schedule == Choice(("cosine", "one_cycle"))


def test_a_spec_survives_json():
    spec = StudySpec.from_dict(
        SHORT
        | {"dataset": {"name": "npz", "path": "a.npz", "train_size": 9}}
        | {"budget": {"minutes": 1.5}, "resources": {"gpus": 0.125, "concurrent_trials": 4}}
    )
    assert StudySpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_a_stored_spec_is_read_like_toml(tmp_path):
    spec = StudySpec.from_dict(SHORT)
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(spec.to_dict()))
    assert StudySpec.from_toml(path, ["budget.trials=7"]).budget.trials == 7


def test_changes_are_toml_or_plain_text(tmp_path):
    path = write(tmp_path, 'name = "a"\ndataset = "digits"\nfamilies = ["vann"]\n')
    changes = ["space.somata=[8, 16]", "sampler=random", "dataset.validation_size=50", "seed=3"]
    spec = StudySpec.from_toml(path, changes)
    assert spec.space.somata == Choice((8, 16))
    assert (spec.sampler, spec.seed) == ("random", 3)
    assert (spec.dataset.name, spec.dataset.validation_size) == ("digits", 50)


def test_a_change_of_own_data_in_the_short_form_keeps_their_path(tmp_path):
    path = write(tmp_path, 'name = "a"\ndataset = "photos/"\nfamilies = ["vann"]\n')
    data = StudySpec.from_toml(path, ["dataset.resize=4"]).dataset
    assert (data.name, str(data.path), data.resize) == ("folder", "photos", (4, 4))
    data = StudySpec.from_toml(path, ["dataset.name=digits"]).dataset
    assert (data.name, data.path) == ("digits", None)
    unknown = write(tmp_path, 'name = "a"\ndataset = "photos"\nfamilies = ["vann"]\n')
    with pytest.raises(SpecError, match=r"unknown data set 'photos'; .* needs a slash"):
        StudySpec.from_toml(unknown, ["dataset.resize=4"])


def test_a_change_does_not_hide_that_a_table_is_none(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text('name = "a"\ndataset = "digits"\nfamilies = ["vann"]\nstopping = "none"\n')
    with pytest.raises(SpecError, match="`stopping` must be a table, got 'none'"):
        StudySpec.from_toml(path, ["stopping.grace_epochs=3"])
    path.write_text(path.read_text().replace('stopping = "none"', "space.somata = [8, 16]"))
    changes = ["space.somata.low=4", "space.somata.high=9"]
    assert StudySpec.from_toml(path, changes).space.somata == Range(
        low=4, high=9, log=False, integer=True
    )


def test_own_data_are_given_by_their_path(tmp_path):
    spec = StudySpec.from_dict(SHORT | {"dataset": "my/arrays.npz"})
    assert (spec.dataset.name, str(spec.dataset.path)) == ("npz", "my/arrays.npz")
    for given, kind in (("photos/", "folder"), ("a.parquet", "parquet"), ({"path": "p"}, "folder")):
        spec = StudySpec.from_dict(SHORT | {"dataset": given})
        assert spec.dataset.name == kind
        assert StudySpec.from_dict(spec.to_dict()) == spec
    labels = {"digits": "digits", "my/photos/": "photos", "a/[red].npz": "npz", "./": "folder"}
    for given, label in labels.items():
        assert StudySpec.from_dict(SHORT | {"dataset": given}).dataset.label == label
    spec = StudySpec.from_dict(SHORT | {"dataset": {"path": "p/", "resize": 9}})
    assert spec.dataset.resize == (9, 9)
    assert StudySpec.from_toml(write(tmp_path, spec.to_toml())) == spec
    with pytest.raises(SpecError, match=r"unknown data set 'photos'; .* needs a slash, such as"):
        StudySpec.from_dict(SHORT | {"dataset": "photos"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replicate": 2}, "unknown key 'replicate'; did you mean 'replicates'?"),
        ({"synapses": 2}, "unknown key 'synapses'; did you mean 'space.synapses'?"),
        ({"epoch": 2}, "unknown key 'epoch'; did you mean 'budget.epochs'?"),
        ({"space": {"synapse": 2}}, "unknown key 'space.synapse'; did you mean 'space.synapses'?"),
        ({"dataset": {"name": "digits", "rot": "x"}}, "unknown key 'dataset.rot'; did you mean"),
        ({"families": ["dan-r"]}, "unknown family 'dan-r'; did you mean 'dann-r'?"),
        ({"families": []}, "`length of families >= 1` must hold, got []"),
        ({"dataset": "mnits"}, "unknown data set 'mnits'; did you mean 'mnist'"),
        (
            {"dataset": {"name": "npz"}},
            "`path` must be given for the data sets folder, npz, parquet",
        ),
        ({"objectives": {"accuracy": "maximize"}}, "unknown metric 'accuracy'; did you mean"),
        ({"objectives": {"test_accuracy": "maximize"}}, "a test metric is only reported and never"),
        ({"objectives": {"val_loss": "down"}}, "`objectives.val_loss` must be a known name"),
        ({"diagnostics": ["weight"]}, "unknown group 'weight'; did you mean 'weights'?"),
        (
            {"objectives": {"layer1_somata_entropy": "minimize"}},
            "to use layer1_somata_entropy, got generalisation, efficiency (key objectives)",
        ),
        (
            {"constraints": ["output_weight_range <= 2"]},
            '`diagnostics` must hold "weights" to use output_weight_range, got generalisation',
        ),
        (
            {"objectives": {"generalisation_gap": "minimize"}},
            "is known only at their end, got 'pareto' with generalisation_gap (key stopping.scheduler",
        ),
        (
            {"constraints": ["layer2_somata_firing <= 1"], "diagnostics": ["activity"]},
            "a layer 2 to use layer2_somata_firing, got space.layers from 1 (key constraints)",
        ),
        (
            {"constraints": ["layer1_dendrites_firing <= 1"], "diagnostics": ["activity"]}
            | {"families": ["vann", "mlp"]},
            "every family must have dendrites to use layer1_dendrites_firing, got mlp",
        ),
        (
            {"objectives": {"test_layer1_somata_entropy": "minimize"}},
            "a test metric is only reported",
        ),
        (
            {"objectives": {"val_accuracy": {"goal": "maximize", "form": 0.6}}},
            "unknown key 'objectives.val_accuracy.form'; did you mean 'from'?",
        ),
        (
            {"objectives": {"val_accuracy": {"from": 0.6}}},
            "the key 'objectives.val_accuracy.goal' must be given",
        ),
        (
            {"objectives": {"val_accuracy": {"goal": "maximize", "from": "much"}}},
            "`objectives.val_accuracy.from` must be a number, got 'much'",
        ),
        (
            {"objectives": {"val_accuracy": {"goal": "up"}}},
            "`objectives.val_accuracy` must be a known name, got 'up'",
        ),
        (
            {"objectives": {"val_accuracy": {"goal": "maximize", "from": 60}}},
            "`0 <= objectives.val_accuracy.from <= 1` must hold, got 60; did you mean 0.6?",
        ),
        (
            {"objectives": {"macs": {"goal": "minimize", "from": 0}}},
            "`objectives.macs.from > 0` must hold, got 0",
        ),
        (
            {"objectives": {"macs": {"goal": "minimize", "from": 9}}, "sampler": "tpe"},
            '`sampler = "ehvi"` must hold for a value of interest, got "tpe" with objectives.macs.from',
        ),
        (
            {"constraints": ["0.9 <= 100 * val_accuracy", "val_accuracy >= 90"]},
            "compared with a number in 0..1, got 'val_accuracy >= 90'; did you mean 0.9?",
        ),
        ({"constraints": ["macs <= 1 / 0"]}, "a constraint must not divide by 0, got"),
        ({"budget": {"confirm": True}}, "a number must be given, got true (key budget.confirm)"),
        ({"replicates": False}, "a number must be given, got false (key replicates)"),
        (
            {"dataset": {"name": "mnist", "download": "yes"}},
            "true or false must be given, got 'yes' (key dataset.download)",
        ),
        ({"objectives": {}}, "`length of objectives >= 1` must hold, got {}"),
        ({"objectives": "val"}, "`objectives` must be a valid table, got 'val'"),
        ({"name": "a" * 101}, "`length of name <= 100` must hold"),
        ({"seed": 2**31}, "`seed < 2147483648` must hold"),
        ({"budget": {"trials": 0}}, "`budget.trials >= 1` must hold, got 0"),
        ({"budget": {"minutes": 0}}, "`budget.minutes >= 0.01` must hold, got 0"),
        ({"seed": -1}, "`seed >= 0` must hold, got -1"),
        ({"replicates": 101}, "`replicates <= 100` must hold, got 101"),
        ({"replicates": 1.5}, "`replicates` must be a valid integer, got a number with a fracti"),
        ({"budget": {"trials": 10**30}}, "`budget.trials <= 1000000` must hold, got 1000"),
        ({"budget": {"epochs": 2**64}}, "`budget.epochs <= 1000000` must hold, got 184467"),
        ({"budget": {"minutes": 1e-9}}, "`budget.minutes >= 0.01` must hold, got 1e-09"),
        (
            {"budget": {"total_epochs": 14}},
            "`total_epochs >= epochs` must hold, or no trial is trained, got total_epochs=14, ",
        ),
        ({"budget": {"total_epochs": 10**13}}, "`budget.total_epochs <= 1000000000000` must"),
        ({"budget": {"stagnation": 10**7}}, "`budget.stagnation <= 1000000` must hold"),
        (
            {"dataset": {"name": "digits", "train_size": 10**10}},
            "`dataset.train_size <= 1000000000`",
        ),
        ({"dataset": {"name": "npz", "path": "a\0"}}, "at most 1000 characters, none of them NUL"),
        ({"dataset": {"name": "npz", "path": "\ud800"}}, "a path must be text of Unicode, got"),
        ({"stopping": {"reduction_factor": 1.0000001}}, "`stopping.reduction_factor >= 1.1` must"),
        ({"stopping": {"grace_epochs": 2**63}}, "`stopping.grace_epochs <= 1000000` must hold"),
        ({"resources": {"cpus": 1e-9}}, "`resources.cpus >= 0.01` must hold, got 1e-09"),
        ({"resources": {"cpus": 1e30}}, "`resources.cpus <= 10000` must hold, got 1e+30"),
        ({"resources": {"gpus": 0.001}}, "a share must be 0 or at least 0.01, got 0.001"),
        ({"resources": {"gpus": 10**6}}, "`resources.gpus <= 1000` must hold, got 1000000"),
        ({"resources": {"concurrent_trials": 10**6}}, "`resources.concurrent_trials <= 100000`"),
        ({"earlier": [f"study{n}" for n in range(21)]}, "`length of earlier <= 20` must hold"),
        ({"start": [{}] * 101}, "`length of start <= 100` must hold, got [{}"),
        ({"constraints": ["macs <= 1"] * 101}, "`length of constraints <= 100` must hold, got ['m"),
        ({"constraints": ["macs <= " + "1" * 300]}, "`length of a constraint <= 300` must hold"),
        ({"constraints": ["macs <= 1e999"]}, "a side of a constraint may hold only metrics"),
        (
            {"objectives": {f"layer{n}_somata_silent": "minimize" for n in range(1, 10)}},
            "<= 8` must",
        ),
        (
            {"objectives": {"macs": {"goal": "minimize", "from": 10**400}}},
            "`-1e+15 <= objectives.macs.from <= 1e+15` must hold, got 1000",
        ),
        (
            {"replicates": 16**5000},
            "`replicates <= 100` must hold, got a whole number of about 6021",
        ),
        (
            {"space": {"layers": 2**63}},
            "`1 <= value <= 100` must hold, got 9223372036854775808 (key",
        ),
        (
            {"space": {"somata": 10**18 + 3}},
            "`1 <= value <= 10000000` must hold, got 1000000000000",
        ),
        ({"space": {"dendrites": 10**12}}, "`1 <= value <= 1000000` must hold, got 1000000000000"),
        ({"space": {"synapses": 10**12}}, "`1 <= value <= 10000000` must hold, got 1000000000000"),
        ({"space": {"batch_size": 1e30}}, "`1 <= value <= 1000000` must hold, got 1e+30"),
        ({"space": {"learning_rate": 1e37}}, "`0 <= value <= 10` must hold, got 1e+37"),
        ({"space": {"noise": {"low": 0, "high": 11}}}, "`0 <= value <= 10` must hold, got 11"),
        ({"space": {"patience": 2**31}}, "`0 <= value <= 1000000` must hold, got 2147483648"),
        ({"space": {"somata": list(range(1, 102))}}, "must hold at most 100 values, got 101"),
        ({"replicates": "three"}, "`replicates` must be a valid integer"),
        ({"sampler": "grids"}, "`sampler` must be a known name, got 'grids'; "),
        (
            {"storage": {"checkpoints": "/mnt"}},
            "a URI such as s3://bucket/folder must be given, got",
        ),
        (
            {"storage": {"checkpoints": "s3://key:secret@bucket/folder"}},
            "a URI without credentials must be given, because a spec is recorded; nodes take",
        ),
        ({"resources": {"gpus": 1.5}}, "a share above one must be a whole number, got 1.5"),
        ({"space": {"somata": 0}}, "`1 <= value <= 10000000` must hold, got 0 (key space.somata)"),
        ({"space": {"somata": []}}, "at least one value, got an empty list (key space.somata)"),
        ({"space": {"somata": "many"}}, "must be a whole number, a list, or a table"),
        ({"space": {"somata": 1.5}}, "must be a whole number, got 1.5 (key space.somata)"),
        ({"space": {"somata": True}}, "must be a whole number, a list, or a table"),
        ({"space": {"leaky_slope": 2}}, "`0 <= value <= 1` must hold, got 2"),
        (
            {"space": {"learning_rate": float("nan")}},
            "`0 <= value <= 10` must hold, got nan",
        ),
        (
            {"space": {"learning_rate": float("inf")}},
            "`0 <= value <= 10` must hold, got inf",
        ),
        ({"space": {"somata": float("inf")}}, "`1 <= value <= 10000000` must hold, got inf"),
        ({"space": {"learning_rate": -1e-3}}, "`0 <= value <= 10` must hold, got -0.001"),
        ({"space": {"dendrites": {"low": 8, "high": 2}}}, "`low < high` must hold, got low=8"),
        ({"space": {"dendrites": {"low": 8}}}, "a range has the keys low, high and optionally log"),
        (
            {"space": {"leaky_slope": {"low": 0, "high": 1, "log": True}}},
            "`low > 0` must hold in a logarithmic range, got low=0.0",
        ),
        ({"space": {"schedule": "linear"}}, "must be one or several of constant, cosine"),
        (
            {"space": {"patience": -1}},
            "`0 <= value <= 1000000` must hold, got -1 (key space.patience)",
        ),
        ({"space": {"patience": 2.5}}, "must be a whole number, got 2.5 (key space.patience)"),
        ({"space": {"noise": -0.5}}, "`0 <= value <= 10` must hold, got -0.5 (key space.noise)"),
        ({"space": {"batch_order": "sorted"}}, "must be one or several of shuffled, by_class"),
        ({"name": "a/b"}, "a name has letters, digits, '.', '_', '-' only"),
        ({"name": ".."}, "a name has letters, digits, '.', '_', '-' only"),
        ({"name": ""}, "a name has letters, digits, '.', '_', '-' only"),
    ],
)
def test_a_bad_value_is_refused_with_key_rule_and_value(changes, message):
    with pytest.raises(SpecError) as caught:
        StudySpec.from_dict(SHORT | changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "a" * 10**5},
        {"sampler": "grid" * 10**5},
        {"families": ["x" * 10**5]},
        {"constraints": ["x" * 10**5]},
        {"objectives": {"x" * 10**5: "maximize"}},
        {"objectives": {"x" * 10**5: {"aim": "maximize"}}},
        {"x" * 10**5: 1},
        {"space": {"somata": ["x" * 10**5] * 100}},
        {"space": {"somata": {"x" * 10**5: 1}}},
        {"dataset": {"name": "npz", "path": "x" * 10**5}},
        {f"key{number}": number for number in range(10**5)},
    ],
)
def test_a_message_shows_only_the_ends_of_a_long_value(changes):
    with pytest.raises(SpecError) as caught:
        StudySpec.from_dict(SHORT | changes)
    assert len(str(caught.value)) < 10_000


def test_the_reference_states_a_smallest_and_a_largest_value_of_every_number(reference):
    kinds = [line.strip() for line in reference.spec_keys().splitlines()]
    numbers = [kind for kind in kinds if kind.startswith(("number, ", "integer, "))]
    assert len(numbers) > 20
    bound = (
        r"(integer|number), ([-0-9.e,]+ to [-0-9.e,]+|[≥>] [-0-9.e,]+, [≤<] [-0-9.e,]+); default"
    )
    assert [number for number in numbers if not re.match(bound, number)] == []


def test_a_diagnostic_that_is_measured_steers():
    spec = StudySpec.from_dict(
        SHORT
        | {"diagnostics": ["activity", "noise"], "stopping": {"scheduler": "asha"}}
        | {"objectives": {"val_accuracy": "maximize", "layer1_somata_silent": "minimize"}}
        | {"constraints": ["val_accuracy_at_noise_025 >= 0.5"]}
    )
    assert StudySpec.from_dict(spec.to_dict()) == spec


def test_an_objective_may_say_from_which_value_on_it_counts(tmp_path):
    text = 'name = "a"\ndataset = "digits"\nfamilies = ["vann"]\n[objectives]\n'
    path = write(
        tmp_path, text + 'val_accuracy = { goal = "maximize", from = 0.6 }\nmacs = "minimize"'
    )
    spec = StudySpec.from_toml(path)
    assert spec.objectives == {"val_accuracy": "maximize", "macs": "minimize"}
    assert spec.references == {"val_accuracy": 0.6}
    assert StudySpec.from_dict(spec.to_dict()) == spec
    assert StudySpec.from_toml(write(tmp_path, spec.to_toml())) == spec
    changed = StudySpec.from_toml(path, ["objectives.macs.from=1e6"])
    assert (changed.objectives, changed.references["macs"]) == (spec.objectives, 1e6)
    assert changed != spec


def test_every_problem_is_told():
    with pytest.raises(SpecError) as caught:
        StudySpec.from_dict({"name": "a", "seeds": 1})
    lines = str(caught.value).splitlines()
    assert "the key 'dataset' must be given" in lines
    assert "the key 'families' must be given" in lines
    assert lines[-1].startswith("unknown key 'seeds'; did you mean 'seed'?")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "a"\ndataset = = 1\n', "is not TOML: Invalid value (at line 2, column 11)"),
        ('name = "a"\nname = "b"\n', "is not TOML: Cannot overwrite a value (at line 2"),
        ("a = " + "[" * 3000 + "]" * 3000, "tables and lists must not be nested so deeply"),
        ("a = " + "9" * 5000, "cannot be read: Exceeds the limit (4300 digits) for integer string"),
        ("a" + ".a" * 201 + " = 1", "must have at most 200 dots, got more"),
        ("#" * 250_001, "<= 250000` must hold, got more"),
    ],
)
def test_a_file_that_is_not_toml_is_refused_with_line_and_column(text, message, tmp_path):
    with pytest.raises(SpecError) as caught:
        StudySpec.from_toml(write(tmp_path, text))
    assert message in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SpecError, match=r"cannot read the spec .*: No such file"):
        StudySpec.from_toml(tmp_path / "none.toml")


@pytest.mark.parametrize("change", ["budget.trials", "=3", "a..b=3"])
def test_a_change_without_key_and_value_is_refused(change, tmp_path):
    path = write(tmp_path, 'name = "a"\n')
    with pytest.raises(SpecError, match="must have the form KEY=VALUE, got"):
        StudySpec.from_toml(path, [change])
