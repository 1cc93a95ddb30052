"""The command that judges the claims of a study."""

from pathlib import Path
from typing import Annotated

import typer

from study.cli.options import (
    HomeOption,
    JsonOption,
    TrackingOption,
    console,
    print_json,
    readers,
    say,
)
from study.home import Home, checked_names
from study.spec.study_spec import StudySpec

app = typer.Typer()


@app.command()
def verdict(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Names of studies; the trials of several are judged together.",
            callback=checked_names,
        ),
    ],
    spec: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Judge the claims of this spec, not the (first) study's own."
        ),
    ] = None,
    home: HomeOption = None,
    tracking_uri: TrackingOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold the claims of a spec against what one study, or several, measured."""
    given = None if spec is None else StudySpec.from_toml(spec)
    readers()
    from paper import verdict as verdicts  # noqa: PLC0415  # MLflow and torch load only now
    from paper import verdict_table  # noqa: PLC0415  # as above

    found = verdicts.verdict(*names, spec=given, home=Home.find(home, tracking_uri))
    if as_json:
        print_json([finding.to_dict() for finding in found])
        return
    screen = console()
    title = f"{', '.join(names)}: claims and what was measured"
    if screen.width < verdict_table.NARROWEST:
        say(screen, title)
        for text in verdict_table.paragraphs(found):
            say(screen, text)
        return
    screen.print(verdict_table.verdict_table(found, title))
    for text in verdict_table.reasons(found):
        say(screen, text)
