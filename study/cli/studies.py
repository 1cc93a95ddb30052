"""The commands that list, describe, compare and show studies."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from study.cli import jobs
from study.cli.options import (
    ClusterOption,
    CsvOption,
    FreshOption,
    JsonOption,
    NameArgument,
    console,
    errors,
    print_json,
    say,
    with_home,
)
from study.errors import BadInputError
from study.home import Home, checked_names

app = typer.Typer()


@app.command("list")
@with_home
def list_studies(
    *,
    home: Home,
    address: ClusterOption = None,
    fresh: FreshOption = False,
    as_json: JsonOption = False,
) -> None:
    """List all studies, or the jobs of a cluster."""
    if address is not None:
        jobs.show_jobs(address, as_json=as_json)
        return
    from study.cli import tables
    from study.results import answers

    found = answers.list_studies(home=home, fresh=fresh)
    if as_json:
        print_json([study.to_dict() for study in found])
    else:
        console().print(tables.study_table(found) if found else "no studies yet")


@app.command()
@with_home
def status(
    name: NameArgument,
    *,
    home: Home,
    address: ClusterOption = None,
    fresh: FreshOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show the status of a study, or of its job on a cluster."""
    if address is not None:
        jobs.show_job(address, name, as_json=as_json)
        return
    from study.cli import tables
    from study.results import answers

    found = answers.status(name, home=home, fresh=fresh)
    if as_json:
        print_json(found.to_dict())
    else:
        console().print(tables.status_table(found))


@app.command()
@with_home
def compare(
    names: Annotated[
        list[str], typer.Argument(help="Names of two studies or more.", callback=checked_names)
    ],
    min_accuracy: Annotated[
        float | None,
        typer.Option(
            help="Compare the smallest trials of this validation accuracy.",
            show_default="the best that all studies reach",
        ),
    ] = None,
    *,
    home: Home,
    fresh: FreshOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Compare studies, and list the front of all together."""
    from study.cli import tables
    from study.results.comparison import compare

    found = compare(
        names,
        min_accuracy=min_accuracy,
        home=home,
        fresh=fresh,
    )
    if as_json:
        print_json(found.to_dict())
    elif as_csv:
        sys.stdout.write(found.front_frame().to_csv())
    else:
        screen = console()
        screen.print(tables.comparison_table(found))
        if found.front:
            studies, records = zip(*found.front, strict=True)
            screen.print(tables.trial_table(records, "joint Pareto front", studies))
    for difference in found.differences:
        say(errors(), f"warning: {difference}")


@app.command()
@with_home
def report(
    name: NameArgument,
    to: Annotated[Path | None, typer.Option(help="File, .html or .png.")] = None,
    figure: Annotated[
        str | None,
        typer.Option(
            help="Which figure of a PNG: front, curves, hypervolume, settings, importance, stopping.",
            show_default="front",
        ),
    ] = None,
    *,
    home: Home,
    fresh: FreshOption = False,
) -> None:
    """Write the report: one HTML page that works offline, or a figure of it as PNG."""
    file = to or _report_file(name, home)
    if file.suffix not in (".html", ".png"):
        raise BadInputError(f"the report's file must end in .html or .png, got {file}")
    if figure is not None and file.suffix != ".png":
        raise BadInputError(
            f"a single figure needs a file that ends in .png (option --to), got {file}"
        )
    from study.report.report import write_figure, write_report

    if file.suffix == ".png":
        write_figure(name, home=home, file=file, key=figure or "front", fresh=fresh)
    else:
        write_report(name, home=home, file=file, fresh=fresh)
    say(console(), str(file))


def _report_file(name: str, home: Home) -> Path:
    """In the study's folder, or, on a machine that only reads its records, here."""
    folder = home.study_folder(name).path
    return folder / "report.html" if folder.is_dir() else Path(f"{name}-report.html")


@app.command()
@with_home
def ui(
    port: Annotated[int | None, typer.Option(help="By default 5000, or the next free.")] = None,
    *,
    home: Home,
) -> None:
    """Serve the MLflow UI of all studies on this machine, until Ctrl-C."""
    from study.report.ui import serve

    serve(home, port, lambda text: say(console(), text))
