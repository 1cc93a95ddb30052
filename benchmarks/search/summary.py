"""What benchmarks/search prints: how many epochs each search needs, and how far it gets.

A search that never reaches the goal counts as one that needs infinitely many epochs, so a median over
searches is infinite where half of them or more never do.
"""

import math
from typing import Any, Final

import numpy as np

GOAL: Final = 0.95
"""The share of the table's hypervolume that is to be reached."""
SHARES: Final = (0.05, 0.10, 0.15, 0.30)
"""Of the table's epochs: where the hypervolume is told."""
RESAMPLES: Final = 10_000


def print_summary(result: dict[str, Any]) -> None:
    table, seeds = result["table"], result["seeds"]
    print(
        f"{table['name']}: {table['configurations']} configurations, {table['front']} on the front, "
        f"{table['all_epochs']} epochs in all; {seeds} searches each, {result['workers']} workers"
    )
    print(
        f"epochs until {GOAL:.0%} of the hypervolume: median, its 95 % bootstrap interval over "
        "searches, as a share of all epochs; a search that never reaches it counts as infinite"
    )
    columns = "".join(f"{f'at {share:.0%}':>8}" for share in SHARES)
    print(
        f"{'method':30}{'epochs':>8}{'interval':>14}{'share':>8}{'never':>7}{'any epoch':>11}"
        f"  hypervolume{columns}{'trials':>8}{'complete':>10}{'repeats':>9}"
    )
    for name, runs in result["runs"].items():
        needed = needed_epochs(runs, "epochs_to_goal")
        low, high = interval(needed)
        median = float(np.median(needed))
        reached = "".join(f"{_at(result, name, share):>8}" for share in SHARES)
        trials, completed, repeats = (
            float(np.mean([run[key] for run in runs])) for key in ("trials", "completed", "repeats")
        )
        share = f"{median / table['all_epochs']:.1%}" if math.isfinite(median) else "-"
        anytime = float(np.median(needed_epochs(runs, "anytime_epochs_to_goal")))
        print(
            f"{name:30}{_whole(median):>8}{f'{_whole(low)}..{_whole(high)}':>14}{share:>8}"
            f"{f'{int(np.isinf(needed).sum())}/{len(runs)}':>7}{_whole(anytime):>11}"
            f"  {'':11}{reached}{trials:>8.0f}{completed:>10.0f}{repeats / trials:>9.0%}"
        )


def needed_epochs(runs: list[dict[str, Any]], key: str) -> np.ndarray:
    """One a search; infinite where the goal was never reached."""
    return np.array([math.inf if run[key] is None else run[key] for run in runs])


def interval(needed: np.ndarray) -> tuple[float, float]:
    """The 95 % bootstrap interval of the median."""
    generator = np.random.default_rng(0)
    drawn = generator.choice(needed, size=(RESAMPLES, len(needed)))
    # A quantile that is one of the medians: between a finite one and infinity there is none.
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


def _at(result: dict[str, Any], name: str, share: float) -> str:
    """The median hypervolume after a share of all epochs; '-' beyond the limit."""
    epoch = share * result["table"]["all_epochs"]
    if epoch > result["limit"]:
        return "-"
    place = int(np.searchsorted(result["epochs"], epoch, side="right")) - 1
    return f"{np.median([run['hypervolume'][place] for run in result['runs'][name]]):.3f}"


def _whole(epochs: float) -> str:
    return f"{epochs:.0f}" if math.isfinite(epochs) else "inf"
