"""Tables in Markdown, aligned in the source too: the best configurations, by family and by size."""

from collections.abc import Sequence
from typing import Final

from paper.choose import (
    BOUNDS,
    Trial,
    best,
    best_of_each,
    difference,
    families,
    is_dendritic,
    published,
    retrained,
)
from paper.files import Summary
from paper.intervals import Interval

_TEN: Final = 10


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """The lines of a table; the first `left` columns are text, the others numbers to the right."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in [header, *rows]]
    widths = [max(3, *map(len, column)) for column in zip(*escaped, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * width if place < left else f"{'-' * (width - 1)}:"
        for place, width in enumerate(widths)
    ]
    return [line(escaped[0]), line(rule), *map(line, escaped[1:])]


def count(number: float) -> str:
    """A whole number with separators."""
    return f"{number:,.0f}"


def percent(share: float, error: float | None = None) -> str:
    """A share in percent, with its error if there is one."""
    return f"{100 * share:.2f}" + ("" if error is None else f" ± {100 * error:.2f}")


def best_table(summary: Summary) -> list[str]:
    """The table of `best_of_each`, with what the study varies beyond sizes, and retrainings if any."""
    varied = summary["varied"]
    anew = retrained(summary)
    given = published(summary, "accuracy")
    header = ["family", "D", "S", *varied, "parameters", "val %", "test %", "test loss", "seeds"]
    rows = []
    for one in best_of_each(summary):
        known = given.get(one["family"])
        again = anew.get((one.get("study"), one["trial"]))
        rows.append(
            [
                one["family"],
                *(str(one.get(size, "")) for size in ("dendrites", "somata")),
                *(_setting(one.get(name)) for name in varied),
                count(one["trainable_parameters"]),
                percent(one["val_accuracy"], one.get("val_accuracy_sem")),
                percent(one["test_accuracy"], one.get("test_accuracy_sem")),
                loss(one),
                str(one["replicates"]),
                *(_again(again) if anew else []),
                *(
                    [percent(known["published"], known["published_sd"]) if known else ""]
                    if given
                    else []
                ),
            ]
        )
    header += ["retrained: test %", "retrained: loss", "retrained: seeds"] if anew else []
    return table([*header, *(["paper: test %"] if given else [])], rows)


def _again(trial: Trial | None) -> list[str]:
    if trial is None:
        return ["", "", ""]
    accuracy = percent(trial["test_accuracy"], trial.get("test_accuracy_sem"))
    return [accuracy, loss(trial), str(trial["replicates"])]


def loss(trial: Trial) -> str:
    """The test loss with its standard error, empty if there is none."""
    if "test_loss" not in trial:
        return ""
    value, sem = trial["test_loss"], trial.get("test_loss_sem")
    digits = 4 if value < 1 else 3 if value < _TEN else 1
    return f"{value:.{digits}f}" + ("" if sem is None else f" ± {sem:.{digits}f}")


def label(trial: Trial) -> str:
    """Family and sizes, as `dann-lrf D4 S128`, and whether dendrites are linear."""
    sizes = {"D": "dendrites", "S": "somata"}
    parts = [f"{letter}{trial[size]}" for letter, size in sizes.items() if size in trial]
    linear = ["linear"] if trial.get("dendrite_slope") == 1 else []
    return " ".join([trial["family"], *parts, *linear])


def under(trials: Sequence[Trial]) -> list[tuple[int, Trial, Trial, Interval]]:
    """For each bound the best dendritic network, the best other one, and the difference on test.

    Bounds are left out where one of the two is missing.
    """
    return [
        (bound, ours, other, difference(ours, other))
        for bound, ours, other in _best_under(trials)
        if ours and other
    ]


def only_smaller(trials: Sequence[Trial], bound: int, ours: Trial) -> list[str]:
    """The other families of which no network of half the size of ours, or larger, was trained."""
    others = [one for one in trials if not is_dendritic(one)]
    least = ours["trainable_parameters"] / 2
    tried = {one["family"] for one in others if least <= one["trainable_parameters"] <= bound}
    return [family for family in families(others) if family not in tried]


def under_table(trials: Sequence[Trial]) -> list[str]:
    """For each bound the best dendritic network, the best other one, and the difference."""
    rows = [
        [
            f"{bound:,}",
            *_cells(ours),
            *_cells(other),
            points(difference(ours, other)) if ours and other else "",
        ]
        for bound, ours, other in _best_under(trials)
    ]
    columns = ("parameters", "test %")
    header = ["at most", "best dendritic", *columns, "best other", *columns, "difference [95 %]"]
    return table(header, rows)


def _best_under(trials: Sequence[Trial]) -> list[tuple[int, Trial | None, Trial | None]]:
    found = []
    for bound in BOUNDS:
        small = [one for one in trials if one["trainable_parameters"] <= bound]
        ours = best(one for one in small if is_dendritic(one))
        other = best(one for one in small if not is_dendritic(one))
        found.append((bound, ours, other))
    return found


def _cells(trial: Trial | None) -> list[str]:
    if trial is None:
        return ["none trained", "", ""]
    return [
        f"{label(trial)} ({trial['study']} {trial['trial']})",
        count(trial["trainable_parameters"]),
        percent(trial["test_accuracy"], trial.get("test_accuracy_sem")),
    ]


def control_table(trials: Sequence[Trial]) -> list[str]:
    """For each bound and family that is not dendritic: the best dendritic network minus its best.

    Families of which only far smaller networks were trained are left out.
    """
    rows = []
    for bound in BOUNDS:
        small = [one for one in trials if one["trainable_parameters"] <= bound]
        ours = best(one for one in small if is_dendritic(one))
        if ours is None:
            continue
        others = [one for one in small if not is_dendritic(one)]
        missing = only_smaller(trials, bound, ours)
        for family in families(others):
            if family in missing:
                continue
            other = best(one for one in others if one["family"] == family)
            if other is not None:
                test = percent(other["test_accuracy"], other.get("test_accuracy_sem"))
                size = count(other["trainable_parameters"])
                gap = points(difference(ours, other))
                rows.append([label(other), f"{bound:,}", size, test, gap])
    header = ["network", "at most", "parameters", "test %", "best dendritic minus it [95 %]"]
    return table(header, rows)


def points(gap: Interval) -> str:
    """A difference of accuracies in points, with its bounds where there are."""
    text = f"{100 * gap.value:+.2f}"
    if gap.low is None or gap.high is None:
        return text
    return f"{text} [{100 * gap.low:+.2f}, {100 * gap.high:+.2f}]"


def sign(gap: Interval) -> int:
    """1 or -1 where the interval says so, else 0."""
    if gap.low is None or gap.high is None:
        return 0
    return (gap.low > 0) - (gap.high < 0)


def _setting(value: object) -> str:
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
