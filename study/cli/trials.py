"""The commands that list trials of a study."""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from study.cli.options import (
    CsvOption,
    FreshOption,
    JsonOption,
    NameArgument,
    console,
    errors,
    print_json,
    say,
    with_home,
    with_options,
)
from study.errors import BadInputError
from study.home import Home

app = typer.Typer()

_SHOWN: Final = 1000  # rows of a table: more take seconds in a terminal

_FILTERS: Final[dict[str, Any]] = {
    "family": Annotated[
        list[str] | None, typer.Option("--family", help="Of one family; repeat it for more.")
    ],
    "min_parameters": Annotated[
        int | None, typer.Option(min=0, help="Least trainable parameters.")
    ],
    "max_parameters": Annotated[int | None, typer.Option(min=0, help="Most trainable parameters.")],
    "min_macs": Annotated[int | None, typer.Option(min=0, help="Least multiply-accumulates.")],
    "max_macs": Annotated[int | None, typer.Option(min=0, help="Most multiply-accumulates.")],
    "min_accuracy": Annotated[
        float | None, typer.Option(help="Least validation accuracy, 0 to 1.")
    ],
    "min_epochs": Annotated[int | None, typer.Option(min=0, help="Least epochs trained.")],
    "max_epochs": Annotated[int | None, typer.Option(min=0, help="Most epochs trained.")],
}
OrderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--order", metavar="METRIC[:asc|desc]", help="By a metric, epochs or trial; repeatable."
    ),
]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Number of trials, the first ones.")]
ConfidentOption = Annotated[
    bool, typer.Option("--confident", help="Only differences beyond the standard errors count.")
]

_with_filters = with_options("filters", _FILTERS, dict)


@app.command()
@_with_filters
@with_home
def trials(
    name: NameArgument,
    filters: dict[str, Any],
    state: Annotated[
        list[str] | None, typer.Option(help="COMPLETE, PRUNED, ...; repeat it for more.")
    ] = None,
    order: OrderOption = None,
    limit: LimitOption = None,
    *,
    home: Home,
    fresh: FreshOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List the trials of a study that pass the filters, with the reasons of those that failed."""
    from study.results import answers

    states = tuple(one.upper() for one in state or ())
    found = answers.records(
        name, home=home, states=states, order=order or (), limit=limit, fresh=fresh, **filters
    )
    _print_records(found, f"{name}: {len(found)} trials", as_json=as_json, as_csv=as_csv)
    if not found:
        _explain(name, home, filters, states=states, fresh=fresh)


@app.command()
@with_home
def pareto(
    name: NameArgument,
    confident: ConfidentOption = False,
    *,
    home: Home,
    fresh: FreshOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List the trials on the Pareto front, the fewest parameters first."""
    from study.results import answers

    found = answers.front(name, home=home, confident=confident, fresh=fresh)
    title = f"{name}: Pareto front{' within the standard errors' if confident else ''}"
    _print_records(found, title, as_json=as_json, as_csv=as_csv)
    if not found:
        _explain(name, home, {}, fresh=fresh)


@app.command()
@_with_filters
@with_home
def best(
    name: NameArgument,
    filters: dict[str, Any],
    limit: LimitOption = None,
    smallest: Annotated[bool, typer.Option("--smallest", help="The smallest first.")] = False,
    knee: Annotated[bool, typer.Option("--knee", help="The knee of the front.")] = False,
    confident: ConfidentOption = False,
    order: OrderOption = None,
    *,
    home: Home,
    fresh: FreshOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List the complete trials that pass the filters, best in the first objective first."""
    from study.results import answers

    if knee:
        given = [key for key, value in filters.items() if value not in (None, [])]
        if given or order or smallest or confident:
            raise BadInputError("`--knee` is that of the whole front, so it takes no other choice")
        one = answers.knee(name, home=home, fresh=fresh)
        found, title = [] if one is None else [one], f"{name}: knee of the front"
    else:
        found = answers.best_configs(
            name,
            smallest=smallest,
            confident=confident,
            order=order or (),
            limit=limit,
            home=home,
            fresh=fresh,
            **filters,
        )
        title = f"{name}: best configurations"
    _print_records(found, title, as_json=as_json, as_csv=as_csv)
    if not found:
        _explain(name, home, {} if knee else filters, fresh=fresh)


def _print_records(
    found: Sequence[Any], title: str, *, as_json: bool, as_csv: bool = False
) -> None:
    if as_json:
        print_json([record.to_dict() for record in found])
        return
    if as_csv:
        from study.results.record import to_frame

        sys.stdout.write(to_frame(found).to_csv())
        return
    if not found:
        return
    from study.cli import tables

    screen = console()
    count, found = len(found), found[:_SHOWN]
    screen.print(tables.trial_table(found, title))
    if count > _SHOWN:
        say(
            screen,
            f"the first {_SHOWN:,} of {count:,}; filters, --order and --limit choose, --json and "
            f"--csv print all",
        )
    for record in found:
        if record.state == "FAIL":
            say(screen, f"trial {record.trial} failed: {record.reason}")


def _explain(
    name: str,
    home: Home,
    filters: Mapping[str, Any],
    *,
    states: tuple[str, ...] | None = None,
    fresh: bool,
) -> None:
    """Explains an empty result on stderr, for it is no error."""
    from study.results.no_match import explain_no_match
    from study.results.query import COMPLETE, Filters

    wanted = COMPLETE.states if states is None else states
    say(errors(), explain_no_match(name, home, Filters(**filters), states=wanted, fresh=fresh))
