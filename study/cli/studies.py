"""The commands on studies: list, status, compare, report, ui."""

import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from study.cli import jobs
from study.cli.options import (
    PAGES,
    RESULTS,
    ClusterOption,
    CsvOption,
    FreshOption,
    JsonOption,
    NameArgument,
    command,
    console,
    errors,
    print_json,
    say,
    studies_here,
    with_home,
)
from study.errors import BadInputError
from study.home import Home, checked_names

app = typer.Typer()

NamesArgument = Annotated[
    list[str],
    typer.Argument(help="Names of studies.", callback=checked_names, autocompletion=studies_here),
]


@command(app, RESULTS, "study list", "list")
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
    from study.results import study_status

    with warnings.catch_warnings(record=True) as unreadable:
        statuses = study_status.list_studies(home=home, fresh=fresh)
    for one in unreadable:
        say(errors(), f"warning: {one.message}")
    if as_json:
        print_json([study.to_dict() for study in statuses])
    else:
        console().print(tables.study_table(statuses) if statuses else "no studies yet")


@command(app, RESULTS, "study status mine")
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
    from study.results import study_status

    found = study_status.status(name, home=home, fresh=fresh)
    if as_json:
        print_json(found.to_dict())
    else:
        console().print(tables.status_table(found))


@command(app, RESULTS, "study compare mine other")
@with_home
def compare(
    names: NamesArgument,
    min_accuracy: Annotated[
        float | None,
        typer.Option(
            help="Validation accuracy, 0 to 1, at which to compare the smallest trials.",
            show_default="the best that all studies reach",
        ),
    ] = None,
    *,
    home: Home,
    fresh: FreshOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Compare studies, and list their joint front."""
    from study.cli import tables
    from study.results.comparison import compare
    from study.results.study_status import study_spec

    comparison = compare(names, min_accuracy=min_accuracy, home=home, fresh=fresh)
    if as_json:
        print_json(comparison.to_dict())
    elif as_csv:
        sys.stdout.write(comparison.front_frame().to_csv())
    else:
        screen = console()
        screen.print(tables.comparison_table(comparison))
        if comparison.front:
            studies, records = zip(*comparison.front, strict=True)
            objectives = study_spec(names[0], home=home).objectives  # those of all
            screen.print(
                tables.trial_table(
                    records, "joint Pareto front", metrics=objectives, studies=studies
                )
            )
    for difference in comparison.differences:
        say(errors(), f"warning: {difference}")


@command(app, PAGES, "study report mine --to report.html")
@with_home
def report(
    names: NamesArgument,
    to: Annotated[Path | None, typer.Option(help="File to write, .html or .png.")] = None,
    figure: Annotated[
        str | None,
        typer.Option(
            help="Figure of a PNG: front, curves, hypervolume, settings, importance, stopping.",
            show_default="front",
        ),
    ] = None,
    *,
    home: Home,
    fresh: FreshOption = False,
) -> None:
    """Write the report of a study, or of several on one page, as HTML, or a figure as PNG."""
    file = to or _report_file(names, home)
    if file.suffix not in (".html", ".png"):
        raise BadInputError(f"the file of the report must end in .html or .png, got {file}")
    if figure is not None and file.suffix != ".png":
        raise BadInputError(
            f"a single figure needs a file that ends in .png (option --to), got {file}"
        )
    if file.suffix == ".png" and len(names) > 1:
        raise BadInputError(
            f"a PNG is of one study, got {', '.join(names)}; the page of several ends in .html"
        )
    from study.report.report import write_figure, write_report

    if file.suffix == ".png":
        write_figure(names[0], home=home, file=file, key=figure or "front", fresh=fresh)
    else:
        write_report(names, home=home, file=file, fresh=fresh)
    say(console(), str(file))


def _report_file(names: list[str], home: Home) -> Path:
    """The default file: in the folder of the one study if that is on this machine, else here."""
    folder = home.study_folder(names[0]).path
    if len(names) == 1 and folder.is_dir():
        return folder / "report.html"
    return Path(f"{'-'.join(names)}-report.html")


@command(app, PAGES, "study ui")
@with_home
def ui(
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port, by default the first free one from 5000."),
    ] = None,
    *,
    home: Home,
) -> None:
    """Serve the MLflow UI with all studies on this machine, until Ctrl-C."""
    from study.report.ui import serve

    serve(home, port, lambda text: say(console(), text))
