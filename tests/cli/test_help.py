"""The help of the command: groups, examples, completion."""

import shlex
import subprocess

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from study.cli.app import app
from tests.support.processes import BIN, clean_environment

COMMANDS = get_command(app).commands


def test_the_commands_stand_in_groups():
    text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "100"}).stdout
    places = [
        text.index(words)
        for words in ("Run studies", " run ", "Query results", " show ", "Reports", " ui ")
    ]
    assert places == sorted(places)
    assert "Commands" not in text  # all are in a group of their own


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_ends_with_an_example_that_can_be_parsed(name):
    text = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"}).stdout
    example = COMMANDS[name].epilog.removeprefix("Example: ")
    assert f"Example: {example}" in text
    program, given, *arguments = shlex.split(example)
    assert (program, given) == ("study", name)
    COMMANDS[name].make_context(name, arguments)


def complete(line, folder):
    """What bash would offer at the end of a line."""
    words = line.split(" ")
    environment = clean_environment(
        _STUDY_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1)
    )
    done = subprocess.run(
        [BIN / "study"], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout.split()


@pytest.mark.slow
def test_a_shell_completes_commands_and_studies(tmp_path):
    for name in ("mine", "other"):
        (tmp_path / "runs" / "studies" / name).mkdir(parents=True)
    assert complete("study exp", tmp_path) == ["export"]
    assert complete("study status m", tmp_path) == ["mine"]
    assert set(complete("study compare ", tmp_path)) == {"mine", "other"}


@pytest.mark.slow
def test_a_shell_completes_the_keys_of_a_spec():
    """In a real bash, which gets its words as of the line that is typed, and by the protocol of zsh."""
    script = """
        eval "$(_STUDY_COMPLETE=source_bash study)"
        for key in space.sy budget.tri; do
            COMP_WORDS=(study run mine.toml --set "$key") COMP_CWORD=4
            _study_completion study
            echo "${COMPREPLY[@]}"
        done
    """
    done = subprocess.run(
        ["bash", "-c", script],  # noqa: S607  # the reader's own shell
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "space.synapses= space.synapse_draw= space.synapses_per=",
        "budget.trials= budget.trials=...",  # so that no space follows
    ]
    line = "study submit mine.toml --set stopping."
    environment = clean_environment(_STUDY_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS=line)
    done = subprocess.run(
        [BIN / "study"], env=environment, capture_output=True, text=True, check=False
    )
    assert '"stopping.scheduler="' in done.stdout


@pytest.mark.slow
def test_one_command_installs_the_completion(tmp_path):
    done = subprocess.run(
        ["bash", "-c", "study --install-completion; true"],  # noqa: S607  # the reader's own shell
        env=clean_environment(HOME=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "completion installed" in done.stdout, done.stderr
    assert "study.sh" in (tmp_path / ".bashrc").read_text()
