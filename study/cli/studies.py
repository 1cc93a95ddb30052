"""The commands that say how studies stand, alone and beside each other."""

import sys
from typing import Annotated

import typer

from study.cli import jobs
from study.cli.options import (
    ClusterOption,
    CsvOption,
    HomeOption,
    JsonOption,
    NameArgument,
    TrackingOption,
    console,
    errors,
    print_json,
    readers,
    say,
)
from study.home import Home, checked_names

app = typer.Typer()


@app.command("list")
def list_studies(
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
    address: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """List all studies, or the jobs of a cluster."""
    if address is not None:
        jobs.show_jobs(address, as_json=as_json)
        return
    results, tables = readers()
    found = results.list_studies(Home.find(home, tracking_uri))
    if as_json:
        print_json([study.to_dict() for study in found])
    else:
        console().print(tables.study_table(found) if found else "no studies yet")


@app.command()
def status(
    name: NameArgument,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
    address: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how a study stands, or its job on a cluster."""
    if address is not None:
        jobs.show_job(address, name, as_json=as_json)
        return
    results, tables = readers()
    found = results.status(name, Home.find(home, tracking_uri))
    if as_json:
        print_json(found.to_dict())
    else:
        console().print(tables.status_table(found))


@app.command()
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
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Compare studies, and list the front of all together."""
    _, tables = readers()
    from study.results.comparison import compare  # noqa: PLC0415  # pandas loads only when it is needed

    found = compare(names, min_accuracy=min_accuracy, home=Home.find(home, tracking_uri))
    if as_json:
        print_json(found.to_dict())
    elif as_csv:
        sys.stdout.write(found.front_frame().to_csv(index=False))
    else:
        screen = console()
        screen.print(tables.comparison_table(found))
        if found.front:
            studies, records = zip(*found.front, strict=True)
            screen.print(tables.trial_table(records, "joint Pareto front", studies))
    for difference in found.differences:
        say(errors(), f"warning: {difference}")
