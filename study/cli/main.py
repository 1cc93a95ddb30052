"""The command `study`, with the commands `run` and `sync`.

The exit status is 0 on success, 1 on failure, or if more than half of the trials failed or failures
stopped the study, 2 for bad input, 130 after Ctrl-C, 143 after SIGTERM.
"""

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from study import environment
from study.cli import data, jobs, networks, studies
from study.cli.options import (
    EarlierOption,
    NameArgument,
    SetOption,
    StudyNameOption,
    TrialsOption,
    console,
    read_spec,
    say,
    with_home,
)
from study.cli.trials import app as trial_commands
from study.errors import BadInputError, StudyError
from study.home import Home, without_passwords
from study.tracking.provenance import COMMAND_VARIABLE

app = typer.Typer(
    help="Search for accurate, parameter-efficient dendritic and vanilla networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DEFAULT_SPEC = Path("studies/digits.toml")


@app.command()
@with_home
def run(
    spec: Annotated[Path, typer.Argument(help="The spec, a TOML file.")] = DEFAULT_SPEC,
    trials: TrialsOption = None,
    name: StudyNameOption = None,
    changes: SetOption = None,
    earlier: EarlierOption = None,
    *,
    home: Home,
) -> None:
    """Run a study on this machine, or continue an existing one."""
    study_spec = read_spec(spec, trials, name, changes, earlier)
    screen = console()
    # What is wrong is said before torch, Ray and MLflow are loaded, which takes seconds.
    from study.training.data_sources import check_files

    check_files(study_spec.dataset)
    home.study_folder(study_spec.name).check_not_driven()
    families = ", ".join(study_spec.families)
    say(
        screen, f"{study_spec.name}: {families} on {study_spec.dataset.name}; loading the libraries"
    )
    from study.runner import driver

    summary = driver.run(study_spec, home=home, console=screen)
    minutes, seconds = divmod(round(summary.seconds), 60)
    if summary.front:
        from study.cli import tables
        from study.results import answers

        front = answers.front(study_spec.name, home=home)
        screen.print(tables.trial_table(front, f"{study_spec.name}: Pareto front"))
        tried = {record.family for record in answers.records(study_spec.name, home=home)}
        untried = [family for family in study_spec.families if family not in tried]
        if untried:
            say(screen, f"families without a trial, as there are few: {', '.join(untried)}")
        say(screen, f"hypervolume {summary.hypervolume:.4f}, this run took {minutes}:{seconds:02d}")
    else:
        say(screen, f"no trial is complete yet, this run took {minutes}:{seconds:02d}")
    if summary.stopped is not None:
        say(screen, f"stopped: {summary.stopped}; continue with:\n  {_command_line()}")
    if summary.front:
        say(screen, "view it, query it, export the best network:")
        best = (f"best {study_spec.name} --limit 5", f"export {study_spec.name} --to best")
        for command in ("ui", *best):
            say(screen, f"  {_program()} {command}{home.options()}")
    if summary.stopped is not None and summary.signal_number is not None:
        raise typer.Exit(128 + summary.signal_number)
    if summary.failed is not None:
        raise StudyError(summary.failed)
    if summary.stopped is not None:
        raise typer.Exit(StudyError.exit_status)


@app.command("sync")
@with_home
def sync_records(
    name: NameArgument,
    *,
    home: Home,
) -> None:
    """Send records of a study that remained on disk because the tracking store was unreachable."""
    from study.runner.sync import sync

    screen = console()
    sent = sync(name, home, lambda text: say(screen, text))
    say(screen, f"sent {sent} records to {home.shown_uri}" if sent else "all records are sent")


for _commands in (jobs.app, studies.app, trial_commands, networks.app, data.app):
    app.add_typer(_commands)


def _program() -> str:
    """The path of this program from here; `study` if it is on the path, or runs as a module."""
    program = Path(sys.argv[0]).absolute()
    on_path = shutil.which("study")
    if program.suffix == ".py" or (on_path and Path(on_path).resolve() == program.resolve()):
        return "study"
    here = Path.cwd()
    return shlex.quote(str(program.relative_to(here) if program.is_relative_to(here) else program))


def _command_line() -> str:
    """The command that continues the study; for a job, the one that submitted it."""
    submitted = os.environ.get(COMMAND_VARIABLE)
    return submitted or without_passwords(f"{_program()} {shlex.join(sys.argv[1:])}")


def main() -> None:
    """Runs the command; a StudyError ends it with one message and its exit status."""
    environment.prepare()
    try:
        _check_working_directory()
        app()
    except StudyError as error:
        _exit(str(error), error.exit_status)
    except OSError as error:
        if error.filename is None:
            raise
        _exit(f"{error.filename} must be usable: {error.strerror}", StudyError.exit_status)


def _check_working_directory() -> None:
    """Raises BadInputError if it was deleted: homes, data and specs are on_path from there."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise BadInputError(
            "the working directory must exist, but it was deleted: change to another one (cd)"
        ) from None


def _exit(message: str, status: int) -> NoReturn:
    # A file's name can hold bytes that are no text.
    text = f"error: {message}".encode(errors="backslashreplace").decode()
    Console(stderr=True).print(text, style="red", highlight=False, markup=False, soft_wrap=True)
    sys.exit(status)
