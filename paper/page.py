"""Writes docs/results.md and its figures from the summaries in paper/results, without any store."""

from collections.abc import Sequence
from typing import Any, Final

from paper.answer import equal_size, smallest
from paper.choose import Trial, complete, usual
from paper.claim_tables import explained, measured, result_table, tally, tally_table
from paper.figures import figures_of
from paper.files import DOCS, Summary, read, spec_files
from paper.tables import best_table, control_table, table, under_table
from study import write_picture

TITLES: Final = {
    "table1": "Accuracy, loss and parameters",
    "table2": "Sequential training",
    "noise": "Noise",
    "early_stopping": "Early stopping",
    "dropout": "Dropout",
    "learning_rate": "Learning rate",
    "depth": "Depth",
    "structure": "Structure and sparsity",
    "representation": "Responses of units",
    "beyond": "Free search",
}
"""The title of each study, in the order of the page; others follow by name."""

_DATASET: Final = "fashion_mnist"

_HEAD: Final = """\
# Replication of the paper

Chavlis & Poirazi (Nat Commun 2025;16:943) claim that networks with dendrites are as accurate as vanilla
networks with far fewer parameters, overfit less, and are more robust to noise and sequential training.
The studies in `paper/specs` train the networks of each claim, and the measurements decide whether it
holds ([method](verdict.md)). `python -m paper summary` saves summaries of the stored studies in
`paper/results`, from which `python -m paper page` generates this page.
"""

_RULES: Final = """\
Configurations are selected on validation images and evaluated on test images (the paper selected on
test images). Our values are means ± standard errors over seeds, with 95 % intervals (Student, Welch);
the paper's are means ± standard deviations over five seeds. D is the number of dendrites per soma, S the
number of somata. Every dendrite has 16 synapses, as in the paper's text; in its code, 16 is the average.
"""


def write_page(*, figures: bool = True) -> None:
    """Writes the page, and its figures, for which kaleido and a Chrome or Chromium must be there."""
    summaries = read()
    (DOCS / "results.md").write_text(text(summaries), encoding="utf-8")
    if not figures:
        return
    for summary in summaries:
        for file, title, draw in figures_of(summary):
            write_picture(draw(summary), title, DOCS / f"images/{file}.png", 560)


def text(summaries: Sequence[Summary]) -> str:
    """The page; every spec of the folder paper/specs counts as a study that could have been run."""
    return page(summaries, [file.stem for file in spec_files()])


def page(summaries: Sequence[Summary], specs: Sequence[str]) -> str:
    """The page; `specs` are the names of all studies that could have been run."""
    known = ordered(summaries)
    lines = [_HEAD, *_answer(known), "", _RULES]
    for summary in known:
        lines += [*_section(summary), ""]
    trials = usual(known, _DATASET)
    if trials:
        lines += [*_beyond(trials), ""]
    if known:
        lines += ["## Costs", "", *_costs(known), ""]
    lines += _not_run(sorted(set(specs) - {one["name"] for one in known}, key=_place))
    return "\n".join(lines).rstrip() + "\n"


def ordered(summaries: Sequence[Summary]) -> list[Summary]:
    """The summaries in the order of the page."""
    return sorted(summaries, key=lambda one: _place(one["name"]))


def _place(name: str) -> tuple[int, str]:
    names = list(TITLES)
    return (names.index(name) if name in names else len(names), name)


def _title(name: str) -> str:
    return TITLES.get(name, name.replace("_", " ").capitalize())


def _answer(summaries: Sequence[Summary]) -> list[str]:
    if not summaries:
        return ["## Summary", "", "No study has been run yet."]
    results = [one for summary in summaries for one in summary["findings"]]
    trials = usual(summaries, _DATASET)
    return [
        "## Summary",
        "",
        *equal_size(trials),
        f"Of {len(results)} claims, {tally(results)}.",
        *smallest(trials),
        "",
        *tally_table(summaries, [_title(one["name"]) for one in summaries]),
    ]


def _section(summary: Summary) -> list[str]:
    spec, states = summary["spec"], summary["states"]
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    lines = [
        f"## {_title(summary['name'])}",
        "",
        "```sh",
        *summary["commands"],
        "```",
        "",
        f"On {spec['dataset']['name']}: {', '.join(spec['families'])}.",
        f"{_each(summary['epochs'])} epochs, {_each(summary['replicates'])} seeds. Trials: {counts}.",
    ]
    if summary["note"]:
        lines.append(summary["note"])
    for file, title, _ in figures_of(summary):
        lines += ["", f"![{title}](images/{file}.png)"]
    if summary["findings"]:
        lines += ["", "### Claims", ""]
        if measured(summary["findings"]):
            lines += [*result_table(summary["findings"]), ""]
        lines += explained(summary["findings"])
    if complete(summary):
        lines += ["", "### Best configurations", "", *best_table(summary)]
    return lines


def _each(values: Sequence[int]) -> str:
    """Of studies that were run in parts, each value that one of them had."""
    return " or ".join(str(value) for value in values)


def _beyond(trials: Sequence[Trial]) -> list[str]:
    studies = ", ".join(dict.fromkeys(one["study"] for one in trials))
    return [
        "## Beyond the paper",
        "",
        "The best networks under each parameter bound, and the differences of their test accuracies.",
        f"They are selected on validation data among all networks for clean Fashion-MNIST ({studies}).",
        "",
        *under_table(trials),
        "",
        "The best network of each control family, compared with the best dendritic network:",
        "",
        *control_table(trials),
        "",
        *smallest(trials),
    ]


def _costs(summaries: Sequence[Summary]) -> list[str]:
    rows = []
    for one in summaries:
        machine: dict[str, Any] = one["machine"]
        gpus = machine.get("gpus") or ["no GPU"]
        hours = one["hours"]
        rows.append(
            [
                _title(one["name"]),
                f"{machine['cores']} cores {machine['processor']}, {', '.join(gpus)}",
                f"torch {one['versions']['torch']}, ray {one['versions']['ray']}",
                str(sum(one["states"].values())),
                _hours(hours["training"]),
                _hours(hours["wall"]),
            ]
        )
    header = [
        "study",
        "machine",
        "versions",
        "trials",
        "training hours",
        "hours from start to end",
    ]
    return table(header, rows, left=3)


def _hours(hours: float | None) -> str:
    return "" if hours is None else f"{hours:.2g}" if hours < 1 else f"{hours:.1f}"


def _not_run(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    lines = [f"- {_title(name)}: [{name}.toml](../paper/specs/{name}.toml)" for name in names]
    return ["## Studies not yet run", "", *lines]
