"""The command `study`. A command is its signature, so this file is long.

The exit status is 0; 1 if it failed; 2 for bad input; 130 after Ctrl-C, 143 after SIGTERM.
"""

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from study import environment
from study.errors import StudyError
from study.home import Home
from study.spec import StudySpec

app = typer.Typer(
    help="Search dendritic and vanilla networks for accuracy and parameter efficiency.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of the studies.", show_default="$STUDY_HOME, else ./runs"),
]
TrackingOption = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        help="MLflow store of the records.",
        show_default="$MLFLOW_TRACKING_URI, else SQLite in the home",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the spec; may be repeated."),
]
NameArgument = Annotated[str, typer.Argument(help="Name of the study.")]

DEFAULT_SPEC = Path("studies/digits.toml")
_WIDTH = 110  # of tables where there is no terminal to ask


@app.command()
def run(
    spec: Annotated[Path, typer.Argument(help="The spec, TOML.")] = DEFAULT_SPEC,
    trials: Annotated[int | None, typer.Option(help="Budget of trials.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the study.")] = None,
    changes: SetOption = None,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
) -> None:
    """Run a study on this machine, or go on with it if it exists."""
    wanted = _spec(spec, trials, name, changes)
    environment.prepare()
    from study import runner  # noqa: PLC0415  # Ray and torch load only when they are needed

    console = _console()
    place = Home.find(home, tracking_uri)
    summary = runner.run(wanted, place, console)
    minutes, seconds = divmod(round(summary.seconds), 60)
    if summary.front:
        results, tables = _readers()
        front = results.front(wanted.name, place)
        console.print(tables.trial_table(front, f"{wanted.name}: Pareto front"))
        tried = {record.family for record in results.records(wanted.name, place)}
        untried = [family for family in wanted.families if family not in tried]
        if untried:
            _say(console, f"not tried with so few trials: {', '.join(untried)}")
        _say(
            console, f"hypervolume {summary.hypervolume:.4f}, this run took {minutes}:{seconds:02d}"
        )
    else:
        _say(console, f"no trial is complete yet, this run took {minutes}:{seconds:02d}")
    if summary.stopped is not None:
        _say(console, f"stopped: {summary.stopped}; go on with:\n  {_command_line()}")
    if summary.front:
        _say(console, "look at it, ask it, take the best network home:")
        for command in ("ui", f"best {wanted.name} --limit 5", f"export {wanted.name} --to best"):
            _say(console, f"  {_program()} {command}{place.options()}")
    if summary.stopped is not None and summary.signal_number is not None:
        raise typer.Exit(128 + summary.signal_number)


@app.command("list")
def list_studies(
    home: HomeOption = None, tracking_uri: TrackingOption = None, as_json: JsonOption = False
) -> None:
    """List all studies."""
    results, tables = _readers()
    found = results.list_studies(Home.find(home, tracking_uri))
    if as_json:
        _print_json([study.to_dict() for study in found])
    else:
        _console().print(tables.study_table(found) if found else "no studies yet")


