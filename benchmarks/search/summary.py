"""What benchmarks/search prints and docs/search_benchmark.md shows, in Markdown.

A search that never reaches the goal counts as one that needs infinitely many epochs, so a median over
searches is infinite, `never`, where half of them or more never do. Intervals are 95 % bootstrap
intervals over seeds; two methods are compared on the seeds that both have.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import markdown
from benchmarks.search.protocol import MEASURES, METHODS

Array = NDArray[np.float64]
Runs = dict[str, dict[str, Any]]
"""The measures of a method on a table, by seed."""

BEGIN: Final = "<!-- written by python -m benchmarks.search show -->"
END: Final = "<!-- end -->"

OURS: Final = "ours"
_SHARE_OF_PEER: Final = 0.4  # of the best peer's epochs
_BOTORCH: Final = "botorch"
_EARLY: Final = 0.05  # of the table's epochs: from here on nobody should be ahead


def summary(result: dict[str, Any]) -> str:
    """The tables and what they amount to, in Markdown."""
    sentences = [f"- {one}" for one in (*beside_botorch(result), *goals(result))]
    blocks = (table_of_methods(result), table_of_goal(result), table_of_regrets(result), sentences)
    return "\n\n".join("\n".join(lines) for lines in blocks)


def write_between(text: str, page: Path) -> None:
    """Replaces what is between the marks `BEGIN` and `END` of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def peers(runs: dict[str, Runs]) -> list[str]:
    """The methods that are no variant of ours."""
    return [name for name in METHODS if name in runs and not name.startswith(OURS)]


def table_of_methods(result: dict[str, Any]) -> list[str]:
    """A row a method: seeds of each table, mean rank, epochs to the goal in each box, time to ask."""
    names = [name for name in METHODS if any(name in runs for runs in result["runs"].values())]
    boxes = " / ".join(f"{100 * quantile:.0f} %" for quantile in MEASURES["boxes"])
    reached = [f"{table}: epochs to {boxes}" for table in result["runs"]]
    head = markdown.row(["search", "seeds", "rank", *reached, "ms per proposal, at the end"])
    rows = []
    ranks = mean_ranks(result)
    for name in names:
        every = [runs[name] for runs in result["runs"].values() if name in runs]
        seeds = " / ".join(str(len(runs)) for runs in every)
        cells = []
        for runs in result["runs"].values():
            medians = (
                [epochs_text(float(np.median(needed(runs[name], box)))) for box in _boxes()]
                if name in runs
                else []
            )
            cells.append(" / ".join(medians))
        asked = np.mean([run["late_ask_ms"] for found in every for run in found.values()])
        rows.append([name, seeds, f"{ranks[name]:.1f}", *cells, f"{asked:.1f}"])
    return markdown.table(head, rows)


def table_of_goal(result: dict[str, Any]) -> list[str]:
    """A row a table and box: epochs and multiply-accumulates of ours as a share of the best peer's."""
    rows = []
    for table, runs in result["runs"].items():
        for box in _boxes():
            peer = best_peer(runs, box)
            cells = [
                f"{epochs_text(float(np.median(values)))} ({_interval_text(values)})"
                for values in (needed(runs[OURS], box), needed(runs[peer], box))
            ]
            ratios = [
                "{:.2f} ({:.2f} to {:.2f})".format(*ratio(runs[OURS], runs[peer], box, key))
                for key in ("epochs", "macs")
            ]
            rows.append(
                [table, f"{100 * float(box):.0f} %", cells[0], f"{peer}: {cells[1]}", *ratios]
            )
    head = (
        "| table | box | epochs, ours | epochs, best peer | ratio | multiply-accumulates, ratio |"
    )
    return markdown.table(head, rows)


def table_of_regrets(result: dict[str, Any]) -> list[str]:
    """A row a table and budget: mean regret of ours and of the best peer under each size, in points."""
    rows = []
    for table, runs in result["runs"].items():
        for place, share in enumerate(MEASURES["shares"]):
            cells = []
            for size in range(len(MEASURES["parameters"])):
                found = {name: regret(runs[name], place, size) for name in (OURS, *peers(runs))}
                best = min(peers(runs), key=lambda name: found[name])
                cells.append(f"{100 * found[OURS]:.2f}, {best} {100 * found[best]:.2f}")
            rows.append([table, f"{100 * share:g} %", *cells])
    sizes = [f"under {most:,}" for most in MEASURES["parameters"]]
    return markdown.table(markdown.row(["table", "epochs", *sizes]), rows)


def behind(result: dict[str, Any]) -> Iterator[tuple[str, float, int, float]]:
    """Where ours has a larger mean regret than a peer, from 5 % on: table, share, size, difference."""
    for table, runs in result["runs"].items():
        for place, share in enumerate(MEASURES["shares"]):
            if share < _EARLY:
                continue
            for size, most in enumerate(MEASURES["parameters"]):
                best = min(regret(runs[name], place, size) for name in peers(runs))
                difference = regret(runs[OURS], place, size) - best
                if difference > 0:
                    yield table, share, most, difference


def goals(result: dict[str, Any]) -> list[str]:
    """A sentence for each goal of ours: how far it was reached."""
    ratios = [
        ratio(runs[OURS], runs[best_peer(runs, box)], box, "epochs")[0]
        for runs in result["runs"].values()
        for box in _boxes()
    ]
    reached = sum(one <= _SHARE_OF_PEER for one in ratios)
    cases = len(result["runs"]) * len(MEASURES["parameters"])
    cases *= sum(share >= _EARLY for share in MEASURES["shares"])
    differences = [difference for *_, difference in behind(result)]
    most = max(differences, default=0.0)
    ours = [run for runs in result["runs"].values() for run in runs[OURS].values()]
    asked = float(np.mean([run["late_ask_ms"] for run in ours]))
    trials = float(np.mean([run["trials"] for run in ours]))
    epochs = (
        f"Ours needs at most {_SHARE_OF_PEER} of the epochs of the best other search in {reached} of "
        f"{len(ratios)} boxes; the largest ratio is {max(ratios):.2f}."
    )
    regrets = (
        "From 5 % of the epochs on, another search has a smaller mean regret under some size in "
        f"{len(differences)} of {cases} cases, by at most {100 * most:.2f} points."
    )
    asks = (
        f"The last proposals of a search, of {trials:,.0f} trials on average, take ours "
        f"{asked:.1f} ms each."
    )
    return [epochs, regrets, asks]


