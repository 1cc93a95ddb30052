"""The commands that ask a study."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from study.command_line import (
    CsvOption,
    HomeOption,
    JsonOption,
    NameArgument,
    TrackingOption,
    console,
    print_json,
    readers,
    say,
)
from study.home import Home

app = typer.Typer()


@app.command("list")
def list_studies(
    home: HomeOption = None, tracking_uri: TrackingOption = None, as_json: JsonOption = False
) -> None:
    """List all studies."""
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
    as_json: JsonOption = False,
) -> None:
    """Show how a study stands."""
    results, tables = readers()
    found = results.status(name, Home.find(home, tracking_uri))
    if as_json:
        print_json(found.to_dict())
    else:
        console().print(tables.status_table(found))


@app.command()
def trials(
    name: NameArgument,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List all trials of a study, with the reasons of those that failed."""
    results, _ = readers()
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
    results, _ = readers()
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
    results, _ = readers()
    found = results.best_configs(
        name,
        max_parameters=max_parameters,
        min_accuracy=min_accuracy,
        family=family,
        limit=limit,
        home=Home.find(home, tracking_uri),
    )
    _print_records(found, f"{name}: best configurations", as_json=as_json)


def _print_records(
    found: Sequence[Any], title: str, *, as_json: bool, as_csv: bool = False
) -> None:
    if as_json:
        print_json([record.to_dict() for record in found])
        return
    if as_csv:
        from study.record import to_frame  # noqa: PLC0415  # pandas loads only when it is needed

        sys.stdout.write(to_frame(found).to_csv(index=False))
        return
    _, tables = readers()
    screen = console()
    screen.print(tables.trial_table(found, title) if found else f"{title}: none")
    for record in found:
        if record.state == "FAIL":
            say(screen, f"trial {record.trial} failed: {record.reason}")
    infeasible = [record for record in found if record.state == "INFEASIBLE"]
    if infeasible:
        reasons = "; ".join(sorted({record.reason or "" for record in infeasible}))
        say(screen, f"{len(infeasible)} trials were not trained: {reasons}")