@app.command()
def status(
    name: NameArgument,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how a study stands."""
    results, tables = _readers()
    found = results.status(name, Home.find(home, tracking_uri))
    if as_json:
        _print_json(found.to_dict())
    else:
        _console().print(tables.status_table(found))


@app.command()
def trials(
    name: NameArgument,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List all trials of a study, with the reasons of those that failed."""
    results, _ = _readers()
    found = results.records(name, Home.find(home, tracking_uri))
    _print_records(found, f"{name}: {len(found)} trials", as_json=as_json, as_csv=as_csv)


@app.command()
def pareto(
    name: NameArgument,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List the trials on the Pareto front, the fewest parameters first."""
    results, _ = _readers()
    found = results.front(name, Home.find(home, tracking_uri))
    _print_records(found, f"{name}: Pareto front", as_json=as_json, as_csv=as_csv)


@app.command()
def best(
    name: NameArgument,
    max_parameters: Annotated[int | None, typer.Option(help="At most so many.")] = None,
    min_accuracy: Annotated[float | None, typer.Option(help="Validation, 0 to 1.")] = None,
    family: Annotated[str | None, typer.Option(help="Of one family only.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many.")] = None,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the complete trials that pass the filters, best validation accuracy first."""
    results, _ = _readers()
    found = results.best_configs(
        name,
        max_parameters=max_parameters,
        min_accuracy=min_accuracy,
        family=family,
        limit=limit,
        home=Home.find(home, tracking_uri),
    )
    _print_records(found, f"{name}: best configurations", as_json=as_json)


@app.command()
def export(
    name: NameArgument,
    trial: Annotated[int | None, typer.Argument(help="Its number; by default the best.")] = None,
    to: Annotated[Path | None, typer.Option(help="Folder to write, which must not exist.")] = None,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
) -> None:
    """Copy the trained network of a trial into a folder (`models.load_network` reads it)."""
    _readers()
    from study.export import export_model  # noqa: PLC0415  # as above

    folder = to or Path(name if trial is None else f"{name}-{trial}")
    _say(_console(), str(export_model(name, folder, trial, Home.find(home, tracking_uri))))


@app.command()
def report(
    name: NameArgument,
    to: Annotated[Path | None, typer.Option(help="File, .html or .png.")] = None,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
) -> None:
    """Draw the front: one HTML file that works offline, or a PNG."""
    results, _ = _readers()
    from study.report import write_report  # noqa: PLC0415  # plotly loads only when it is needed

    place = Home.find(home, tracking_uri)
    file = to or place.study_folder(name) / "report.html"
    write_report(name, results.records(name, place), file)
    _say(_console(), str(file))


@app.command()
def ui(
    port: Annotated[int | None, typer.Option(help="By default 5000, or the next free.")] = None,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
) -> None:
    """Serve the MLflow UI of all studies on this machine, until Ctrl-C."""
    environment.prepare()
    from study.ui import serve  # noqa: PLC0415  # loads only when it is needed

    serve(Home.find(home, tracking_uri), port, lambda text: _say(_console(), text))


@app.command()
def submit(
    spec: Annotated[Path, typer.Argument(help="The spec, TOML.")],
    address: Annotated[str, typer.Option(help="Of the Ray dashboard, as http://head:8265.")],
    wait: Annotated[bool, typer.Option("--wait", help="Follow the output to the end.")] = False,
    trials: Annotated[int | None, typer.Option(help="Budget of trials.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the study.")] = None,
    changes: SetOption = None,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
) -> None:
    """Submit a study to a Ray cluster; --home and --tracking-uri are as the cluster sees them."""
    wanted = _spec(spec, trials, name, changes)
    environment.prepare()
    from study import cluster  # noqa: PLC0415  # Ray loads only when it is needed

    place = None if home is None else str(home)
    job = cluster.submit(wanted, address, home=place, tracking_uri=tracking_uri, wait=wait)
    _say(_console(), f"job {job}")


def _spec(
    file: Path, trials: int | None, name: str | None, changes: Sequence[str] | None
) -> StudySpec:
    extra = [] if trials is None else [f"budget.trials={trials}"]
    extra += [] if name is None else [f"name={json.dumps(name)}"]
    return StudySpec.from_toml(file, [*(changes or []), *extra])


def _readers() -> tuple[Any, Any]:
    """The modules that read and show results; they load MLflow, which takes a second."""
    environment.prepare()
    from study import results, tables  # noqa: PLC0415  # see above

    return results, tables


def _print_records(
    found: Sequence[Any], title: str, *, as_json: bool, as_csv: bool = False
) -> None:
    if as_json:
        _print_json([record.to_dict() for record in found])
        return
    if as_csv:
        from study.record import to_frame  # noqa: PLC0415  # pandas loads only when it is needed

        sys.stdout.write(to_frame(found).to_csv(index=False))
        return
    _, tables = _readers()
    console = _console()
    console.print(tables.trial_table(found, title) if found else f"{title}: none")
    for record in found:
        if record.state == "FAIL":
            _say(console, f"trial {record.trial} failed: {record.reason}")
    infeasible = [record for record in found if record.state == "INFEASIBLE"]
    if infeasible:
        reasons = "; ".join(sorted({record.reason or "" for record in infeasible}))
        _say(console, f"{len(infeasible)} trials were not trained: {reasons}")


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDTH)


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _program() -> str:
    """How this command is called from here; where it runs as a module, as in a job: `study`."""
    program = Path(sys.argv[0]).absolute()
    found = shutil.which("study")
    if program.suffix == ".py" or (found and Path(found).resolve() == program.resolve()):
        return "study"
    here = Path.cwd()
    return shlex.quote(str(program.relative_to(here) if program.is_relative_to(here) else program))


def _command_line() -> str:
    return f"{_program()} {shlex.join(sys.argv[1:])}"


def main() -> None:
    """Runs the command; errors end in one message and their exit status."""
    try:
        app()
    except StudyError as error:
        Console(stderr=True).print(
            f"error: {error}", style="red", highlight=False, markup=False, soft_wrap=True
        )
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
