"""The replication of the paper: trains the studies of plan.toml, judges claims.toml, writes the page.

    python -m paper plan [DATA]
    python -m paper power
    python -m paper run [DATA] [--minutes N] [--studies NAME ...]
    python -m paper test [DATA] [--minutes N] [--studies NAME ...]
    python -m paper record [DATA]
    python -m paper page

`plan` estimates the core-hours of each study, and `power` simulates the power of each claim
(paper/powers.json). `run` searches and races without test images, and stores the choices of networks
of each study. `test` trains the chosen networks with fresh seeds and evaluates them on the test
images. Both continue where they were stopped; DATA is fashion_mnist by default, NAME can be a pattern
such as 'bound-10k-*'. Run one of them at a time: they share the file of choices. `record` adds the
tested studies to the benchmark file in paper/results, and writes the results of the claims and the
effects of the factorial; studies in that file are not trained again, on whatever machine. `page`
writes docs/results.md, docs/results_details.md and the figures from these files alone. The exit status
is 0, 2 for bad input, 75 if the minutes were over, and 130 after Ctrl-C (the same command continues).
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import study
from paper import power
from paper.claims import Claims
from paper.costs import hours
from paper.details_page import write_details_page
from paper.effects import Effect, cells, effects, planned_cells
from paper.evidence import Evidence
from paper.judge import Result, judge
from paper.page import all_choices, all_rows, write_page
from paper.plan import Plan
from paper.run import Replication, TimeUpError, limited, roles_of
from paper.table import rows_of, studies_in, write

RESULTS: Final = Path(__file__).with_name("results")
_TIME_UP: Final = 75  # EX_TEMPFAIL of sysexits.h
_INTERRUPTED: Final = 130  # of shells, for SIGINT


def main(words: Sequence[str] | None = None) -> int:
    """Runs a command; bad input ends in one message. Returns the exit status."""
    arguments = _parser().parse_args(words)
    try:
        arguments.act(arguments)
    except study.StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except TimeUpError:
        print(f"{arguments.minutes:g} minutes are over; the same command continues")
        return _TIME_UP
    except KeyboardInterrupt:
        print("interrupted; the same command continues")
        return _INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m paper",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    plan = commands.add_parser("plan", help="estimate the core-hours of each study")
    plan.add_argument("data", nargs="?", default="fashion_mnist", metavar="DATA")
    plan.set_defaults(act=_plan)
    powers = commands.add_parser("power", help="simulate the power of each claim")
    powers.set_defaults(act=_power)
    run = commands.add_parser("run", help="search, race and choose, without test images")
    run.set_defaults(act=_run)
    test = commands.add_parser("test", help="evaluate the chosen networks on the test images")
    test.set_defaults(act=_test)
    for command in (run, test):
        command.add_argument("--minutes", type=float, metavar="N", help="stop cleanly after these")
        command.add_argument(
            "--studies", nargs="+", default=[], metavar="NAME", help="by default all"
        )
    record = commands.add_parser(
        "record", help="write the benchmark file and the results of claims"
    )
    record.set_defaults(act=_record)
    for command in (run, test, record):
        command.add_argument("data", nargs="?", default="fashion_mnist", metavar="DATA")
        command.add_argument("--root", default="data", help="folder of the images (default: data)")
        command.add_argument("--home", metavar="DIR", help="default: $STUDY_HOME or ./runs")
    for command in (plan, powers, run, test, record):
        command.add_argument("--plan", type=Path, metavar="FILE", help="default: plan.toml")
        command.add_argument("--claims", type=Path, metavar="FILE", help="default: claims.toml")
    for command in (run, test, record):
        command.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    page = commands.add_parser(
        "page", help="write docs/results*.md and the figures from the results"
    )
    page.set_defaults(act=_page)
    return parser


def _replication(arguments: argparse.Namespace) -> Replication:
    return Replication(
        plan=_read_plan(arguments),
        claims=_claims(arguments),
        data=arguments.data,
        root=arguments.root,
        home=study.Home.find(arguments.home),
        choices=_choices_file(arguments.results, arguments.data),
        recorded=studies_in(_benchmark_file(arguments.results, arguments.data)),
    )


def _read_plan(arguments: argparse.Namespace) -> Plan:
    return Plan.read(arguments.plan) if arguments.plan else Plan.read()


def _claims(arguments: argparse.Namespace) -> Claims:
    return Claims.read(arguments.claims) if arguments.claims else Claims.read()


def _choices_file(results: Path, data: str) -> Path:
    return results / f"choices-{data}.json"


def _benchmark_file(results: Path, data: str) -> Path:
    return results / f"networks-{data}.parquet"


def _plan(arguments: argparse.Namespace) -> None:
    claims = _claims(arguments)
    found = [
        hours(one, sum(role.raced for role in roles_of(one, claims)))
        for one in _read_plan(arguments).planned(arguments.data)
    ]
    print(f"{'study':<42}{'networks':>9}{'search':>8}{'race':>7}{'test':>7}{'hours':>7}")
    for one in found:
        print(
            f"{one.name:<42}{one.networks:9,}{one.search:8.2f}{one.race:7.2f}{one.test:7.2f}"
            f"{one.all:7.2f}"
        )
    print(f"{sum(one.all for one in found):.1f} core-hours")


def _power(arguments: argparse.Namespace) -> None:
    low = power.write(_claims(arguments), _read_plan(arguments))
    print(f"{power.FILE}: the power of {low} claims is below {power.SUFFICIENT}")


def _run(arguments: argparse.Namespace) -> None:
    with limited(arguments.minutes):
        _replication(arguments).search(arguments.studies)
    print("the choices are stored; `python -m paper test` tests these networks")


def _test(arguments: argparse.Namespace) -> None:
    with limited(arguments.minutes):
        _replication(arguments).test(arguments.studies)
    print("the networks are tested; `python -m paper record` writes the results")


def _record(arguments: argparse.Namespace) -> None:
    replication = _replication(arguments)
    file = _benchmark_file(arguments.results, arguments.data)
    tested = replication.tested()
    home = study.Home.find(arguments.home)
    with_losses = _claims(arguments).of_losses(arguments.data)
    made = (row for one in tested for row in rows_of(one, home, losses=one.key in with_losses))
    count = write(made, file)
    print(f"{', '.join(one.key for one in tested) or 'no study'} -> {file}: {count:,} networks")
    networks = all_rows(arguments.results)
    evidence = Evidence(networks, all_choices(arguments.results))
    found = judge(_claims(arguments).claims, evidence)
    _write(arguments.results / "verdicts.json", found)
    of_factorial = effects(cells(networks), planned_cells(_read_plan(arguments)))
    _write(arguments.results / "effects.json", of_factorial)
    print(f"{len(found)} claims and {len(of_factorial)} effects -> {arguments.results}")


def _page(_: argparse.Namespace) -> None:
    write_page(RESULTS)
    write_details_page(RESULTS)


def _write(file: Path, found: Sequence[Result | Effect]) -> None:
    text = json.dumps([asdict(one) for one in found], indent=1)
    file.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
