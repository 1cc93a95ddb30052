"""The commands that list trials of a study: trials, pareto, best."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

from study.cli.options import (
    RESULTS,
    CsvOption,
    FreshOption,
    JsonOption,
    NameArgument,
    command,
    console,
    errors,
    print_json,
    say,
    with_home,
    with_options,
)
from study.errors import BadInputError
from study.home import Home

if TYPE_CHECKING:
    from pandas import DataFrame

app = typer.Typer()

_Asked: TypeAlias = tuple[str, Home, Sequence[str] | None]  # a study, where it is, an order
_SHOWN: Final = 1000  # rows of a table; more take a terminal seconds

_FILTERS: Final[dict[str, Any]] = {
    "family": Annotated[
        list[str] | None, typer.Option("--family", help="Family of networks; repeatable.")
    ],
    "dendritic": Annotated[
        bool | None,
        typer.Option(
            "--dendritic/--controls",
            help="Only networks whose somata have at least two nonlinear branches of their own, or "
            "only the others.",
        ),
    ],
    "min_parameters": Annotated[
        int | None, typer.Option(min=0, help="Minimum number of trainable parameters.")
    ],
    "max_parameters": Annotated[
        int | None, typer.Option(min=0, help="Maximum number of trainable parameters.")
    ],
    "min_macs": Annotated[int | None, typer.Option(min=0, help="Minimum multiply-accumulates.")],
    "max_macs": Annotated[int | None, typer.Option(min=0, help="Maximum multiply-accumulates.")],
    "min_accuracy": Annotated[
        float | None, typer.Option(help="Minimum validation accuracy, 0 to 1.")
    ],
    "min_epochs": Annotated[int | None, typer.Option(min=0, help="Minimum trained epochs.")],
    "max_epochs": Annotated[int | None, typer.Option(min=0, help="Maximum trained epochs.")],
}
OrderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--order",
        metavar="METRIC[:asc|desc]",
        help="Order by a metric, epochs or trial; repeatable.",
    ),
]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Maximum number of trials.")]
ConfidentOption = Annotated[
    bool, typer.Option("--confident", help="Ignore differences within the standard errors.")
]

_with_filters = with_options("filters", _FILTERS, dict)


@command(app, RESULTS, "study trials mine --order val_accuracy:desc --limit 5")
@_with_filters
@with_home
def trials(
    name: NameArgument,
    filters: dict[str, Any],
    state: Annotated[
        list[str] | None, typer.Option(help="State, such as COMPLETE or PRUNED; repeatable.")
    ] = None,
    order: OrderOption = None,
    limit: LimitOption = None,
    curves: Annotated[
        bool, typer.Option("--curves", help="List the learning curves of --metric instead.")
    ] = False,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="METRIC",
            help="val_accuracy, val_loss or train_loss.",
            show_default="val_accuracy",
        ),
    ] = None,
    seeds: Annotated[
        bool,
        typer.Option(
            "--seeds",
            help="List the values of each replicate by seed; with --curves, its learning curves.",
        ),
    ] = False,
    *,
    home: Home,
    fresh: FreshOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    parquet: Annotated[
        Path | None,
        typer.Option("--parquet", metavar="FILE", help="Write the table to a Parquet file."),
    ] = None,
) -> None:
    """List the trials of a study that pass the filters, with the reasons of failures."""
    from study.results import answers
    from study.results import curves as learning_curves
    from study.results import seeds as seed_values
    from study.results.record import to_frame

    if metric is not None and not curves:
        raise BadInputError(f"--metric requires --curves, got --metric {metric} alone")
    if parquet is not None and (as_json or as_csv):
        raise BadInputError("--parquet excludes --json and --csv")
    if parquet is not None and parquet.suffix.lower() != ".parquet":
        raise BadInputError(
            f"the file of the table must end in .parquet, got {parquet} (--parquet)"
        )
    metric = metric or "val_accuracy"
    states = tuple(one.upper() for one in state or ())
    records = answers.records(
        name, home=home, states=states, order=order or (), limit=limit, fresh=fresh, **filters
    )
    numbers, frame = [record.trial for record in records], None
    if curves:
        frame = learning_curves.curves(
            name, numbers, metric=metric, seeds=seeds, home=home, fresh=fresh
        )
    elif seeds:
        frame = seed_values.seeds(name, numbers, home=home, fresh=fresh)
    if parquet is not None:
        _write_parquet(to_frame(records) if frame is None else frame, parquet)
    elif frame is not None:
        title = f"{name}: {metric if curves else 'replicates'}"
        _print_frame(frame, title, as_json=as_json, as_csv=as_csv)
    else:
        asked, title = (name, home, order), f"{name}: {len(records)} trials"
        _print_records(records, title, asked, as_json=as_json, as_csv=as_csv)
    if not records:
        _explain(name, home, filters, states=states, fresh=fresh)


@command(app, RESULTS, "study pareto mine --confident")
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
    """List the trials on the Pareto front, in order of parameters."""
    from study.results import answers

    records = answers.front(name, home=home, confident=confident, fresh=fresh)
    title = f"{name}: Pareto front{' within the standard errors' if confident else ''}"
    _print_records(records, title, (name, home, None), as_json=as_json, as_csv=as_csv)
    if not records:
        _explain(name, home, {}, fresh=fresh)


@command(app, RESULTS, "study best mine --max-parameters 5000 --limit 3")
@_with_filters
@with_home
def best(
    name: NameArgument,
    filters: dict[str, Any],
    limit: LimitOption = None,
    smallest: Annotated[
        bool, typer.Option("--smallest", help="Order by parameters, confirmed trials first.")
    ] = False,
    knee: Annotated[bool, typer.Option("--knee", help="Only the knee of the front.")] = False,
    confident: ConfidentOption = False,
    order: OrderOption = None,
    *,
    home: Home,
    fresh: FreshOption = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List the complete trials that pass the filters, the best first."""
    from study.results import answers

    if knee:
        given = [key for key, value in filters.items() if value not in (None, [])]
        if given or order or smallest or confident or limit is not None:
            raise BadInputError("`--knee` is that of the whole front, so it excludes other options")
        one = answers.knee(name, home=home, fresh=fresh)
        records, title = [] if one is None else [one], f"{name}: knee of the front"
    else:
        records = answers.best_configs(
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
    _print_records(records, title, (name, home, order), as_json=as_json, as_csv=as_csv)
    if not records:
        _explain(name, home, {} if knee else filters, fresh=fresh)


def _write_parquet(frame: "DataFrame", file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        frame.to_parquet(file)
    except OSError as error:  # without the name of the file
        raise BadInputError(
            f"the file {file} must be writable, got: {error} (--parquet)"
        ) from error
    say(errors(), f"{len(frame):,} rows in {file}")


def _print_frame(frame: "DataFrame", title: str, *, as_json: bool, as_csv: bool) -> None:
    """Prints learning curves, or the values of replicates."""
    if as_json:
        print_json(json.loads(frame.reset_index().to_json(orient="records")))
    elif as_csv:
        sys.stdout.write(frame.to_csv())
    else:
        from study.cli import tables

        table = tables.curve_table if "epoch" in frame.index.names else tables.seed_table
        console().print(table(frame, title))


def _metrics(name: str, home: Home, order: Sequence[str] | None) -> list[str]:
    """The metrics that a table shows: the objectives of the study, and those of the order."""
    from study.results.query import Order
    from study.results.study_status import study_spec

    orders = map(Order.parse, order or ())
    return [*study_spec(name, home=home).objectives, *(one.metric for one in orders)]


def _print_records(
    records: Sequence[Any], title: str, asked: _Asked, *, as_json: bool, as_csv: bool
) -> None:
    if as_json:
        print_json([record.to_dict() for record in records])
        return
    if as_csv:
        from study.results.record import to_frame

        sys.stdout.write(to_frame(records).to_csv())
        return
    if not records:
        return
    from study.cli import tables

    screen = console()
    screen.print(tables.trial_table(records[:_SHOWN], title, metrics=_metrics(*asked)))
    if len(records) > _SHOWN:
        say(
            screen,
            f"the first {_SHOWN:,} of {len(records):,}; select with filters, --order and --limit, or "
            "print all with --json or --csv",
        )
    if any(record.confirmed_replicates for record in records[:_SHOWN]):
        say(
            screen,
            "confirmed: with further seeds; order, filters, front and best are by the pooled values of "
            "search and confirmation",
        )
    for record in records[:_SHOWN]:
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
    """Explains an empty result on stderr; it is no error."""
    from study.results.no_match import explain_no_match
    from study.results.query import Filters

    say(errors(), explain_no_match(name, home, Filters(**filters), states=states, fresh=fresh))