def beside_botorch(result: dict[str, Any]) -> list[str]:
    """A sentence for each table and variant of BoTorch, and two for all of them."""
    sentences = []
    for table, runs in result["runs"].items():
        for name in (name for name in peers(runs) if name.startswith(_BOTORCH)):
            ours = {seed: runs[OURS][seed] for seed in runs[name]}
            sentences.append(
                f"On `{table}`, `{name}` needs medians of {medians(runs[name])} epochs in its "
                f"{len(ours)} searches, ours with the same seeds {medians(ours)}."
            )
    slow, quick = times_to_propose(result)
    least = least_of_others(result)
    sentences += [
        f"A proposal takes BoTorch {slow:,.0f} ms and ours {quick:.0f} ms.",
        f"Every search except BoTorch needs at least {least:.1f} times the epochs of ours.",
    ]
    return sentences


def least_of_others(result: dict[str, Any]) -> float:
    """The least ratio of median epochs, over tables and boxes, of a peer other than BoTorch to ours."""
    return min(
        float(np.median(needed(runs[name], box)) / np.median(needed(runs[OURS], box)))
        for runs in result["runs"].values()
        for name in peers(runs)
        if not name.startswith(_BOTORCH)
        for box in _boxes()
    )


def medians(runs: Runs) -> str:
    """The median epochs to the goal in each box, in words."""
    *first, last = (epochs_text(float(np.median(needed(runs, box)))) for box in _boxes())
    return f"{', '.join(first)} and {last}"


def regret(runs: Runs, share: int, size: int) -> float:
    """The mean regret over searches, in shares of accuracy; places in the lists of the protocol."""
    return float(np.mean([run["regrets"][share][size] for run in runs.values()]))


def best_peer(runs: dict[str, Runs], box: str) -> str:
    """The peer with the fewest epochs in the median; among those that never arrive, the least area."""
    return min(
        peers(runs), key=lambda name: (np.median(needed(runs[name], box)), area(runs[name], box))
    )


def times_to_propose(result: dict[str, Any]) -> tuple[float, float]:
    """The mean times of a proposal of BoTorch and of ours with the same seeds, in ms."""
    times = [
        [run["ask_ms"], runs[OURS][seed]["ask_ms"]]
        for runs in result["runs"].values()
        for name in peers(runs)
        if name.startswith(_BOTORCH)
        for seed, run in runs[name].items()
    ]
    slow, quick = np.mean(times, axis=0)
    return float(slow), float(quick)


def area(runs: Runs, box: str) -> float:
    """The mean area under the logarithm of the regret."""
    return float(np.mean([run["boxes"][box]["area"] for run in runs.values()]))


def mean_ranks(result: dict[str, Any]) -> dict[str, float]:
    """The mean over tables and boxes of the rank by area, 1 for the best; ablations are ranked, too."""
    ranks: dict[str, list[int]] = {}
    for runs in result["runs"].values():
        for box in _boxes():
            order = sorted(runs, key=lambda name: area(runs[name], box))  # used at once
            for rank, name in enumerate(order, 1):
                ranks.setdefault(name, []).append(rank)
    return {name: float(np.mean(found)) for name, found in ranks.items()}


def needed(runs: Runs, box: str, key: str = "epochs") -> Array:
    """Epochs or macs to the goal of each search, (seeds,); infinite where it was never reached."""
    found = [run["boxes"][box][key] for run in runs.values()]
    return np.array([math.inf if one is None else one for one in found], dtype=np.float64)


def ratio(ours: Runs, others: Runs, box: str, key: str) -> tuple[float, float, float]:
    """Median of ours over that of others, and its interval; 1 where neither arrives."""
    seeds = [seed for seed in ours if seed in others]
    both = np.array(
        [needed({seed: one[seed] for seed in seeds}, box, key) for one in (ours, others)]
    )
    drawn = _drawn(len(seeds))
    medians = np.median(both[:, drawn], axis=2)
    low, high = np.quantile(_divided(*medians), [0.025, 0.975], method="inverted_cdf")
    (middle,) = _divided(*np.median(both, axis=1)[:, None])
    return float(middle), float(low), float(high)


def _divided(ours: Array, others: Array) -> Array:
    arrives = np.isfinite(ours)
    ratios = np.where(np.isfinite(others), math.inf, 1.0)
    ratios[arrives] = ours[arrives] / others[arrives]
    return ratios


def interval(values: Array) -> tuple[float, float]:
    """The 95 % bootstrap interval of the median."""
    medians = np.median(values[_drawn(len(values))], axis=1)
    # A quantile that is one of the medians: between a finite one and infinity there is none.
    low, high = np.quantile(medians, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


def _drawn(count: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(count, size=(MEASURES["resamples"], count))


def epochs_text(epochs: float) -> str:
    return f"{epochs:,.0f}" if math.isfinite(epochs) else "never"


def _interval_text(values: Array) -> str:
    return " to ".join(epochs_text(end) for end in interval(values))


def _boxes() -> list[str]:
    return [f"{quantile:g}" for quantile in MEASURES["boxes"]]
