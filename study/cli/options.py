"""Options shared by several commands, and their output."""

import inspect
import json
import math
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from study.errors import BadInputError
from study.home import Home, checked_name, without_passwords
from study.spec.spec_file import keys_of
from study.spec.study_spec import StudySpec
from study.tracking.provenance import COMMAND_VARIABLE

LocalArtifactsOption = Annotated[
    bool,
    typer.Option(
        "--allow-local-artifacts",
        help="Allow a tracking server to set artifact locations on this machine.",
    ),
]


def changes_here(incomplete: str) -> list[str]:
    """The keys of a spec with this prefix, for shell completion.

    A single key gets a second form, because shells append a space to a unique completion.
    """
    found = [f"{key}=" for key in keys_of(StudySpec) if key.startswith(incomplete)]
    return [*found, f"{found[0]}..."] if len(found) == 1 else found


SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a key of the spec; repeatable.",
        autocompletion=changes_here,
    ),
]
TrialsOption = Annotated[int | None, typer.Option("--trials", help="Budget of trials.")]
StudyNameOption = Annotated[str | None, typer.Option("--name", help="Name of the study.")]
EarlierOption = Annotated[
    list[str] | None,
    typer.Option("--from", metavar="NAME", help="Learn from an earlier study; repeatable."),
]
AddressOption = Annotated[
    str, typer.Option("--address", help="Address of the Ray dashboard, such as http://head:8265.")
]
ClusterOption = Annotated[
    str | None,
    typer.Option("--address", help="Show jobs of the Ray cluster with this dashboard instead."),
]
FreshOption = Annotated[
    bool,
    typer.Option("--fresh", help="Read all runs instead of the table, which is at most 10 s old."),
]


def _one_form(context: typer.Context, wanted: bool) -> bool:  # noqa: FBT001  # Typer's signature
    """Raises BadInputError if output is wanted as JSON and as CSV."""
    if wanted and (context.params.get("as_json") or context.params.get("as_csv")):
        raise BadInputError("--json and --csv exclude each other")
    return wanted


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.", callback=_one_form)]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.", callback=_one_form)]


def studies_here(context: typer.Context, incomplete: str) -> list[str]:
    """The studies of the home that begin so, for the completion of a shell."""
    home = Home.find(context.params.get("folder"))
    return [name for name in home.studies() if name.startswith(incomplete)]


NameArgument = Annotated[
    str,
    typer.Argument(help="Name of the study.", callback=checked_name, autocompletion=studies_here),
]
TrialArgument = Annotated[int, typer.Argument(help="Number of the trial.")]

Command = Callable[..., None]

# The groups of commands in `study --help`.
RUN: Final = "Run studies"
CLUSTER: Final = "Run on a Ray cluster"
RESULTS: Final = "Query results"
PAGES: Final = "Reports and pages"
NETWORKS: Final = "Use trained networks"

_WIDTH: Final = 130  # of tables, without a terminal


def command(
    app: typer.Typer, group: str, example: str, name: str | None = None
) -> Callable[[Command], Command]:
    """A decorator that adds a command to a group of the help, which ends with an example."""
    return app.command(name, rich_help_panel=group, epilog=f"Example: {example}")


def with_options(
    parameter: str, options: Mapping[str, Any], value: Callable[..., object]
) -> Callable[[Command], Command]:
    """A decorator that replaces a parameter of a command by options.

    `options` has their types, annotated for Typer; their defaults are None or false. The command gets
    `value(**options)` as the parameter.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def decorated(**given: Any) -> None:  # noqa: ANN401  # of any option
            argument = value(**{name: given.pop(name) for name in options})
            command(**given, **{parameter: argument})

        parameters = dict(inspect.signature(command).parameters)
        replaced = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=False if option is LocalArtifactsOption else None,
                annotation=option,
            )
            for name, option in options.items()
        ]
        kept = [
            [one.replace(kind=one.KEYWORD_ONLY)] if name != parameter else replaced
            for name, one in parameters.items()
        ]
        # Typer reads the options from the signature and the annotations of a command.
        signature = inspect.Signature([one for part in kept for one in part])
        decorated.__signature__ = signature  # type: ignore[attr-defined]  # for inspect
        decorated.__annotations__ = {
            name: one.annotation for name, one in signature.parameters.items()
        }
        return decorated

    return decorate


with_home = with_options(
    "home",
    {
        "folder": Annotated[
            Path | None,
            typer.Option(
                "--home", help="Folder of the studies.", show_default="$STUDY_HOME, else ./runs"
            ),
        ],
        "tracking_uri": Annotated[
            str | None,
            typer.Option(
                "--tracking-uri",
                help="MLflow store of the records.",
                show_default="$MLFLOW_TRACKING_URI, else SQLite in the home",
            ),
        ],
        "allow_local_artifacts": LocalArtifactsOption,
    },
    Home.find,
)
"""Replaces the parameter `home` of a command by its options."""


def read_spec(
    file: Path,
    trials: int | None,
    name: str | None,
    changes: Sequence[str] | None,
    earlier: Sequence[str] | None = None,
) -> StudySpec:
    """Reads a spec with the changes of the command line."""
    extra = [] if trials is None else [f"budget.trials={trials}"]
    extra += [] if name is None else [f"name={json.dumps(name)}"]
    extra += [f"earlier={json.dumps(list(earlier))}"] if earlier else []
    return StudySpec.from_toml(file, [*(changes or []), *extra])


def print_json(value: object) -> None:
    """Prints JSON to stdout; JSON has no NaN and no infinity, so that these are null."""
    sys.stdout.write(json.dumps(_finite(value), indent=2, allow_nan=False) + "\n")


def _finite(value: object) -> object:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(one) for key, one in value.items()}
        case list() | tuple():
            return [_finite(one) for one in value]
        case _:
            return value


def program() -> str:
    """The path of this program from here; `study` if it is on the path, or runs as a module."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was deleted while the command ran
        return shlex.quote(sys.argv[0])
    path = here / sys.argv[0]
    on_path = shutil.which("study")
    if path.suffix == ".py" or (on_path and Path(on_path).resolve() == path.resolve()):
        return "study"
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def command_line() -> str:
    """The command that was given; for a job, the one that submitted it."""
    submitted = os.environ.get(COMMAND_VARIABLE)
    return submitted or without_passwords(f"{program()} {shlex.join(sys.argv[1:])}")


def console() -> Console:
    """The console on stdout."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH)


def errors() -> Console:
    """The console on stderr, for warnings and reasons, so that stdout can be parsed."""
    return Console(stderr=True)


def say(screen: Console, text: str) -> None:
    """Prints a text without markup or line breaks."""
    screen.print(text, highlight=False, markup=False, soft_wrap=True)
