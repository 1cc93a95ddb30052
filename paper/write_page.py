"""Makes docs/results.md and its figures of paper/results, without any store.

    python benchmarks/paper_page.py [--text]

With --text the figures stay as they are, for which kaleido and a Chrome or Chromium must be there.
"""

import argparse

from paper.figures import figures_of
from paper.files import DOCS, SPECS, Summary, read
from paper.page import page
from study.report.report import write_picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", action="store_true", help="make the text alone, not the figures")
    arguments = parser.parse_args()
    summaries = read()
    (DOCS / "results.md").write_text(text(summaries), encoding="utf-8")
    if arguments.text:
        return
    for summary in summaries:
        for file, title, draw in figures_of(summary):
            write_picture(draw(summary), title, DOCS / f"{file}.png", 560)


def text(summaries: list[Summary]) -> str:
    """The page; every spec of the folder paper/specs counts as a study that could have been run."""
    return page(summaries, [file.stem for file in SPECS.glob("*.toml")])


if __name__ == "__main__":
    main()
