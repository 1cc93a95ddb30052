"""The replication of the paper: judges its claims, keeps what studies found, and writes the page.

    python -m paper verdict NAME ... [--spec FILE] [--json]
    python -m paper summary [NAME ...] [--note TEXT]
    python -m paper summary NAME --parts STUDY ... [--note TEXT]
    python -m paper page [--text]

`verdict` holds the claims beside a spec against what one study, or several, measured. `summary` writes
paper/results/NAME.json, without names for every study of the home that has a spec in paper/specs, with
parts for one that was run as several studies. `page` writes docs/results.md and its figures from these
files alone. The exit status is 0, or 2 for bad input.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from rich.console import Console

import study
from paper.files import RESULTS, spec_files
from paper.page import write_page
from paper.summary import summary, to_text
from paper.verdict import verdict
from paper.verdict_table import NARROWEST, paragraphs, reasons, verdict_table

_WIDTH = 110  # of tables without a terminal


def main(words: Sequence[str] | None = None) -> int:
    """Runs a command; bad input ends in one message. Returns the exit status."""
    arguments = _parser().parse_args(words)
    try:
        arguments.act(arguments)
    except study.StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m paper",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    judged = commands.add_parser("verdict", help="judge claims by what studies measured")
    judged.add_argument("names", nargs="+", metavar="NAME", help="studies; judged together")
    judged.add_argument("--spec", metavar="FILE", help="the spec beside which the claims stand")
    judged.add_argument("--json", action="store_true", help="print JSON")
    judged.set_defaults(act=_verdict)
    kept = commands.add_parser("summary", help="keep what stored studies found")
    kept.add_argument("names", nargs="*", metavar="NAME", help="a study; all if none is given")
    kept.add_argument("--note", default="", help="a remark on how they were run")
    kept.add_argument(
        "--parts", nargs="+", default=[], metavar="STUDY", help="the studies that NAME was run as"
    )
    kept.set_defaults(act=_summary)
    for command in (judged, kept):
        command.add_argument("--home", metavar="DIR", help="default: $STUDY_HOME or ./runs")
        command.add_argument("--tracking-uri", metavar="URI", help="default: that of the home")
    made = commands.add_parser("page", help="write docs/results.md from the summaries")
    made.add_argument("--text", action="store_true", help="leave the figures as they are")
    made.set_defaults(act=lambda arguments: write_page(figures=not arguments.text))
    return parser


def _verdict(arguments: argparse.Namespace) -> None:
    home = study.Home.find(arguments.home, arguments.tracking_uri)
    found = verdict(*arguments.names, spec=arguments.spec, home=home)
    if arguments.json:
        print(json.dumps([one.to_dict() for one in found], indent=2))
        return
    screen = Console(width=None if sys.stdout.isatty() else _WIDTH)
    title = f"{', '.join(arguments.names)}: claims and what was measured"
    if screen.width < NARROWEST:
        lines = [title, *paragraphs(found)]
    else:
        screen.print(verdict_table(found, title))
        lines = list(reasons(found))
    for line in lines:
        screen.print(line, highlight=False, markup=False, soft_wrap=True)


def _summary(arguments: argparse.Namespace) -> None:
    if arguments.parts and len(arguments.names) != 1:
        raise study.BadInputError(f"--parts are of exactly one NAME, got {len(arguments.names)}")
    home = study.Home.find(arguments.home, arguments.tracking_uri)
    specs = {file.stem for file in spec_files()}
    names = arguments.names or [
        one.name for one in study.list_studies(home=home) if one.name in specs
    ]
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in names:
        content = summary(name, home, arguments.note, arguments.parts)
        file = RESULTS / f"{name}.json"
        file.write_text(to_text(content), encoding="utf-8")
        states = ", ".join(f"{count} {state}" for state, count in content["states"].items())
        print(f"{name}: {states}; {len(content['findings'])} results -> {file.name}")


if __name__ == "__main__":
    sys.exit(main())
