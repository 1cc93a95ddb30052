"""The commands of `study`, with `run`, `sync` and `schema`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from study.cli import data, jobs, networks, show, studies
from study.cli.options import (
    RESULTS,
    RUN,
    EarlierOption,
    NameArgument,
    SetOption,
    StudyNameOption,
    TrialsOption,
    command,
    command_line,
    console,
    errors,
    print_json,
    program,
    read_spec,
    say,
    with_home,
)
from study.cli.trials import app as trial_commands
from study.errors import StoppedError, StudyError
from study.home import Home
from study.spec.study_spec import StudySpec

if TYPE_CHECKING:
    from study.runner.run_summary import RunSummary

app = typer.Typer(
    help="Search for accurate, parameter-efficient dendritic and vanilla networks.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
    pretty_exceptions_enable=False,
)

DEFAULT_SPEC = Path("studies/digits.toml")


@command(app, RUN, "study run mine.toml --trials 8")
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
    from study.search.space import check_space
    from study.training.data_sources import check_files, known_shape

    check_files(study_spec.dataset)
    shape = known_shape(study_spec.dataset)
    if shape is not None:
        check_space(study_spec, *shape)
    home.study_folder(study_spec.name).check_not_driven()
    families = ", ".join(study_spec.families)
    say(
        screen,
        f"{study_spec.name}: {families} on {study_spec.dataset.label}; loading the libraries",
    )
    from study.runner import driver

    try:
        summary = driver.run(
            study_spec,
            home=home,
            console=screen,
            on_end=lambda summary: _print_summary(study_spec, summary, home, screen),
        )
    except StoppedError as error:
        say(errors(), f"{error}; continue with:\n  {command_line()}")
        raise typer.Exit(error.exit_status) from error
    if summary.signal_number is not None:
        raise typer.Exit(128 + summary.signal_number)
    if summary.failed is not None:
        raise StudyError(summary.failed)
    if summary.stopped is not None:
        raise typer.Exit(StudyError.exit_status)


def _print_summary(
    study_spec: StudySpec, summary: "RunSummary", home: Home, screen: Console
) -> None:
    minutes, seconds = divmod(round(summary.seconds), 60)
    if summary.front:
        from study.cli import tables
        from study.results import answers

        front = answers.front(study_spec.name, home=home)
        screen.print(
            tables.trial_table(
                front, f"{study_spec.name}: Pareto front", metrics=study_spec.objectives
            )
        )
        tried = {record.family for record in answers.records(study_spec.name, home=home)}
        untried = [family for family in study_spec.families if family not in tried]
        if untried:
            say(
                screen,
                f"families without a trial, since there are few trials: {', '.join(untried)}",
            )
        say(screen, f"hypervolume {summary.hypervolume:.4f}, this run took {minutes}:{seconds:02d}")
    else:
        ended = summary.states.get("COMPLETE")
        none = "no complete trial satisfies the constraints" if ended else "no trial is complete"
        say(screen, f"{none} yet, this run took {minutes}:{seconds:02d}")
    if summary.stopped is not None:
        say(screen, f"stopped: {summary.stopped}; continue with:\n  {command_line()}")
    if summary.front:
        say(screen, "view it, query it, export the best network:")
        best = (f"best {study_spec.name} --limit 5", f"export {study_spec.name} --to best")
        for words in ("ui", *best):
            say(screen, f"  {program()} {words}{home.options()}")


@command(app, RUN, "study sync mine", "sync")
@with_home
def sync_records(
    name: NameArgument,
    *,
    home: Home,
) -> None:
    """Send pending records of a study to the tracking store."""
    from study.runner.sync import sync

    screen = console()
    sent = sync(name, home, lambda text: say(screen, text))
    say(screen, f"sent {sent} records to {home.shown_uri}" if sent else "all records are sent")


_schemas = typer.Typer()


@command(_schemas, RESULTS, "study schema trials")
def schema(
    of: Annotated[str, typer.Argument(metavar="COMMAND", help="A command with --json.")],
) -> None:
    """Print the JSON Schema of what a command prints with --json."""
    from study.cli.schemas import schema_of

    print_json(schema_of(of))


for _commands in (
    data.app,
    studies.app,
    trial_commands,
    show.app,
    _schemas,
    networks.app,
    jobs.app,
):
    app.add_typer(_commands)
