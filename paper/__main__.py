"""Keeps what stored studies of the paper found, one file each, for docs/results.md.

    python benchmarks/paper.py [NAME ...] [--home DIR] [--note TEXT]
    python benchmarks/paper.py NAME --parts STUDY ... [--home DIR] [--note TEXT]

Writes paper/results/NAME.json; without names for every study of the home that has a spec in
paper/specs. With parts for one that was run as several studies. Then
`python benchmarks/paper_page.py` makes the page.
"""

import argparse

import study
from paper.files import RESULTS, SPECS
from paper.summary import summary, to_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a study; all if none is given")
    parser.add_argument("--home", help="the home of the studies; $STUDY_HOME or ./runs")
    parser.add_argument("--note", default="", help="what else to say of how they were run")
    parser.add_argument(
        "--parts", nargs="+", default=[], metavar="STUDY", help="the studies that NAME was run as"
    )
    arguments = parser.parse_args()
    if arguments.parts and len(arguments.names) != 1:
        parser.error(f"--parts are of exactly one NAME, got {len(arguments.names)}")
    home = study.Home.find(arguments.home)
    known = [one.name for one in study.list_studies(home)]
    names = arguments.names or [name for name in known if (SPECS / f"{name}.toml").exists()]
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in names:
        content = summary(name, home, arguments.note, arguments.parts)
        file = RESULTS / f"{name}.json"
        file.write_text(to_text(content), encoding="utf-8")
        states = ", ".join(f"{count} {state}" for state, count in content["states"].items())
        print(f"{name}: {states}; {len(content['findings'])} findings -> {file.name}")


if __name__ == "__main__":
    main()
