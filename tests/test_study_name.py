"""A name cannot lead out of a home, whichever command it is given to."""

import pytest
import typer
from typer.testing import CliRunner

from study import Home
from study.cli.app import app
from study.errors import BadInputError, SpecError
from study.home import LONGEST_NAME, checked_name, is_name
from study.results import study_status
from study.spec.study_spec import StudySpec

LEADING_OUT = [
    "..",
    "../x",
    "a/../../b",
    "/etc/x",
    ".hidden",
    "a\0b",
    "a\n",
    "a\nb",
    "%2e%2e%2fx",
    "a\\..\\b",
    "-x",
    "",
    "é",
    "a" * (LONGEST_NAME + 1),
]
COMMANDS = typer.main.get_command(app).commands
NAMED = sorted(
    name
    for name, command in COMMANDS.items()
    if {"name", "names"} & {parameter.name for parameter in command.params}
)


@pytest.mark.parametrize("name", ["a", "9", "a..b", "A-b_c.1", "a" * LONGEST_NAME])
def test_a_name_is_one_step_of_a_path(name, tmp_path):
    assert is_name(name)
    assert checked_name(name) == name
    folder = Home.find(tmp_path).study_folder(name)
    assert folder.path.resolve() == tmp_path / "studies" / name


@pytest.mark.parametrize("name", LEADING_OUT)
def test_what_could_lead_out_is_no_name_for_a_spec_a_folder_or_a_question(name, tmp_path):
    home = Home.find(tmp_path)
    assert not is_name(name)
    with pytest.raises(SpecError, match=r"\(key name\)|length of name"):
        StudySpec.from_dict({"name": name, "dataset": "digits", "families": ["vann"]})
    for ask in (home.study_folder, lambda text: study_status.status(text, home=home)):
        with pytest.raises(BadInputError, match="the name of a study has letters, digits"):
            ask(name)
    assert not list(tmp_path.iterdir())


def test_the_commands_that_take_a_name_are_known():
    assert {"best", "export", "predict", "promote", "report", "retrain", "status", "sync"} < {
        *NAMED
    }
    assert {"compare", "pareto", "trials", "run", "submit"} < {*NAMED}


@pytest.mark.parametrize("command", NAMED)
@pytest.mark.parametrize("name", ["../x", "a\n", "%2e%2e", "a" * (LONGEST_NAME + 1)])
def test_every_command_refuses_it_before_anything_is_made(command, name, tmp_path, monkeypatch):
    home, here = tmp_path / "home", tmp_path / "here"
    here.mkdir()
    (here / "spec.toml").write_text('name = "a"\ndataset = "digits"\nfamilies = ["vann"]\n')
    monkeypatch.chdir(here)
    done = CliRunner().invoke(app, [command, *_arguments(command, name, home)])
    assert isinstance(done.exception, BadInputError), done.output
    assert repr(name)[1:4] in str(done.exception)
    assert [file.name for file in tmp_path.rglob("*")] == ["here", "spec.toml"]


def _arguments(command, name, home):
    """The name where it belongs, and what else must be given."""
    values = {"name": name, "names": name, "home": str(home), "spec": "spec.toml"}
    found = []
    for parameter in COMMANDS[command].params:
        if parameter.name not in values and not parameter.required:
            continue
        value = values.get(parameter.name, "1")
        if parameter.param_type_name == "option":
            found += [parameter.opts[0], value]
        else:
            found.append(value)
    return found
